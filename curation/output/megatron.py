r"""Megatron-LM's token files: a `.bin` with the ids of all documents end to end, and an `.idx` that says where each is.

The layout is that of `megatron/core/datasets/indexed_dataset.py`, all numbers little-endian:

    .bin  token ids, 16 bits each where the vocabulary is below 65,500, else 32, without anything between documents
    .idx  b"MMIDIDX\0\0", uint64 1 (version), uint8 8 or 4 (uint16 or int32 ids), uint64 n, uint64 n + 1,
          int32[n] tokens of each sequence, int64[n] byte at which it begins, int64[n + 1] sequences 0 to n

A document is one sequence. It ends with the tokenizer's end-of-document token only if the job names one. A pair of
files is a *prefix* (their common path); one without a token must not be written, since it can't be mapped into memory.

Ids travel as Arrow binary, the bytes of a document's ids (`curation.tokenizer` makes them), so that rows are gathered
by copying bytes. The index is written from the lengths alone, block by block: 4 bytes a document are all it holds.
Megatron-LM shuffles what it reads; how much of each prefix it reads, the blend file says.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.errors import JobError
from curation.output.values import one_array

TOKENS_SUFFIX, INDEX_SUFFIX = ".bin", ".idx"

_HEADER, _VERSION = b"MMIDIDX\x00\x00", 1
#: Version, type, sequences and ends of documents come after the header; this is where the lengths begin.
_NUMBERS = "<QBQQ"
_FIXED = len(_HEADER) + struct.calcsize(_NUMBERS)
#: What the index calls the types of token ids.
_CODES: dict[np.dtype[Any], int] = {np.dtype(np.uint16): 8, np.dtype(np.int32): 4}
#: Rows that are gathered at a time, and documents of a block of the index.
_ROWS, _BLOCK = 1 << 14, 1 << 20
#: Characters of a domain's name in a file name.
_NAME = 64
_HASHED = re.compile(r".*-[0-9a-f]{16}", re.IGNORECASE)


def append(
    sink: Any, tokens: pa.Array | pa.ChunkedArray, order: NDArray[np.int64], dtype: np.dtype[Any]
) -> NDArray[np.int32]:
    """Writes the documents `order` of a column, in this order, to the end of a `.bin` file.

    Args:
        sink: a writable binary file.
        tokens: binary or large_binary[rows], the ids of each row as bytes of `dtype`; not null where drawn.
        order: int64[n], rows of `tokens`.
        dtype: uint16 or int32.

    Returns:
        int32[n], the tokens of each document, for `write_index`.
    """
    column = one_array(tokens) if isinstance(tokens, pa.ChunkedArray) else tokens
    lengths = [np.empty(0, np.int32)]
    for start in range(0, len(order), _ROWS):
        drawn = column.take(pa.array(order[start : start + _ROWS]))
        sizes = pc.binary_length(drawn).to_numpy()
        _, offsets, data = drawn.buffers()
        first = np.frombuffer(offsets, np.int64 if pa.types.is_large_binary(drawn.type) else np.int32)[drawn.offset]
        if written := int(sizes.sum(dtype=np.int64)):
            sink.write(memoryview(data)[int(first) : int(first) + written])
        lengths.append((sizes // dtype.itemsize).astype(np.int32))
    return np.concatenate(lengths)


def write_index(sink: Any, lengths: Sequence[NDArray[np.int32]], dtype: np.dtype[Any]) -> None:
    """Writes an `.idx` file.

    Args:
        sink: a writable binary file.
        lengths: int32 arrays, the tokens of each document of the `.bin` file in order, in as many parts as it was
            appended in. Each is read twice and never copied as a whole.
        dtype: uint16 or int32.
    """
    count = sum(len(part) for part in lengths)
    sink.write(_HEADER + struct.pack(_NUMBERS, _VERSION, _CODES[dtype], count, count + 1))
    for block in _blocks(lengths):
        sink.write(np.ascontiguousarray(block, "<i4"))
    begin = 0
    for block in _blocks(lengths):
        sizes = block.astype(np.int64) * dtype.itemsize
        ends = begin + np.cumsum(sizes)
        sink.write((ends - sizes).astype("<i8", copy=False))
        begin = int(ends[-1])
    for start in range(0, count + 1, _BLOCK):
        sink.write(np.arange(start, min(start + _BLOCK, count + 1), dtype="<i8"))


def _blocks(lengths: Sequence[NDArray[np.int32]]) -> Iterator[NDArray[np.int32]]:
    """The lengths in blocks of at most _BLOCK; none is empty."""
    for part in lengths:
        for start in range(0, len(part), _BLOCK):
            yield part[start : start + _BLOCK]


@dataclass(frozen=True)
class Index:
    """What an `.idx` file says: the type of the ids, int32[n] tokens of each document, int64[n] where it begins."""

    dtype: np.dtype[Any]
    lengths: NDArray[np.int32]
    pointers: NDArray[np.int64]


def read_index(data: bytes | memoryview | pa.Buffer) -> Index:
    """The content of an `.idx` file, as views of its bytes.

    Raises:
        ValueError: it is not one that `write_index` could have written.
    """
    view = memoryview(data)
    if bytes(view[:9]) != _HEADER or len(view) < _FIXED:
        raise ValueError("it does not begin as an index of Megatron-LM does")
    version, code, count, bounds = struct.unpack_from(_NUMBERS, view, len(_HEADER))
    dtype = next((dtype for dtype, its in _CODES.items() if its == code), None)
    if version != _VERSION or dtype is None or bounds != count + 1 or len(view) != _FIXED + 12 * count + 8 * bounds:
        raise ValueError(f"version {version}, type {code}, {count} sequences and {len(view)} bytes do not fit together")
    lengths = np.frombuffer(view, "<i4", count, _FIXED)
    pointers = np.frombuffer(view, "<i8", count, _FIXED + 4 * count)
    ends = np.cumsum(lengths, dtype=np.int64) * dtype.itemsize
    documents = np.frombuffer(view, "<i8", bounds, _FIXED + 12 * count)
    if not np.array_equal(pointers, ends - lengths.astype(np.int64) * dtype.itemsize):
        raise ValueError("its documents do not lie end to end")
    if not np.array_equal(documents, np.arange(bounds)):
        raise ValueError("a document is not one sequence")
    return Index(dtype, lengths, pointers)


def read_tokens(data: bytes | memoryview | pa.Buffer, index: Index) -> pa.Array:
    """The documents of a `.bin` file as large_binary[n], a view of its bytes: as `append` took them.

    Raises:
        ValueError: it is not as long as its index says.
    """
    size = int(index.lengths.sum(dtype=np.int64)) * index.dtype.itemsize
    if memoryview(data).nbytes != size:
        raise ValueError(f"{memoryview(data).nbytes} bytes, and its index tells of {size}")
    offsets = pa.py_buffer(np.append(index.pointers, size))
    return pa.Array.from_buffers(pa.large_binary(), len(index.lengths), [None, offsets, pa.py_buffer(data)])


def blend_text(prefixes: Sequence[str], tokens: Sequence[int]) -> str:
    """The file that `--data-args-path` takes: `weight prefix`, a line each, the weight being the prefix's tokens.

    So a training run of as many tokens as all prefixes hold reads each of them about once. The text is split at white
    space, and what comes before the prefixes must not hold any.

    Args:
        prefixes: paths as the trainer sees them, without suffix.
        tokens: in each. Those without a token are left out.

    Raises:
        JobError: a prefix has white space in it.
    """
    for prefix in prefixes:
        if not prefix or prefix.split() != [prefix]:
            raise JobError(f"run_dir: {prefix!r} has white space, at which Megatron-LM splits: choose another folder")
    return "".join(f"{count} {prefix}\n" for prefix, count in zip(prefixes, tokens, strict=True) if count)


def blends_json(train: str, valid: str) -> str:
    """The file that `--per-split-data-args-path` takes: the blends of training and validation; there is no test set.

    Args:
        train: as `blend_text` gives it.
        valid: likewise.
    """
    blends = {"train": " ".join(train.split()), "valid": " ".join(valid.split()) or None, "test": None}
    return json.dumps(blends, indent=1, ensure_ascii=False) + "\n"


def file_names(domains: Sequence[str]) -> list[str]:
    """A name for the files of each domain: of letters, digits, `.`, `_` and `-`, and different even to file systems
    that take upper and lower case for the same.

    A domain that is such a name already keeps it. Any other gets 16 digits of its hash behind what is left of it, and
    so does one that looks like that or differs from another in case alone.

    Args:
        domains: names, each once.
    """
    counts: dict[str, int] = {}
    for domain in domains:
        counts[domain.lower()] = counts.get(domain.lower(), 0) + 1
    return [_file_name(domain, counts[domain.lower()] == 1) for domain in domains]


def _file_name(domain: str, alone: bool) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", domain)[:_NAME].lstrip(".-")
    if alone and plain == domain and not _HASHED.fullmatch(domain):
        return domain
    return f"{plain or '_'}-{hashlib.sha256(domain.encode()).hexdigest()[:16]}"
