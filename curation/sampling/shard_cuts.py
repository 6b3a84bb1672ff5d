"""Where the output is cut into shards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def shard_cuts(bytes_in_order: NDArray[Any], shard_bytes: int) -> NDArray[np.int64]:
    """The first position of each shard, when draws fill shards in order.

    Shard s takes the draws whose text starts in bytes [s * shard_bytes, (s + 1) * shard_bytes) of the output, so it
    holds shard_bytes, give or take a document at either end; the last holds what is left. A shard in which no
    draw starts (inside one huge document) is left out. The closed form needs no state from cut to cut.

    Args:
        bytes_in_order: integers[draws], bytes of text of each draw, in output order.
        shard_bytes: bytes a shard, at least 1.

    Returns:
        int64[shards], ascending, the first is 0; empty if there are no draws.

    Example:
        >>> shard_cuts(np.array([4, 4, 4, 25, 4]), shard_bytes=8).tolist()
        [0, 2, 4]
    """
    if shard_bytes < 1:
        raise ValueError(f"shard_bytes must be at least 1, and is {shard_bytes}")
    if not len(bytes_in_order):
        return np.zeros(0, dtype=np.int64)
    shard = np.cumsum(bytes_in_order, dtype=np.int64)
    shard -= bytes_in_order
    shard //= shard_bytes
    cuts = np.flatnonzero(shard[1:] != shard[:-1]) + 1
    return np.concatenate([np.zeros(1, dtype=np.int64), cuts.astype(np.int64)])
