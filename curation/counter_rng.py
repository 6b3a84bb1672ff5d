"""Random numbers that depend on what they are for, never on the order in which work finished.

A number is a pure function of (seed, purpose, id): the purpose names the decision ("sampling.order"), the id is
usually a doc_id. Any worker can compute any of them alone, so the number of workers and a restart can't change
them. The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom
Number Generators, OOPSLA 2014), applied twice with a key between.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mixes in place."""
    z ^= z >> np.uint64(30)
    z *= _M1
    z ^= z >> np.uint64(27)
    z *= _M2
    z ^= z >> np.uint64(31)
    return z


def _stream(seed: int, purpose: str) -> tuple[np.uint64, np.uint64]:
    """The two 64-bit keys of a (seed, purpose) pair."""
    digest = hashlib.blake2b(f"{seed}\x00{purpose}".encode(), digest_size=16).digest()
    return np.frombuffer(digest, np.uint64)[0], np.frombuffer(digest, np.uint64)[1]


def keys(seed: int, purpose: str, ids: NDArray[Any]) -> NDArray[np.uint64]:
    """64 random bits for each id.

    Args:
        seed: the job's seed.
        purpose: what the number decides; different purposes are independent.
        ids: integers of any shape; negative ids are not allowed.

    Returns:
        uint64 array of the shape of `ids`.
    """
    first, second = _stream(seed, purpose)
    with np.errstate(over="ignore"):
        counter = np.array(ids, dtype=np.uint64)
        counter *= _GOLDEN
        counter += first
        _mix(counter)
        counter += second
        return _mix(counter)


def nth_seed(seed: int, number: int) -> int:
    """A seed of its own for each phase or restart; the job's own for number 0."""
    return (seed + number * int(_GOLDEN)) % 2**63


def uniform(seed: int, purpose: str, ids: NDArray[Any]) -> NDArray[np.float64]:
    """A uniform float64 in [0, 1) for each id, with 53 random bits. See `keys`."""
    return (keys(seed, purpose, ids) >> np.uint64(11)).astype(np.float64) * 2.0**-53
