"""Spherical K-Means on a GPU: seconds an iteration against what the chip can do, measured in the same run.

    python benchmarks/gpu_clustering.py [--rows 10_000_000] [--dimensions 768] [--clusters 2000] [--iterations 10]
    python benchmarks/gpu_clustering.py --device cpu --rows 20_000 --dimensions 64 --clusters 100

Rows are unit vectors round unequal Gaussians, and noise, float16, made in blocks on the device; first centroids are
random rows. One iteration must multiply 2 N K d numbers and read 2 N d bytes: the roofline is the longer of these by
the measured rate of a large float16 matrix product and by that of a copy in the device's memory (on a CPU: bfloat16).
`--streamed` keeps the rows in pinned host memory and streams them through the GPU; the bytes then go at the measured
rate of copies from there. Times are of the clock on the wall, with the device idle before and after.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from curation.clustering import device_rows
from curation.clustering.torch_engine import FitState, RowBlock, fit

#: Rows that are made at a time.
BLOCK = 1 << 18


def vectors(rows: int, dimensions: int, device: str, groups: int = 3000, noise: float = 0.1) -> torch.Tensor:
    """Unit vectors float16[rows, dimensions] on the device, round unequal groups of unequal width; some are noise."""
    random = torch.Generator(device).manual_seed(0)
    kind = {"generator": random, "device": device}
    centres = torch.nn.functional.normalize(torch.randn((groups, dimensions), **kind))
    weights = torch.rand(groups, **kind).clamp(min=1e-3).reciprocal()
    spread = torch.randn((groups, dimensions), **kind).mul(0.5).exp() * (0.3 + 0.8 * torch.rand((groups, 1), **kind))
    spread /= dimensions**0.5
    result = torch.empty((rows, dimensions), dtype=torch.float16, device=device)
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        group = torch.multinomial(weights, count, replacement=True, generator=random)
        normal = torch.randn((count, dimensions), **kind)
        is_noise = torch.rand((count, 1), **kind) < noise
        mixed = torch.where(is_noise, normal, centres[group] + normal * spread[group])
        result[start : start + count] = torch.nn.functional.normalize(mixed)
    return result


def seconds(work: Callable[[], object], device: str, repeats: int = 5) -> float:
    """The fastest of several, after one that does not count."""
    taken = []
    for _ in range(repeats + 1):
        finish(device)
        begun = time.perf_counter()
        work()
        finish(device)
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def finish(device: str) -> None:
    """Waits for the device."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def product_rate(device: str) -> float:
    """Operations a second of a large product of 16-bit matrices."""
    size, kind = (8192, torch.float16) if torch.device(device).type == "cuda" else (1024, torch.bfloat16)
    a, b = (torch.randn((size, size), device=device).to(kind) for _ in range(2))
    return 2 * size**3 / seconds(lambda: torch.mm(a, b), device)


def copy_rate(rows: torch.Tensor, device: str) -> float:
    """Bytes a second that are read to bring rows to the device, or to copy them in its memory, writing counted too."""
    some = rows[: (1 << 30) // (2 * rows.shape[1])]
    there = torch.empty_like(some, device=device)
    passes = 2 if some.device == there.device else 1
    return passes * 2 * some.numel() / seconds(lambda: there.copy_(some, non_blocking=True), device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--dimensions", type=int, default=768)
    parser.add_argument("--clusters", type=int, default=2000)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--streamed", action="store_true")
    options = parser.parse_args()
    device, clusters = options.device, options.clusters
    rows = vectors(options.rows, options.dimensions, device)
    chosen = torch.from_numpy(np.sort(np.random.default_rng(1).choice(len(rows), clusters, replace=False)))
    init = torch.nn.functional.normalize(rows[chosen.to(device)].to(torch.float32)).cpu().numpy()
    if options.streamed:
        rows = rows.cpu().pin_memory() if torch.cuda.is_available() else rows.cpu()
        device_rows._SHARE = 0.0
    rate, bandwidth = product_rate(device), copy_rate(rows, device)
    block = RowBlock(rows, np.arange(len(rows)), device)
    moments = [time.perf_counter()]

    def note(_: FitState) -> None:
        moments.append(time.perf_counter())

    state = fit(block.step, block.worst, init, max_iterations=options.iterations, tolerance=-1.0, on_iteration=note)
    taken = np.diff(moments).tolist()
    mean, later = statistics.mean(taken), statistics.median(taken[1:] or taken)
    multiply = 2 * len(rows) * clusters * options.dimensions / rate
    read = 2 * len(rows) * options.dimensions / bandwidth
    roofline = max(multiply, read)
    name = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "CPU"
    print(f"{len(rows):,} x {options.dimensions}, K={clusters:,} on {name}, torch {torch.__version__}")
    print(f"16-bit product {rate / 1e12:.2f} T operations/s; copy {bandwidth / 1e9:.1f} GB/s")
    print(f"roofline {roofline * 1e3:.2f} ms: products {multiply * 1e3:.2f} ms, bytes {read * 1e3:.2f} ms")
    print(
        f"first iteration {taken[0] * 1e3:.1f} ms, median of the others {later * 1e3:.1f} ms, "
        f"mean of {len(taken)} {mean * 1e3:.1f} ms: {mean / roofline:.2f} times the roofline"
    )
    print(f"mean cosine {state.history[-1].objective / len(rows):.5f}")


if __name__ == "__main__":
    main()
