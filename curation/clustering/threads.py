"""Work on rows by several threads of a CPU, each with blocks of its own.

Threads inside a product or a copy would wait for each other after each of them, and where cores are shared with other
work that is most of the time. So each thread here does all of a block, from product to labels, on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

#: Blocks that a thread takes at a time, into the same memory.
_BLOCKS_A_TURN = 4


def over_threads(work: Callable[[slice], None], rows: int, size: int, device: torch.device) -> None:
    """Does the work on all rows, a few blocks a turn, by as many threads as torch has on a CPU; by one on a GPU.

    Args:
        work: is given the places of a turn.
        rows: how many there are.
        size: rows of a block.
        device: where the rows are.
    """
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    step = size * max(1, min(_BLOCKS_A_TURN, rows // (2 * threads * size)))
    turns = [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
    if threads == 1 or not turns:
        for turn in turns:
            work(turn)
    else:
        with ThreadPoolExecutor(min(threads, len(turns)), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(work, turns))
