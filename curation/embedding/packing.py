"""Packs the documents of a batch end to end, so that nothing is padded and no mask slows the attention down.

The model sees one row of tokens with a position for each and the places where documents begin; attention looks at one
document at a time. On a GPU that is PyTorch's own kernel for documents of different lengths (no further package), and
it saves more than padding: a mask forces the attention into slower kernels, and the library reads the mask back from
the GPU to see whether it is needed. On a CPU it is a loop over the documents: 6 to 20 % more tokens a core-second.

Which models stand it can't be known from their names: some count positions from elsewhere, look at a window, or add
a bias of their own. So a model is packed only if it gives the same vectors packed as padded (`same_vectors`).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The attention's name in the model library.
ATTENTION = "curation_packed"
#: What tells the attention where documents begin, by the library's own names.
_BOUNDS = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k")
#: Least cosine of vectors that count as the same: bfloat16 moves them by about 1e-4, a wrong position by 1e-2.
_SAME = 0.999


def packed_features(documents: list[NDArray[np.int32]], first_position: int, typed: bool) -> dict[str, Any]:
    """What the model takes for a batch of packed documents.

    Args:
        documents: int32[length] token ids, a document each, at least one token.
        first_position: position of the first token of each document.
        typed: whether the model takes token types; they are all 0.

    Returns:
        int64[1, tokens] `input_ids`, `position_ids`, perhaps `token_type_ids`, and `seq_idx`, the document of each
        token; int32[documents + 1] `cu_seq_lens_*`, where documents begin and the last ends; the longest length.
    """
    lengths = np.array([len(document) for document in documents], np.int64)
    ends = np.cumsum(lengths)
    ids = np.concatenate(documents).astype(np.int64)[None]
    positions = np.arange(len(ids[0])) - np.repeat(ends - lengths, lengths) + first_position
    bounds = np.concatenate([np.zeros(1, np.int32), ends.astype(np.int32)])
    longest = int(lengths.max())
    features: dict[str, Any] = {"input_ids": ids, "position_ids": positions[None]}
    features |= {"seq_idx": np.repeat(np.arange(len(documents)), lengths)[None]}
    features |= dict(zip(_BOUNDS, (bounds, bounds, longest, longest), strict=True))
    return {**features, "token_type_ids": np.zeros_like(ids)} if typed else features


def take_packed_attention(first: Any) -> None:
    """Makes a sentence-transformers `Transformer` module attend to one document at a time.

    Raises:
        AttributeError, ImportError, ValueError: its model can't do it.
    """
    from transformers import AttentionInterface

    if not first.model.is_backend_compatible() or getattr(first.model.config, "is_decoder", False):
        raise ValueError("not a model with an exchangeable attention that looks both ways")
    AttentionInterface.register(ATTENTION, packed_attention)
    first.model.set_attn_implementation(ATTENTION)
    if first.model_forward_params is not None:  # the names that the module lets through to the model
        first.model_forward_params |= set(_BOUNDS)


def packed_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    cu_seq_lens_q: Any = None,
    max_length_q: int = 0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Any, None]:
    """Attention inside each of the packed documents.

    Args:
        module: the model's attention layer.
        query: [1, heads, tokens, size], as are key and value.
        key: likewise.
        value: likewise.
        attention_mask: None.
        cu_seq_lens_q: int32[documents + 1], where documents begin and the last ends.
        max_length_q: the longest document.
        scaling: factor of the scores; None: 1 / sqrt(size).
        others: what else the model hands its attention.

    Returns:
        [1, tokens, heads, size], and no weights.

    Raises:
        ValueError: the model wants more of its attention than this.
    """
    import torch

    wanted = {name for name in ("sliding_window", "softcap", "position_bias", "s_aux") if others.get(name) is not None}
    wanted |= {"is_causal"} if getattr(module, "is_causal", False) or others.get("is_causal") else set()
    if wanted or attention_mask is not None or cu_seq_lens_q is None or key.shape != query.shape:
        raise ValueError(f"packed attention can't serve this model: {', '.join(sorted(wanted)) or 'masks or heads'}")
    if query.is_cuda:
        from torch.nn.attention.varlen import varlen_attn

        q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
        bounds = (cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q)
        attended: Any = varlen_attn(q, k, v, *bounds, scale=scaling)
        return attended.unsqueeze(0), None
    heads, tokens, size = query.shape[1:]
    output = torch.empty((1, tokens, heads, size), dtype=query.dtype)
    attend = torch.nn.functional.scaled_dot_product_attention
    begins = cu_seq_lens_q.tolist()
    for begin, end in itertools.pairwise(begins):
        q, k, v = (tensor[:, :, begin:end] for tensor in (query, key, value))
        output[:, begin:end] = attend(q, k, v, scale=scaling).transpose(1, 2)
    return output, None


def same_vectors(one: Any, other: Any) -> bool:
    """Whether two tensors [n, d] hold the same directions, but for rounding."""
    import torch

    return bool((torch.nn.functional.cosine_similarity(one.double(), other.double()) > _SAME).all())
