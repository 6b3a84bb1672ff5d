"""Spherical K-Means on a CPU: seconds an iteration and what the clusters are worth, against others' and one product.

    python benchmarks/clustering.py [--small] [--repeats 3] [--iterations 10] [--threads 2 | --cpu-time]

Vectors: unit vectors round unequal anisotropic Gaussians, and noise, float16 as stored; the others get them as
float32. Every method starts from the same random rows and takes the same number of iterations. The methods take
turns, once a repetition, so that whatever else the machine does meets all of them. A figure is the median over the
repetitions; time is that of the whole fit, divided by its iterations, and beside it that of a fit of one iteration: the
first sums all rows, later ones move a few. For faiss time includes the objective. With ten iterations and three
repetitions both sizes take some ten minutes on two cores that are free.

`ours, threads` is `RowBlock` in one process with a thread a core; `ours, processes` are as many processes of one
thread with a share of the rows each, as the Ray actors of a run are: centroids go out, sums come back. The floor is
one float32 product of the rows with the centroids, the faster of NumPy and torch on all cores, without argmax or
update. Where other work shares the cores, threads that wait for each other measure that work: `--cpu-time` runs
everything on one thread and counts the seconds of its core (without `ours, processes`). All mean cosines are
computed the same way, from the final centroids, by exact assignment.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from curation.clustering.assign import nearest_two
from curation.clustering.torch_engine import RowBlock, StepResult, Worst, fit, merge_worst

Vectors = NDArray[np.float16]
Centroids = NDArray[np.float32]
Clock = Callable[[], float]
T = TypeVar("T")

#: rows and clusters of the figures in the README, and of a quick try
SIZES = {False: [(200_000, 1000), (1_000_000, 100)], True: [(20_000, 100)]}


def vectors(rows: int, dimensions: int, groups: int = 300, noise: float = 0.1, seed: int = 0) -> Vectors:
    """Unit vectors [rows, dimensions] round Gaussians of unequal weight and shape; a tenth is noise."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((groups, dimensions), np.float32))
    weights = rng.pareto(1.0, groups) + 0.2
    spread = np.exp(rng.normal(0, 0.5, (groups, dimensions))) * rng.uniform(0.3, 1.1, (groups, 1))
    spread = (spread / np.sqrt(dimensions)).astype(np.float32)
    result = np.empty((rows, dimensions), np.float16)
    for start in range(0, rows, 50_000):
        part = result[start : start + 50_000]
        group = rng.choice(groups, len(part), p=weights / weights.sum())
        normal = rng.standard_normal(part.shape, np.float32)
        is_noise = rng.random((len(part), 1)) < noise
        part[:] = unit(np.where(is_noise, normal, centres[group] + normal * spread[group]))
    return result


