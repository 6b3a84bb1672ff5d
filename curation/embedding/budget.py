"""How many tokens make a batch on a GPU, found by measurement.

Small batches leave a GPU waiting for its next kernel, and large ones bring nothing more but take memory: the rate
climbs and then is level. Where, depends on the GPU and the model, so the budget is doubled, on batches of documents
as long as they get, until that gains next to nothing or takes too much memory. A second or two at an actor's start.

On a CPU nothing is measured. A batch is one core's, what it must fit into is that core's cache, and rates there move
by more from one second to the next than from one budget to the next: a measured budget would be another one each
time, and so would the last bits of the vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

#: Taken on CPUs: the best of benchmarks/embedding.py --budgets 512 1024 2048 4096 8192.
CPU_BATCH_TOKENS = 2048
#: Taken on a GPU where there is nothing to measure with.
GPU_BATCH_TOKENS = 8192
#: A doubling that gains less is not worth its memory.
LEAST_GAIN = 0.03
_SMALLEST, _LARGEST = 4096, 1 << 20


@dataclass(frozen=True)
class Budget:
    """Tokens of a batch, and how it came to that.

    Attributes:
        tokens: the budget.
        found: `given`, `fixed` or `measured`.
        rates: tokens a second of each budget that was tried.
    """

    tokens: int
    found: str
    rates: dict[int, float] = field(default_factory=dict)


def measured_budget(rate: Callable[[int], float | None]) -> Budget:
    """The smallest budget whose rate is the best one but for LEAST_GAIN, among doublings from 4096 on.

    Args:
        rate: tokens a second with batches of so many tokens; None where they take too much memory.
    """
    rates: dict[int, float] = {}
    tokens = _SMALLEST
    while tokens <= _LARGEST:
        found = rate(tokens)
        if found is None:
            break
        level = bool(rates) and found < max(rates.values()) * (1 + LEAST_GAIN)
        rates[tokens] = found
        if level:
            break
        tokens *= 2
    enough = max(rates.values(), default=0) / (1 + LEAST_GAIN)
    return Budget(next((tokens for tokens, found in rates.items() if found >= enough), _SMALLEST), "measured", rates)
