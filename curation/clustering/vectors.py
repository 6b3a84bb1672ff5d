"""Arithmetic on unit vectors whose result depends on nothing but the vectors.

A matrix product rounds differently with its shape, its library, its threads and its device. What the run
promises to be the same bits everywhere is therefore computed from elementwise operations only, which IEEE 754
fixes, in an order that is written here. Matrix products are used to find out where to look, in a precision whose
error has a bound: full float32 (`blocks.margin`) or 16 bits (`screen`), never whatever the process has set.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

#: Rows of float16 unit vectors, on the host or on a device.
Rows = NDArray[np.float16] | torch.Tensor

#: Bytes of float64 products held at a time, a CPU thread and on a GPU.
_DOT_BYTES = {"cpu": 2 << 20, "cuda": 64 << 20}


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Float32 matrix products have this precision of torch inside, on CPU and GPU, whatever the process has set.

    The setting is the whole process's. Two threads that need different ones must not be inside at the same time.
    """
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # set through torch's newer interface, which this one can write but not read
        before = "highest"
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def full_precision() -> AbstractContextManager[None]:
    """Float32 matrix products are computed in float32 inside."""
    return matmul_precision("highest")


@contextmanager
def full_float16_sums() -> Iterator[None]:
    """Products of float16 matrices on a GPU are added in float32 throughout inside, whatever the process has set."""
    settings = torch.backends.cuda.matmul
    wanted = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
    names = [name for name in wanted if hasattr(settings, name)]  # the second is newer than torch 2.6
    before = [getattr(settings, name) for name in names]
    try:
        for name in names:
            setattr(settings, name, False)
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(settings, name, value)


def as_tensor(rows: Rows) -> torch.Tensor:
    """The rows as a tensor where they are, without a copy.

    Raises:
        ValueError: the rows are not a float16 matrix. (Exact sums rest on float16.)
    """
    if isinstance(rows, np.ndarray):
        with warnings.catch_warnings():  # arrays from Arrow are read-only; nothing here writes to them
            warnings.simplefilter("ignore", UserWarning)
            rows = torch.from_numpy(rows)
    if rows.dtype != torch.float16 or rows.ndim != 2:
        raise ValueError(f"rows must be a float16 matrix, not {rows.dtype} of shape {tuple(rows.shape)}")
    return rows


def fold(products: torch.Tensor) -> torch.Tensor:
    """The sum of each row of a float64 matrix [n, d], in a fixed order; overwrites the matrix.

    The right half is added to the left half until one column is left. The additions are elementwise, so the
    result can't depend on n, on threads or on the device, as that of `sum` or of a matrix product may.
    """
    width = products.shape[1]
    while width > 1:
        half = (width + 1) // 2
        products[:, : width - half] += products[:, half:width]
        width = half
    return products[:, 0]


def pair_dots(rows: torch.Tensor, row: torch.Tensor, others: torch.Tensor, other: torch.Tensor) -> NDArray[np.float64]:
    """Dot products of chosen pairs.

    A product of a float16 and a float32 is exact in float64, so only the additions round (`fold`).

    Args:
        rows: [n, d] float16.
        row: int64[p], the row of each pair.
        others: [k, d] float64 that hold float32 or float16 values, on the device of the rows.
        other: int64[p], the row of `others` of each pair.

    Returns:
        float64[p], on the host.
    """
    pairs, width = len(row), rows.shape[1]
    result = torch.empty(pairs, dtype=torch.float64, device=others.device)
    threads = torch.get_num_threads() if others.device.type == "cpu" else 1
    block = max(1, threads * _DOT_BYTES.get(others.device.type, 64 << 20) // (8 * width))
    for start in range(0, pairs, block):
        chosen = slice(start, start + block)
        products = rows.index_select(0, row[chosen]).to(torch.float64)
        products *= others.index_select(0, other[chosen])
        result[chosen] = fold(products)
    return np.asarray(result.cpu().numpy(), np.float64)


def norms(matrix: NDArray[np.float16] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The Euclidean length of each row, float64[n], in a fixed order of additions."""
    wide = torch.from_numpy(matrix.astype(np.float64))
    return np.asarray(np.sqrt(fold(wide * wide).numpy()), np.float64)


def unit(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """The rows scaled to length 1 as float32: what a row is as a centroid. A zero row stays zero."""
    length = norms(rows)
    return (rows / np.where(length > 0, length, 1.0)[:, None]).astype(np.float32)


def first_of_each(rows: NDArray[np.float16]) -> NDArray[np.int64]:
    """The places of the first row of each different vector, ascending. -0 and 0 are the same."""
    if not len(rows):
        return np.zeros(0, np.int64)
    plain = np.ascontiguousarray(rows + np.float16(0))
    _, first = np.unique(plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1]))), return_index=True)
    return np.sort(first)
