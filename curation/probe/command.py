"""`curation probe`: its arguments, and what it does with them, from the pool to the results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curation.errors import JobError

if TYPE_CHECKING:
    from curation.config import Job
    from curation.probe.pool import Pool
    from curation.probe.trials import Fold
    from curation.progress import Reporter
    from curation.storage.store import Marker, Store

#: Stages that must be done.
NEEDED = ("sources", "documents", "duplicates", "embeddings", "assignments", "clusters")
#: Tokens of the pool, about, and those that each strategy draws from it, at most: the n-gram model takes seconds for
#: so many and a small GPT minutes, and what balance does to rare domains shows long before more.
POOL_TOKENS, MOST_TOKENS = 20_000_000, 2_500_000
#: Share of the pool that is drawn where nobody says how much: most clusters can then give their even share.
SHARE_DRAWN = 0.25
#: Tokens that a strategy must draw, and seeds of each evaluator.
LEAST_TOKENS = 2_000
SEEDS, GPT_SEEDS = 5, 3


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line; None: the default."""

    strategies: list[str] | None
    seeds: dict[str, int]
    tokens: int | None
    pool_tokens: int
    fraction: float
    hold_back: list[str] | None
    target: str | None
    seed: int


def add_probe_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("run_dir", metavar="RUN_DIR")
    text = "these instead of the default ones, by name; `list` prints them all"
    parser.add_argument("--strategies", type=_names, metavar="A,B,C", help=text)
    text = f"of clustering, sampling and training ({SEEDS}; fewer than 5 never make a verdict)"
    parser.add_argument("--seeds", type=_count, default=SEEDS, metavar="N", help=text)
    text = "n-gram model (seconds a strategy), small GPT (minutes), or both"
    parser.add_argument("--evaluator", choices=("ngram", "gpt", "both"), default="ngram", help=text)
    text = f"seeds of the small GPT ({GPT_SEEDS})"
    parser.add_argument("--gpt-seeds", type=_count, default=GPT_SEEDS, metavar="N", help=text)
    text = f"tokens that each strategy draws (a quarter of the pool, at most {MOST_TOKENS:,})"
    parser.add_argument("--tokens", type=_count, metavar="N", help=text)
    text = f"tokens of the documents that they draw from, a random sample ({POOL_TOKENS:,})"
    parser.add_argument("--pool-tokens", type=_count, default=POOL_TOKENS, metavar="N", help=text)
    text = "look at this share of the corpus only, as a pilot before a large run, e.g. 0.1"
    parser.add_argument("--fraction", type=_share, default=1.0, metavar="SHARE", help=text)
    text = "train without these domains and judge by them alone; `each`: each domain, or family of domains, in turn"
    parser.add_argument("--hold-back", type=_names, metavar="A,B", help=text)
    text = "whose mean loss is judged (domain where there are several, else cluster)"
    parser.add_argument("--target", choices=("domain", "cluster", "language"), help=text)
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="choose other documents (0)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _count(text: str) -> int:
    count = int(text.replace("_", ""))
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError("a share is above 0 and at most 1")
    return share


def probe_command(options: argparse.Namespace) -> int:
    """`curation probe`."""
    from curation.pipeline import current_markers
    from curation.probe.strategies import STRATEGIES
    from curation.probe.text import probe_text
    from curation.progress import Reporter
    from curation.storage.store import Store

    if options.strategies == ["list"]:
        for strategy in STRATEGIES.values():
            print(f"{strategy.name:<30} {strategy.words}")
        return 0
    store = Store.open(options.run_dir)
    markers = current_markers(store)
    results = probe(store, probed_job(store, markers), markers, _asked(options), Reporter())
    print(json.dumps(results, indent=1, ensure_ascii=False) if options.json else probe_text(results), end="")
    return 0


def _asked(options: argparse.Namespace) -> Asked:
    seeds = {}
    if options.evaluator in ("ngram", "both"):
        seeds["ngram"] = options.seeds
    if options.evaluator in ("gpt", "both"):
        seeds["gpt"] = options.gpt_seeds
    own = (options.strategies, seeds, options.tokens, options.pool_tokens, options.fraction, options.hold_back)
    return Asked(*own, options.target, options.seed)


def probed_job(store: Store, markers: Mapping[str, Marker | None]) -> Job:
    """The job of a run that has its clusters. Raises JobError where it has none, or this is no run directory."""
    from curation.job_file import parse_job, parse_yaml
    from curation.stages.context import JOB

    if not store.exists(JOB):
        raise JobError(f"{store.shown()}: this is not a run directory: it has no {JOB}")
    missing = next((name for name in NEEDED if markers.get(name) is None), None)
    if missing:
        raise JobError(
            f"{store.shown()}: probe needs a run that has its clusters, and {missing} is not done, or by other code: "
            "`curation run` or `curation audit` first"
        )
    return parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)