def unit(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def ours(rows: Vectors, init: Centroids, iterations: int) -> Centroids:
    block = RowBlock(rows, np.arange(len(rows)))
    return fit(block.step, block.worst, init, max_iterations=iterations, tolerance=-1.0).centroids


def serve(pipe: Connection, rows: Vectors, first: int) -> None:
    """A process that holds rows and answers like the Ray actor of a run."""
    torch.set_num_threads(1)
    block = RowBlock(rows, np.arange(first, first + len(rows)))
    while (request := pipe.recv()) is not None:
        name, arguments = request
        if name == "forget":
            block = RowBlock(rows, np.arange(first, first + len(rows)))
        pipe.send(None if name == "forget" else getattr(block, name)(*arguments))


class Processes:
    """One process a core, each with its rows, started once; starting Ray is not what is measured."""

    def __init__(self, rows: Vectors, count: int) -> None:
        self._pipes = []
        bounds = np.linspace(0, len(rows), count + 1).astype(int)
        context = multiprocessing.get_context("spawn")
        for start, stop in itertools.pairwise(bounds):
            mine, theirs = context.Pipe()
            context.Process(target=serve, args=(theirs, rows[start:stop], start), daemon=True).start()
            self._pipes.append(mine)

    def fit(self, init: Centroids, iterations: int) -> Centroids:
        """The centroids after so many iterations."""
        return fit(self.step, self.worst, init, max_iterations=iterations, tolerance=-1.0).centroids

    def step(self, centroids: Centroids) -> StepResult:
        """The step of all processes, added up."""
        results: list[StepResult] = self._ask("step", centroids)
        return sum(results[1:], start=results[0])

    def worst(self, centroids: Centroids, most: int) -> Worst:
        """The worst rows of all processes."""
        return merge_worst(self._ask("worst", centroids, most), most)

    def forget(self) -> None:
        """The next fit starts with nothing kept from the one before."""
        self._ask("forget")

    def close(self) -> None:
        """Ends the processes."""
        for pipe in self._pipes:
            pipe.send(None)

    def _ask(self, name: str, *arguments: object) -> list:  # type: ignore[type-arg]
        for pipe in self._pipes:
            pipe.send((name, arguments))
        return [pipe.recv() for pipe in self._pipes]


def faiss_kmeans(single: NDArray[np.float32], init: Centroids, iterations: int) -> Centroids:
    dimensions, clusters = single.shape[1], len(init)
    model = faiss.Kmeans(
        dimensions, clusters, niter=iterations, spherical=True, max_points_per_centroid=len(single), seed=0
    )
    model.train(single, init_centroids=init)
    return model.centroids


def super_kmeans(single: NDArray[np.float32], init: Centroids, iterations: int) -> Centroids:
    parameters = faiss.SuperKMeansParameters()
    parameters.niter, parameters.spherical, parameters.max_points_per_centroid = iterations, True, len(single)
    model = faiss.SuperKMeans(single.shape[1], len(init), parameters)
    faiss.copy_array_to_vector(init.ravel(), model.centroids)
    model.train(single)
    return faiss.vector_to_array(model.centroids).reshape(init.shape)


def lloyd(single: NDArray[np.float32], init: Centroids, iterations: int) -> Centroids:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(len(init), init=init, n_init=1, max_iter=iterations, tol=0.0, algorithm="lloyd").fit(single)
    return unit(model.cluster_centers_)


def floor(single: NDArray[np.float32], init: Centroids, clock: Clock) -> float:
    """Seconds of one float32 product [n, d] x [d, K], the faster of NumPy and torch."""
    scores = np.empty((len(single), len(init)), np.float32)
    a, b, out = torch.from_numpy(single), torch.from_numpy(init).T, torch.from_numpy(scores)
    products: list[Callable[[], object]] = [lambda: np.matmul(single, init.T, out=scores)]
    products.append(lambda: torch.mm(a, b, out=out))
    return min(seconds(product, clock)[0] for product in products)


def seconds(work: Callable[[], T], clock: Clock) -> tuple[float, T]:
    begun = clock()
    result = work()
    return clock() - begun, result


def measure(rows: Vectors, clusters: int, iterations: int, repeats: int, threads: int, clock: Clock) -> None:
    """Prints the table for one size."""
    single = rows.astype(np.float32)
    chosen = np.sort(np.random.default_rng(1).choice(len(rows), clusters, replace=False))
    init = np.ascontiguousarray(unit(single[chosen]))
    processes = Processes(rows, threads if clock is time.perf_counter else 0)
    if clock is time.perf_counter:
        processes.fit(init, 1)  # so that they have started
    methods: dict[str, Callable[[int], Centroids]] = {
        "ours, threads": lambda count: ours(rows, init, count),
        "ours, processes": lambda count: processes.fit(init, count),
        "faiss.Kmeans": lambda count: faiss_kmeans(single, init, count),
        "faiss.SuperKMeans": lambda count: super_kmeans(single, init, count),
        "scikit-learn Lloyd": lambda count: lloyd(single, init, count),
    }
    if clock is not time.perf_counter:
        del methods["ours, processes"]
    times: dict[str, list[float]] = {name: [] for name in methods}
    firsts: dict[str, list[float]] = {name: [] for name in methods}
    floors, loads, cosine = [], [], {}
    floor(single, init, clock)  # first touch of memory
    for repeat in range(repeats):
        for name, method in methods.items():
            loads.append(os.getloadavg()[0])
            floors.append(floor(single, init, clock))
            processes.forget()
            firsts[name].append(seconds(lambda method=method: method(1), clock)[0])
            processes.forget()
            took, centroids = seconds(lambda method=method: method(iterations), clock)
            times[name].append(took / iterations)
            if repeat == 0:
                cosine[name] = float(nearest_two(rows, np.ascontiguousarray(centroids, np.float32))[1].mean())
    processes.close()
    base = statistics.median(floors)
    print(f"\n{len(rows):,} x {rows.shape[1]}, K={clusters:,}, {iterations} iterations, median of {repeats}; ", end="")
    print(f"load {min(loads):.1f} to {max(loads):.1f}")
    print(f"{'float32 product alone':22}{base:8.3f} s   (fastest {min(floors):.3f} s)")
    work = len(rows) * clusters * rows.shape[1]
    for name, taken in times.items():
        middle, first = statistics.median(taken), statistics.median(firsts[name])
        print(
            f"{name:22}{middle:8.3f} s an iteration{middle / base:7.2f} of the product; the first {first:.3f} s;"
            f"{work / middle / 1e9:6.0f} G rows x clusters x dimensions/s;{cosine[name]:9.5f} mean cosine"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", action="store_true", help="20,000 rows and 100 clusters: seconds")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cpu-time", action="store_true", help="seconds of one core, where other work shares it")
    options = parser.parse_args()
    clock = time.process_time if options.cpu_time else time.perf_counter
    options.threads = 1 if options.cpu_time else options.threads
    torch.set_num_threads(options.threads)
    threadpool_limits(options.threads)
    faiss.omp_set_num_threads(options.threads)
    print(f"{options.threads} threads, {os.cpu_count()} CPUs; torch {torch.__version__}, faiss {faiss.__version__}")
    for rows, clusters in SIZES[options.small]:
        measure(vectors(rows, 384), clusters, options.iterations, options.repeats, options.threads, clock)


if __name__ == "__main__":
    main()
