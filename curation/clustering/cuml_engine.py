"""cuML's K-Means as one rank of several sees it: all that may change between versions of cuML and raft-dask is here.

A rank is a process with a GPU. It joins the others through NCCL by an id that rank 0 makes, puts that on a RAFT handle
(no Dask cluster), and runs `KMeansMG` on its own rows while all others do the same on theirs. NCCL knows no time-outs:
where a rank dies the others wait for ever, so whoever drives the ranks must watch them (`stages.cuml_gang`).

Rows stay in host memory, as float32 since cuML takes no float16: 4 d bytes a row, beside the 2 d of the rows as they
are stored. They are pinned, and stream through two buffers on the GPU in each iteration, so that a corpus may be
larger than the memory of all GPUs. They are always passed as a list of parts: that path counts in 64 bits on every
rank, while the one for a single array chooses by its own size, and ranks that choose differently wait for ever.

cuML is imported when a rank is made, never before: that takes 5 s and succeeds without a GPU too.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray

from curation.clustering.segments import Advance
from curation.clustering.vectors import as_tensor
from curation.errors import RunError

#: The first release whose K-Means fits parts that stream from the host on several GPUs.
OLDEST = (26, 8)

#: What the modules come from, by the names that pip and conda know.
_DISTRIBUTIONS = {
    "cuml": ("cuml-cu13", "cuml-cu12", "cuml"),
    "raft_dask": ("raft-dask-cu13", "raft-dask-cu12", "raft-dask"),
}

#: Bytes of a part of the rows: just fit into a power of two, which is what torch takes for pinned memory.
PART_BYTES = 1 << 30

#: Bytes of rows on the GPU at a time, twice.
BUFFER_BYTES = 1 << 29

#: The first centroids are given, so nothing is drawn; but KMeansMG wants the same number on every rank.
_RANDOM_STATE = 0


def why_not() -> str:
    """Why this process, which should have a GPU, can't use the engine, in one sentence; "" where it can.

    Looks at what is installed and imports none of it.
    """
    for module, names in _DISTRIBUTIONS.items():
        if importlib.util.find_spec(module) is None:
            return f"{names[0]} is not installed where the GPUs are: pip install 'curation[gpu]'"
        version = _version(names)
        if version is not None and version < OLDEST:
            return f"{names[0]} is {'.'.join(map(str, version))}, older than {'.'.join(map(str, OLDEST))}"
    return "" if torch.cuda.is_available() else "torch finds no CUDA device there, or is built without CUDA"


def _version(names: tuple[str, ...]) -> tuple[int, ...] | None:
    """Year and month of the release that is installed; None where it doesn't say."""
    for name in names:
        try:
            found = importlib.metadata.version(name).split(".")[:2]
        except importlib.metadata.PackageNotFoundError:
            continue
        return tuple(int(part) for part in found) if all(part.isdigit() for part in found) else None
    return None


class CumlRank:
    """One rank: its rows, its place among the others, and K-Means on all of them together.

    `stages.cuml_gang` takes any class with these methods; the tests have one that needs no GPU.
    """

    #: What Ray must give a rank, all of them at once, and the torch device of its exact iterations. No CPU slot: nodes
    #: with GPUs have none, so that no other work keeps them up.
    RESOURCES: ClassVar[dict[str, float]] = {"GPU": 1.0}
    DEVICE: ClassVar[str] = "cuda"

    def __init__(self, rows: Sequence[NDArray[np.float16]]) -> None:
        """Takes the rows, float16 arrays [n_i, d], at least one row in all."""
        self._parts = host_parts(rows, pinned=torch.cuda.is_available())
        self._nccl: Any = None
        self._handle: Any = None

    @staticmethod
    def new_id() -> bytes:
        """What all ranks need to find each other. The process that made it must live: it hosts their meeting."""
        from raft_dask.common.nccl import nccl

        made: bytes = nccl.get_unique_id()
        return made

    def connect(self, rank: int, ranks: int, unique_id: bytes) -> None:
        """Joins the other ranks, and returns when all have come. An exact sum over them is the test.

        Raises:
            RunError: there is no GPU, NCCL fails, or the sum over the ranks is wrong.
        """
        from pylibraft.common.handle import Handle
        from raft_dask.common.comms_utils import inject_comms_on_handle_coll_only, perform_test_comms_allreduce
        from raft_dask.common.nccl import nccl

        try:
            self._nccl = nccl()
            self._nccl.init(ranks, unique_id, rank)
            self._handle = Handle(n_streams=0)
            inject_comms_on_handle_coll_only(self._handle, self._nccl, ranks, rank, False)
            works = perform_test_comms_allreduce(self._handle, 0)
        except RuntimeError as error:
            raise RunError(f"rank {rank} of {ranks}: NCCL did not start: {' '.join(str(error).split())}") from error
        if not works:
            raise RunError(f"rank {rank} of {ranks}: NCCL's sum over the ranks is wrong")

    def advance(self, centroids: NDArray[np.float32], iterations: int, tolerance: float) -> Advance:
        """Up to so many iterations over the rows of all ranks, which must all be called with the same arguments."""
        model = self.model(centroids, iterations, tolerance)
        with sklearn.config_context(assume_finite=True):  # or cuML reads all rows on the CPU first, in every segment
            model.fit(self._parts)
        return Advance(np.asarray(model.cluster_centers_), int(model.n_iter_))

    def model(self, centroids: NDArray[np.float32], iterations: int, tolerance: float) -> Any:
        """The estimator as it is made for a segment; stops as soon as an iteration gains less than `tolerance`."""
        from cuml.cluster.kmeans_mg import KMeansMG

        return KMeansMG(
            handle=self._handle,
            n_clusters=len(centroids),
            init=centroids,
            n_init=1,
            max_iter=iterations,
            tol=tolerance,
            random_state=_RANDOM_STATE,
            device_buffer_samples=max(1, BUFFER_BYTES // (4 * centroids.shape[1])),
            output_type="numpy",
        )

    def close(self) -> None:
        """Leaves the others. Where one of them is lost this would wait for it: end the process instead."""
        self._handle = None
        if self._nccl is not None:
            self._nccl.destroy()
            self._nccl = None


def host_parts(rows: Sequence[NDArray[np.float16]], pinned: bool) -> list[NDArray[np.float32]]:
    """The rows as float32 in parts of at most `PART_BYTES`, in their order, in pinned memory if asked for."""
    total, dimensions = sum(len(part) for part in rows), rows[0].shape[1]
    size = max(1, PART_BYTES // (4 * dimensions))
    sizes = [min(size, total - start) for start in range(0, total, size)]
    made = [torch.empty((count, dimensions), dtype=torch.float32, pin_memory=pinned) for count in sizes]
    at = 0
    for part in rows:
        tensor, done = as_tensor(part), 0
        while done < len(tensor):
            target = made[at // size][at % size :]
            count = min(len(target), len(tensor) - done)
            target[:count].copy_(tensor[done : done + count])
            at, done = at + count, done + count
    return [part.numpy() for part in made]