def probe(
    store: Store, job: Job, markers: Mapping[str, Marker | None], asked: Asked, reporter: Reporter
) -> dict[str, Any]:
    """Does a probe, or what is left of it, and returns its results, which are also in the run directory.

    Raises:
        CurationError: what a person must mend; what was committed stays.
    """
    from curation.probe.pool import PoolSettings, ready_pool
    from curation.probe.results import LATEST, build_results, pilot_of, results_name, settings_of
    from curation.probe.strategies import chosen_strategies
    from curation.probe.trials import Plan, asked_of, run_trials, units
    from curation.stages import ray_cluster
    from curation.storage.lock import locked
    from curation.storage.store import fingerprint

    folds = folds_of(job, asked.hold_back, "gpt" in asked.seeds)
    with locked(store, lambda text: reporter.event("note", text=text)) as held:
        reporter.run = held.shown()
        ray_cluster.start(job.resources, reporter.event)
        settings = PoolSettings(asked.pool_tokens, asked.fraction, asked.seed)
        pool = ready_pool(held, job, markers, settings, reporter)
        budget = budget_of(pool, folds, asked.tokens)
        key = fingerprint([pool.key, budget, [fold.held_back for fold in folds]])[:16]
        plan = Plan(f"probe/{key}", job, budget, folds)
        over = asked_of(plan, pool)
        target = target_of(asked.target, over)
        strategies = chosen_strategies(job, asked.strategies, len(pool.doc_id))
        run_trials(held, plan, pool, over, units(held, plan, strategies, asked.seeds), reporter)
        told = settings_of(pool, plan, job, asked.fraction, asked.seeds, target)
        results = build_results(held, plan, strategies, asked.seeds, told)
        results["pilot"] = pilot_of(held, key, results)
        held.write_json(results_name(key), results)
        held.write_json(LATEST, {"key": key})
    return results


def folds_of(job: Job, hold_back: list[str] | None, with_gpt: bool) -> tuple[Fold, ...]:
    """What is held back: nothing, some domains, or each domain or family (`facts: {family: ...}`) in turn.

    Raises:
        JobError: there is no such domain, or nothing is left to train on; or the small GPT is to be trained for each.
    """
    import difflib

    from curation.probe.trials import Fold

    if hold_back is None:
        return (Fold(),)
    if hold_back == ["each"]:
        if with_gpt:
            raise JobError("--hold-back each: the small GPT would be trained for each: name domains, or take ngram")
        families: dict[str, list[int]] = {}
        family_of = {source.domain: source.facts.get("family", source.domain) for source in job.sources}
        for index, domain in enumerate(job.domains):
            families.setdefault(family_of[domain], []).append(index)
        if len(families) < 2:
            raise JobError("--hold-back each: there is one domain, or family of domains, and nothing else to train on")
        return tuple(Fold(tuple(members)) for members in families.values())
    for name in hold_back:
        if name not in job.domains:
            near = difflib.get_close_matches(name, [*job.domains, "each"], n=1, cutoff=0.0)
            raise JobError(f"--hold-back: there is no domain {name!r}; did you mean {near[0]!r}?")
    if not set(job.domains) - set(hold_back):
        raise JobError("--hold-back: every domain is held back, and nothing is left to train on")
    return (Fold(tuple(index for index, domain in enumerate(job.domains) if domain in hold_back)),)


def budget_of(pool: Pool, folds: tuple[Fold, ...], tokens: int | None) -> int:
    """Tokens that each strategy draws.

    Raises:
        JobError: the pool has too few, or fewer than are asked for.
    """
    import numpy as np

    lengths = pool.text.lengths
    there = min(int(lengths[~np.isin(pool.domain, fold.held_back)].sum()) for fold in folds)
    budget = min(MOST_TOKENS, int(SHARE_DRAWN * there)) if tokens is None else tokens
    if budget > there:
        raise JobError(
            f"--tokens {budget:,}: the pool has {there:,} tokens to train on, and drawn once each they must do: lower "
            "it, or raise --pool-tokens"
        )
    if budget < LEAST_TOKENS:
        raise JobError(
            f"probe: {budget:,} tokens would be drawn, and fewer than {LEAST_TOKENS:,} teach nothing: "
            + ("raise --tokens" if tokens else "raise --fraction or --pool-tokens, or probe a larger corpus")
        )
    return budget


def target_of(wanted: str | None, over: Any) -> str:
    """What is judged.

    Raises:
        JobError: nothing has validation text enough, or too little of what is asked for is there.
    """
    from curation.probe.figures import LEAST

    counted = {"domain": over.domains.names, "cluster": over.clusters.names, "language": over.languages.names}
    if not counted["domain"]:
        raise JobError(
            f"probe: no domain has {LEAST} documents of validation text, which takes {4 * LEAST}: probe a larger corpus"
        )
    if wanted is None:
        return "domain" if len(counted["domain"]) > 1 or len(counted["cluster"]) < 2 else "cluster"
    if len(counted[wanted]) < 2:
        raise JobError(
            f"--target {wanted}: {len(counted[wanted])} {wanted}s have {LEAST} documents of validation text or more, "
            "and a mean over them takes two: choose another target"
        )
    return wanted
