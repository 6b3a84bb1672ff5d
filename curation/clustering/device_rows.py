"""Rows where the arithmetic is: in a GPU's memory if they fit, else streamed through it.

Streamed rows lie in pinned host memory, which a GPU can read while it computes. Each chunk is copied on a stream of its
own while the one before it is used, so that the slower of copying and computing is the time of both. On a CPU the rows
are where they are, and a chunk is a part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

#: Bytes of the rows that are copied at a time; two or three of these are on the GPU.
CHUNK_BYTES = 256 << 20

#: Rows are kept on a GPU while they take no more than this of its free memory.
_SHARE = 0.8


def settled(parts: Sequence[torch.Tensor], device: str) -> list[torch.Tensor]:
    """The parts, float16[n_i, d], where a fit should find them: on the GPU, or pinned if they are too large for it.

    Pinned memory is a copy: with rows that the caller keeps, the host holds them twice.
    """
    if torch.device(device).type != "cuda":
        return list(parts)
    size = sum(2 * part.numel() for part in parts if not part.is_cuda)
    if size < _SHARE * torch.cuda.mem_get_info(device)[0]:
        return [part.to(device) for part in parts]
    return [part if part.is_cuda else part.pin_memory() for part in parts]


def chunks(
    parts: Sequence[torch.Tensor], device: str, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[torch.Tensor, slice]]:
    """All rows in order, on the device, each chunk with its place among them.

    A part that is there already is one chunk. Of others the next chunk is on its way while the caller has one.
    """
    there = torch.device(device)
    streamed = any(part.device.type != there.type for part in parts)
    copier = None
    if streamed and there.type == "cuda":
        copier = torch.cuda.Stream(there)  # type: ignore[no-untyped-call]
    waiting: tuple[Callable[[], torch.Tensor], slice] | None = None
    for rows, place in _cut(parts, there, chunk_bytes):
        ahead = (_sent(rows, there, copier), place)
        if waiting is not None:
            yield waiting[0](), waiting[1]
        waiting = ahead
    if waiting is not None:
        yield waiting[0](), waiting[1]


def _cut(parts: Sequence[torch.Tensor], device: torch.device, chunk_bytes: int) -> Iterator[tuple[torch.Tensor, slice]]:
    """The chunks of the parts where they lie, with their places; parts that are on the device are not cut."""
    begin = 0
    for part in parts:
        here = part.device.type == device.type
        size = max(1, len(part) if here else chunk_bytes // (2 * max(1, part.shape[1])))
        for start in range(0, len(part), size):
            rows = part[start : start + size]
            yield rows, slice(begin + start, begin + start + len(rows))
        begin += len(part)


def _sent(rows: torch.Tensor, device: torch.device, copier: torch.cuda.Stream | None) -> Callable[[], torch.Tensor]:
    """Sends rows on their way to the device; the result gives them, and makes the caller's stream wait for them."""
    if copier is None or rows.device.type == device.type:
        copied = rows.to(device)
        return lambda: copied
    with torch.cuda.stream(copier):
        copied = rows.to(device, non_blocking=True)
        done = copier.record_event()

    def arrived() -> torch.Tensor:
        user = torch.cuda.current_stream(device)
        user.wait_event(done)
        copied.record_stream(user)  # its memory is not given to the next chunk while this stream reads it
        return copied

    return arrived
