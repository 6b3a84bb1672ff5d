"""The bytes of a JSONL file in blocks of a few MiB, decompressed, without the byte order mark.

Counting and reading both stand on these blocks, so they see the same bytes. A plain file can be entered anywhere.
A compressed one is a stream that can only be read from its beginning; gzip files of many members and zstd files of
many frames count as one stream. Memory is bounded by a block, whatever the length of a line.

A stream that breaks off, or does not decode, gives all the bytes before the damage and then raises `DamagedStream`.
pyarrow loses what a failed read had decoded already, so the last piece is read once more byte by byte: what is
saved of a damaged file then depends on nothing but the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice, repeat

import pyarrow as pa

from curation.errors import InputError
from curation.sources.find import open_input
from curation.storage.errors import first_words

BLOCK = 4 << 20
#: Bytes a read behind the place where the caller expects to stop.
OVERHANG = 256 << 10
#: Bytes a read of a compressed stream; what is decoded again byte by byte after damage.
PIECE = 64 << 10
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_CODECS = {"jsonl.gz": "gzip", "jsonl.zst": "zstd"}
#: What pyarrow's messages say when it is the data, and not the network or the disk, that is at fault.
_DAMAGE = ("Truncated compressed stream", "inflate failed", "decompress failed")


class DamagedStream(Exception):  # noqa: N818  (never ends a run: its catchers turn it into an InputError)
    """A compressed file is cut off or corrupt here; the message is the decoder's."""


def plain_blocks(path: str, start: int, stop: int) -> Iterator[bytes]:
    """Blocks of an uncompressed file from byte `start` to its end; one ends at `stop`, to spare reading beyond it.

    Raises:
        InputError: the file can't be read.
    """
    filesystem, inner = open_input(path)
    try:
        with filesystem.open_input_file(inner) as file:
            file.seek(start)
            at = start
            while True:
                wanted = stop - at if at < stop else OVERHANG
                block = file.read(min(max(wanted, len(BYTE_ORDER_MARK)), BLOCK))
                if not block:
                    return
                yield _without_mark(block) if at == 0 else block
                at += len(block)
    except OSError as error:
        raise unreadable(path, error) from error


def stream_blocks(path: str, format: str) -> Iterator[bytes]:
    """Blocks of the decompressed stream of a `jsonl.gz` or `jsonl.zst` file, from its beginning.

    Raises:
        DamagedStream: after the last good byte, if the file is cut off or corrupt.
        InputError: the file can't be read.
    """
    source = _pieces(path, format, repeat(PIECE))
    damage = ""
    whole = 0
    while not damage:
        pieces: list[bytes] = []
        try:  # pieces that came before an error must be kept, so they are appended one by one
            for piece in islice(source, BLOCK // PIECE):
                pieces.append(piece)
        except DamagedStream as error:
            damage = str(error)
            pieces.append(_last_bytes(path, format, whole + len(pieces)))
        block = b"".join(pieces)
        if not block:
            break
        yield _without_mark(block) if whole == 0 else block
        whole += len(pieces)
    if damage:
        raise DamagedStream(damage)


def unreadable(path: str, error: OSError) -> InputError:
    """The error for a file that is there and can't be read."""
    reason = error.strerror or first_words(str(error))
    return InputError(f"{path}: can't be read: {reason}; check its permissions and the storage")


def _pieces(path: str, format: str, sizes: Iterable[int]) -> Iterator[bytes]:
    """Reads of the decompressed stream, of the given sizes. Raises DamagedStream and InputError."""
    filesystem, inner = open_input(path)
    try:
        if filesystem.get_file_info(inner).size == 0:  # pyarrow takes it for an empty stream
            raise DamagedStream("it is empty")
        with (
            filesystem.open_input_stream(inner, compression=None) as raw,
            pa.CompressedInputStream(raw, _CODECS[format]) as stream,
        ):
            for size in sizes:
                piece = stream.read(size)
                if not piece:
                    return
                yield piece
    except OSError as error:
        if any(sign in str(error) for sign in _DAMAGE):
            raise DamagedStream(str(error)) from error
        raise unreadable(path, error) from error


def _last_bytes(path: str, format: str, whole: int) -> bytes:
    """What still decodes of the stream when the read after its first `whole` pieces fails."""
    last: list[bytes] = []
    with suppress(DamagedStream):
        for piece in islice(_pieces(path, format, chain(repeat(PIECE, whole), repeat(1, PIECE))), whole, None):
            last.append(piece)
    return b"".join(last)


def _without_mark(block: bytes) -> bytes:
    """A first block with the byte order mark blanked out, so that every position stays what it was."""
    return b"   " + block[len(BYTE_ORDER_MARK) :] if block.startswith(BYTE_ORDER_MARK) else block
