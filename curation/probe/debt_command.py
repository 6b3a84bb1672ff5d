"""`curation probe --pattern`: its arguments, and what it does with them: the pool, the trainings, the table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from curation.errors import JobError
from curation.probe.asked import POOL_TOKENS

if TYPE_CHECKING:
    from curation.language_model.gpt import GptConfig
    from curation.progress import Reporter

#: Defaults: tokens of a training, and from a checkpoint on at most; seeds; frequencies. Some ten minutes on two cores.
TOKENS, SEEDS, ONE_IN = 1_000_000, 3, (10, 100, 1000)
#: Steps that a training has at least.
LEAST_STEPS = 50


def add_debt_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of a curation debt, beside those of a probe."""
    group = parser.add_argument_group(
        "curation debt",
        "instead, how many documents of a counter-pattern flip what a small model has learnt, early and late; with "
        f"--seeds trainings ({SEEDS}) of --tokens each ({TOKENS:,})",
    )
    group.add_argument("--pattern", metavar="TEXT", help='for example "The capital of France is"')
    group.add_argument("--from", dest="old", metavar="TEXT", help="how it goes on in what the model learns: Paris")
    group.add_argument("--to", dest="new", metavar="TEXT", help="how it is to go on: Barcelona")
    text = f"how often: one document in N has the counter-pattern ({','.join(map(str, ONE_IN))})"
    group.add_argument("--one-in", type=_frequencies, metavar="N,N", help=text)


def _frequencies(text: str) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(part.replace("_", "")) for part in text.split(",")}))
    except ValueError:
        found = (0,)
    if found[0] < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not whole numbers, at least 1, with commas between them")
    return found


def check_debt(pattern: str | None, old: str | None, new: str | None) -> tuple[str, str, str]:
    """The three texts without white space around them.

    Raises:
        JobError: one is missing or empty, or the continuations can't be told apart.
    """
    texts = {"--pattern": pattern, "--from": old, "--to": new}
    for name, text in texts.items():
        if text is None or not text.strip():
            what = "is missing" if text is None else "is empty"
            raise JobError(f"{name} {what}: --pattern, --from and --to go together, each with some words")
    pattern, old, new = (str(text).strip() for text in texts.values())
    if old == new:
        raise JobError(f"--to: it is {new!r}, as --from is: name two continuations")
    return pattern, old, new


def debt_command(options: argparse.Namespace) -> int:
    """`curation probe --pattern`."""
    from curation.page_again import renew_page
    from curation.probe.debt_summary import debt_text
    from curation.storage.store import Store

    _refuse_others(options)
    seeds, tokens = options.seeds or SEEDS, options.tokens or TOKENS
    asked = (options.pattern, options.old, options.new)
    debt = run_debt(options.run_dir, *asked, seeds=seeds, tokens=tokens, one_in=options.one_in or ONE_IN)
    print(json.dumps(debt, indent=1, ensure_ascii=False) if options.json else debt_text(debt).rstrip("\n"))
    renew_page(Store.open(options.run_dir))  # after the results, which took long and do not hang on it
    return 0


def _refuse_others(options: argparse.Namespace) -> None:
    """Raises JobError for an option that says nothing to a curation debt."""
    names = ("strategies", "evaluator", "gpt_seeds", "epochs", "pool_tokens", "fraction", "hold_back", "target", "seed")
    if given := next((name for name in names if getattr(options, name) is not None), None):
        option = f"--{given.replace('_', '-')}"
        raise JobError(
            f"{option}: it is about a comparison of strategies, and --pattern makes none: leave out one of them"
        )


def run_debt(
    run_dir: str,
    pattern: str | None,
    old: str | None,
    new: str | None,
    *,
    seeds: int = SEEDS,
    tokens: int = TOKENS,
    one_in: Sequence[int] = ONE_IN,
    config: GptConfig | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Measures a curation debt, or what is left of it; see `debt_summary` for what it gives.

    Args:
        run_dir: of a run that has its clusters.
        pattern: see the arguments.
        old: as above.
        new: as above.
        seeds: trainings.
        tokens: of a training, and at most from a checkpoint on.
        one_in: frequencies of the counter-pattern.
        config: of the model; its vocabulary is set here.
        reporter: shows how far it is.

    Raises:
        CurationError: what a person must mend; what was committed stays.
    """
    pattern, old, new = check_debt(pattern, old, new)
    from dataclasses import replace

    from curation.language_model.gpt import GptConfig
    from curation.pipeline import current_markers
    from curation.probe.debt_kept import keep_debt
    from curation.probe.debt_material import check_frequencies, material_of
    from curation.probe.debt_summary import DEBT_VERSION, debt_sentence
    from curation.probe.debt_units import debt_plan, do_units, settings_of, table_of
    from curation.probe.pool import PoolSettings, ready_pool
    from curation.probe.run import probed_job
    from curation.progress import Reporter
    from curation.stages import ray_cluster
    from curation.stages.eligible import data_key
    from curation.storage.lock import locked
    from curation.storage.store import Store

    # The learning rate stays, so that checkpoints differ in what was learnt before them alone.
    config = config or GptConfig(final_rate=1.0)
    if tokens < (least := LEAST_STEPS * config.step_tokens):
        raise JobError(f"--tokens {tokens:,}: a model that read fewer than {least:,} has learnt nothing; raise it")
    store, reporter = Store.open(run_dir), reporter or Reporter()
    markers = current_markers(store)
    job = probed_job(store, markers)
    with locked(store, lambda text: reporter.event("note", text=text)) as held:
        reporter.run = held.shown()
        ray_cluster.start(job.resources, reporter.event)
        pool = ready_pool(held, job, markers, PoolSettings(POOL_TOKENS, 1.0, 0), reporter)
        material, corpus, vocabulary = material_of(pool, pattern, old, new, config.context)
        config = replace(config, vocabulary=vocabulary)
        plan = debt_plan(pool.key, (pattern, old, new), tokens, job.seed, config)
        check_frequencies(one_in, material, tokens)
        do_units(held, plan, material, seeds, one_in, reporter, job.resources.tasks)
        debt = {"version": DEBT_VERSION, "pattern": pattern, "from": old, "to": new}
        told = settings_of(plan, seeds) | {"data": data_key(job, markers)}
        debt |= {"settings": told, "corpus": corpus} | table_of(held, plan, seeds, one_in)
        debt["sentence"] = debt_sentence(debt)
        keep_debt(held, plan.folder, debt)
    return debt
