"""Cuts documents of different lengths into batches, and halves the batches when the GPU's memory is too small.

Documents are sorted by length, longest first, so that a batch holds little padding and the batch that needs the most
memory comes first. A batch is as many documents as fit into a budget of tokens, padding included, and at least one.
Batches depend only on the lengths in the list (and on whether memory ran out before), so a retry of the same list
gives the same vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
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
        capacity: the budgets of all batches, or their tokens where a single document is longer than the budget.
    """

    vectors: NDArray[np.float32]
    padded: int
    batch_tokens: int
    capacity: int


@dataclass(frozen=True)
class Batch:
    """The rows of the documents in a batch, and the tokens it computes, padding included."""

    rows: NDArray[np.int64]
    tokens: int


def encode_in_batches(
    lengths: NDArray[np.int64],
    dimensions: int,
    batch_tokens: int,
    forward: Forward,
    *,
    padding: bool = True,
    pool: Executor | None = None,
) -> Batched:
    """Encodes n documents batch by batch.

    Args:
        lengths: int64[n], tokens of each document.
        dimensions: length of a vector.
        batch_tokens: most tokens of a batch.
        forward: encodes the documents at some rows.
        padding: whether a batch is padded to its longest document, or its documents lie end to end.
        pool: threads that take a batch each; without them batches follow one another, and are halved when the GPU
            runs out of memory.

    Raises:
        RunError: the GPU's memory does not hold a single document.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = plan_batches(lengths, order, batch_tokens, padding)
    if pool is not None:
        outputs = list(pool.map(lambda batch: forward(batch.rows), batches))
        padded = sum(batch.tokens for batch in batches)
        capacity = sum(max(batch.tokens, batch_tokens) for batch in batches)
        return Batched(_in_order(outputs, order, dimensions), padded, batch_tokens, capacity)
    outputs, padded, capacity, done = [], 0, 0, 0
    while batches:
        batch = batches.pop(0)
        output = unless_out_of_memory(partial(forward, batch.rows))
        if output is not None:
            outputs.append(output)
            padded += batch.tokens
            capacity += max(batch.tokens, batch_tokens)
            done += len(batch.rows)
        elif len(batch.rows) > 1:
            # Halve what was really in the batch: the budget may not have been full.
            batch_tokens = max(1, batch.tokens // 2)
            batches = plan_batches(lengths, order[done:], batch_tokens, padding)
        else:
            raise RunError(
                f"the GPU's memory does not hold one document of {batch.tokens} tokens: lower embedding.max_tokens, "
                "take a smaller model, or give an actor a whole GPU (resources.gpus_per_actor)"
            )
    return Batched(_in_order(outputs, order, dimensions), padded, batch_tokens, capacity)


def plan_batches(lengths: NDArray[np.int64], order: NDArray[np.int64], batch_tokens: int, padding: bool) -> list[Batch]:
    """Cuts documents into batches of at most `batch_tokens` tokens, or one document.

    Args:
        lengths: int64[n], tokens of each document.
        order: the rows to cut, longest document first.
        batch_tokens: most tokens of a batch.
        padding: whether every document of a batch costs as much as its longest.
    """
    batches, start = [], 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        if padding:
            rows = order[start : start + max(1, batch_tokens // longest)]
            batches.append(Batch(rows, longest * len(rows)))
        else:
            ends = np.cumsum(lengths[order[start : start + batch_tokens]])
            rows = order[start : start + max(1, int(np.searchsorted(ends, batch_tokens, side="right")))]
            batches.append(Batch(rows, int(lengths[rows].sum())))
        start += len(rows)
    return batches


def _in_order(outputs: list[torch.Tensor], order: NDArray[np.int64], dimensions: int) -> NDArray[np.float32]:
    """The outputs of the batches in the order of the documents."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()  # copies to the host may still be under way
    vectors = np.empty((len(order), dimensions), np.float32)
    if outputs:
        vectors[order] = torch.cat(outputs).numpy()
    return vectors


def unless_out_of_memory(forward: Callable[[], torch.Tensor]) -> torch.Tensor | None:
    """What `forward` returns, or None when the GPU's memory did not suffice."""
    import torch

    try:
        return forward()
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
