"""Cuts documents of different lengths into batches, and halves the batches when the GPU's memory is too small.

Documents are sorted by length, longest first, so that a batch holds little padding and the batch that needs the most
memory comes first. A batch is as many documents as fit into a budget of tokens, padding included, and at least one.
Batches depend only on the lengths in the list (and on whether memory ran out before), so a retry of the same list
gives the same vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from curation.errors import RunError

if TYPE_CHECKING:
    import torch

#: Encodes the documents at some rows: float32 tensor [rows, dimensions] in host memory, possibly still being filled.
Forward = Callable[[NDArray[np.int64]], "torch.Tensor"]


@dataclass(frozen=True)
class Batched:
    """What came out of all batches.

    Attributes:
        vectors: float32[n, dimensions] in the order of the documents.
        padded: tokens computed, padding included.
        batch_tokens: the budget in force at the end.
    """

    vectors: NDArray[np.float32]
    padded: int
    batch_tokens: int


def encode_in_batches(
    lengths: NDArray[np.int64], dimensions: int, batch_tokens: int, forward: Forward, *, padding: bool = True
) -> Batched:
    """Encodes n documents batch by batch.

    Args:
        lengths: int64[n], tokens of each document.
        dimensions: length of a vector.
        batch_tokens: most tokens of a batch.
        forward: encodes the documents at some rows.
        padding: whether a batch is padded to its longest document, or its documents lie end to end.

    Raises:
        RunError: the GPU's memory does not hold a single document.
    """
    import torch

    order = np.argsort(-lengths, kind="stable")
    outputs: list[torch.Tensor] = []
    start = padded = 0
    while start < len(order):
        rows, tokens = next_batch(lengths, order, start, batch_tokens, padding)
        output = _unless_out_of_memory(forward, rows)
        if output is not None:
            outputs.append(output)
            start += len(rows)
            padded += tokens
        elif len(rows) > 1:
            # Halve what was really in the batch: the budget may not have been full.
            batch_tokens = max(1, tokens // 2)
        else:
            raise RunError(
                f"the GPU's memory does not hold one document of {tokens} tokens: lower embedding.max_tokens, "
                "take a smaller model, or give an actor a whole GPU (resources.gpus_per_actor)"
            )
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # copies to the host may still be under way
    vectors = np.empty((len(order), dimensions), np.float32)
    if outputs:
        vectors[order] = torch.cat(outputs).numpy()
    return Batched(vectors, padded, batch_tokens)


def next_batch(
    lengths: NDArray[np.int64], order: NDArray[np.int64], start: int, batch_tokens: int, padding: bool
) -> tuple[NDArray[np.int64], int]:
    """The rows of the batch that begins at place `start` of the sorted documents, and the tokens it computes."""
    if padding:
        longest = max(1, int(lengths[order[start]]))
        rows = order[start : start + max(1, batch_tokens // longest)]
        return rows, longest * len(rows)
    ends = np.cumsum(lengths[order[start : start + batch_tokens]])
    rows = order[start : start + max(1, int(np.searchsorted(ends, batch_tokens, side="right")))]
    return rows, int(lengths[rows].sum())


def _unless_out_of_memory(forward: Forward, rows: NDArray[np.int64]) -> torch.Tensor | None:
    """What `forward` returns, or None when the GPU's memory did not suffice."""
    import torch

    try:
        return forward(rows)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
    # Only here, with the exception and the tensors that its frames hold gone, does emptying the cache help.
    torch.cuda.empty_cache()
    return None


def _is_out_of_memory(error: RuntimeError) -> bool:
    """PyTorch's own error, or that of a library (cuBLAS, the driver) that found no memory left for its workspace."""
    import torch

    words = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def pad_left_or_right(
    documents: list[NDArray[np.int32]], filler: int, left: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids of a batch as a rectangle, and its attention mask.

    Args:
        documents: int32[length] token ids, a document each.
        filler: id of the padding token.
        left: pad before the tokens instead of after them.

    Returns:
        int64[n, longest] ids and int64[n, longest] mask, 1 where there is a token.
    """
    longest = max(1, max(map(len, documents)))
    ids = np.full((len(documents), longest), filler, np.int64)
    mask = np.zeros((len(documents), longest), np.int64)
    for row, document in enumerate(documents):
        place = slice(longest - len(document), None) if left else slice(0, len(document))
        ids[row, place] = document
        mask[row, place] = 1
    return ids, mask
