"""What a probe is asked for, and the defaults: without imports, for the command line and for what does it."""

from __future__ import annotations

from dataclasses import dataclass

#: Tokens of the pool, about, and those that each strategy draws from it, at most: the n-gram model takes seconds for
#: so many and a small GPT minutes, and what balance does to rare domains shows long before more.
POOL_TOKENS, MOST_TOKENS = 10_000_000, 2_500_000
#: Tokens that are drawn where nobody asks, as a multiple of the pool's: most clusters can then give an even share, and
#: rare domains have more than a handful of documents. A job that draws more repeats more; `--epochs` asks for that.
EPOCHS = 0.25
#: Tokens that a strategy must draw.
LEAST_TOKENS = 2_000
#: Seeds of each evaluator.
SEEDS, GPT_SEEDS = 5, 3


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line; None: the default."""

    strategies: list[str] | None
    seeds: dict[str, int]
    """How many of each evaluator."""
    tokens: int | None
    epochs: float | None
    pool_tokens: int | None
    fraction: float
    hold_back: list[str] | None
    target: str | None
    seed: int
