"""Reading in a process of its own.

A damaged Parquet file can end the process that reads it: the library's C++ calls `abort` over some of them. Ray's
tasks are tried again and named. Who reads in the process of the command line does it through here.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from curation.errors import InputError
from curation.sources.find import InputFile

Answer = TypeVar("Answer")


def read_apart(work: Callable[[InputFile], Answer], files: Iterable[InputFile]) -> Iterator[Answer]:
    """What `work`, which must be picklable, gives for each file, one after the other, in one process beside this one.

    Raises:
        InputError: the process did not survive a file.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        for file in files:
            try:
                yield beside.submit(work, file).result()
            except BrokenProcessPool as error:
                raise InputError(
                    f"{file.path}: the process that read it was ended; is the file damaged or encrypted, or was there "
                    "too little memory? Mend it or take it out of the sources"
                ) from error
