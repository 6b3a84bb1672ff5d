"""The units of a curation debt as Ray tasks, and the rows that their files make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from curation.language_model.gpt import GptConfig
from curation.probe.debt import (
    CHECKPOINTS,
    TAUGHT_ONE_IN,
    UNITS_VERSION,
    Material,
    Plan,
    Unit,
    cell_name,
    checkpoint_steps,
    do_unit,
    state_name,
)
from curation.probe.debt_summary import DEBT_VERSION, debt_row, learning
from curation.progress import Reporter
from curation.stages import ray_cluster
from curation.stages.workers import map_items
from curation.storage.store import Store, fingerprint

#: Share of a GPU that a small model takes, where there are GPUs.
GPU_SHARE = 0.25


def debt_plan(pool_key: str, texts: tuple[str, str, str], tokens: int, seed: int, config: GptConfig) -> Plan:
    """The plan of a debt, in a folder that is named by all that its units hang on.

    Args:
        pool_key: names the pool.
        texts: the pattern, the old continuation and the new one.
        tokens: of a training, and most from a checkpoint on.
        seed: of the first training.
        config: of the model, with its vocabulary.
    """
    key = fingerprint([DEBT_VERSION, UNITS_VERSION, pool_key, *texts, tokens, seed, asdict(config)])[:16]
    return Plan(f"probe/{key}", tokens, tokens, seed, config)


def do_units(
    store: Store,
    plan: Plan,
    material: Material,
    seeds: int,
    one_in: Sequence[int],
    reporter: Reporter,
    tasks: int | str,
) -> None:
    """Does the units that have no file yet, in tasks: what others start from comes before them."""
    numbers = range(seeds)
    early, late = ([Unit(number, checkpoint) for number in numbers] for checkpoint in ("early", "late"))
    repairs = [[Unit(unit.number, unit.checkpoint, every) for every in one_in for unit in one] for one in (early, late)]
    # Rare statements take longest, so they come first.
    waves = [early, [*late, *reversed(repairs[0])], [*reversed(repairs[1])]]
    needed = {(unit.number, unit.checkpoint) for unit in chain(*repairs) if not store.exists(cell_name(plan, unit))}
    gpus = GPU_SHARE if ray_cluster.gpus() else 0.0
    shared = (store, plan, ray_cluster.share(material))
    done, total = 0, sum(map(len, waves))
    with reporter.stage("debt", 0) as progress:
        for wave in waves:
            todo = [unit for unit in wave if not _done(store, plan, unit, needed)]
            done += len(wave) - len(todo)
            for _ in map_items(todo, do_unit, *shared, tasks=tasks, gpus=gpus):
                done += 1
                progress.advance(text=f"{done} of {total} trainings")


def _done(store: Store, plan: Plan, unit: Unit, needed: set[tuple[int, str]]) -> bool:
    """Whether a unit's file is there, and of a checkpoint from which something is to be done its state."""
    starts = not unit.one_in and (unit.number, unit.checkpoint) in needed
    return store.exists(cell_name(plan, unit)) and not (starts and not store.exists(state_name(plan, unit)))


def table_of(store: Store, plan: Plan, seeds: int, one_in: Sequence[int]) -> dict[str, Any]:
    """`learning` and `rows` from the files of the units."""

    def cells(checkpoint: str, every: int = 0) -> list[dict[str, Any]]:
        return [store.read_json(cell_name(plan, Unit(number, checkpoint, every))) for number in range(seeds)]

    seen = {name: steps * plan.config.step_tokens for name, steps in checkpoint_steps(plan).items()}
    rows = [
        debt_row(name, every, seen[name], cells(name), cells(name, every)) for name in CHECKPOINTS for every in one_in
    ]
    return {"learning": learning(cells("late")), "rows": rows}


def settings_of(plan: Plan, seeds: int) -> dict[str, Any]:
    """What the table says of how it was made."""
    config = plan.config
    return {
        "tokens": plan.tokens,
        "bound_tokens": plan.bound_tokens,
        "document_tokens": config.context,
        "taught_one_in": TAUGHT_ONE_IN,
        "seeds": seeds,
        "parameters": config.parameters,
        "learning_rate": config.learning_rate,
    }
