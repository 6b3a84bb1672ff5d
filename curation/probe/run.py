"""A probe from the pool to the results, and whether the run can answer what it is asked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from curation.config import Job
from curation.counter_rng import nth_seed
from curation.errors import JobError
from curation.job_file import parse_job, parse_yaml
from curation.probe.asked import EPOCHS, LEAST_TOKENS, MOST_TOKENS, POOL_TOKENS, Asked
from curation.probe.figures import LEAST, Scope
from curation.probe.pool import Pool, PoolSettings, ready_pool
from curation.probe.results import LATEST, build_results, pilot_of, results_name, settings_of
from curation.probe.strategies import check_names, chosen_strategies, own_fault
from curation.probe.trials import Fold, Plan, run_trials, scope_of_plan, units
from curation.progress import Reporter
from curation.stages import ray_cluster
from curation.stages.context import JOB
from curation.stages.eligible import data_key
from curation.storage.lock import locked
from curation.storage.store import Marker, Store, fingerprint

#: Stages that must be done.
NEEDED = ("sources", "documents", "duplicates", "embeddings", "assignments", "clusters")
#: How far the seeds of one `--seed` lie from those of the next, so that none is used in both.
SEEDS_APART = 1_000_003


def probe(
    store: Store, job: Job, markers: Mapping[str, Marker | None], asked: Asked, reporter: Reporter
) -> dict[str, Any]:
    """Does a probe, or what is left of it, and returns its results, which are also in the run directory.

    Raises:
        CurationError: what a person must mend; what was committed stays.
    """
    check_names(asked.strategies or [])
    folds = folds_of(job, asked.hold_back, "gpt" in asked.seeds)
    with locked(store, lambda text: reporter.event("note", text=text)) as held:
        reporter.run = held.shown()
        ray_cluster.start(job.resources, reporter.event)
        tokens = asked.pool_tokens or min(POOL_TOKENS, int(MOST_TOKENS / (asked.epochs or EPOCHS)))
        settings = PoolSettings(tokens, asked.fraction, asked.seed)
        pool = ready_pool(held, job, markers, settings, reporter)
        budget = budget_of(pool, folds, asked)
        key = fingerprint([pool.key, budget, [fold.held_back for fold in folds]])[:16]
        seeded = job.model_copy(update={"seed": nth_seed(job.seed, SEEDS_APART * asked.seed)})
        plan = Plan(f"probe/{key}", seeded, budget, folds)
        scope = scope_of_plan(plan, pool)
        target = target_of(asked.target, scope)
        epochs = budget / least_tokens(pool, folds)
        if text := repeats_less(job, pool, epochs):
            reporter.event("note", text=text)
        if text := own_left_out(job, asked, len(pool.doc_id)):
            reporter.event("note", text=text)
        strategies = chosen_strategies(plan.job, asked.strategies, len(pool.doc_id), epochs)
        run_trials(held, plan, pool, scope, units(held, plan, strategies, asked.seeds), reporter)
        told = settings_of(pool, plan, job, data_key(job, markers), asked, epochs, target)
        results = build_results(held, plan, strategies, asked.seeds, told, scope)
        results["pilot"] = pilot_of(held, key, results)
        held.write_json(results_name(key), results)
        held.write_json(LATEST, {"key": key})
    return results


def probed_job(store: Store, markers: Mapping[str, Marker | None]) -> Job:
    """The job of a run that has its clusters. Raises JobError where it has none, or this is no run directory."""
    if not store.exists(JOB):
        raise JobError(f"{store.shown()}: this is not a run directory: it has no {JOB}")
    missing = next((name for name in NEEDED if markers.get(name) is None), None)
    if missing:
        raise JobError(
            f"{store.shown()}: probe needs a run that has its clusters, and {missing} is not done, or by other code: "
            "`curation run` or `curation audit` first"
        )
    return parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)


def folds_of(job: Job, hold_back: list[str] | None, with_gpt: bool) -> tuple[Fold, ...]:
    """What is held back: nothing, some domains, or each domain or family (`facts: {family: ...}`) in turn.

    Raises:
        JobError: there is no such domain, or nothing is left to train on; or the small GPT is to be trained for each.
    """
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


def budget_of(pool: Pool, folds: tuple[Fold, ...], asked: Asked) -> int:
    """Tokens that each strategy draws: as asked for, and at most MOST_TOKENS where nobody asks.

    Raises:
        JobError: the pool has too few, or fewer than are asked for.
    """
    there = least_tokens(pool, folds)
    wanted = min(MOST_TOKENS, int(EPOCHS * there)) if asked.epochs is None else int(asked.epochs * there)
    budget = asked.tokens or wanted
    if asked.tokens and budget > there:
        raise JobError(
            f"--tokens {budget:,}: the pool has {there:,} tokens to train on: lower it, raise --pool-tokens, or say "
            "how often it is to be drawn with --epochs"
        )
    if budget < LEAST_TOKENS:
        raise JobError(
            f"probe: {budget:,} tokens would be drawn, and fewer than {LEAST_TOKENS:,} teach nothing: "
            + ("raise --tokens" if asked.tokens else "raise --fraction or --epochs, or probe a larger corpus")
        )
    return budget


def repeats_less(job: Job, pool: Pool, epochs: float) -> str | None:
    """What is to be said where the job repeats documents much more often than the probe; None where it does not."""
    budget, there = job.sampling.budget, float(pool.domain_tokens.sum())
    own = budget.tokens / there if budget.tokens else budget.epochs or 0.0
    if job.phases or own < 2 * epochs:
        return None
    return (
        f"each strategy draws {epochs:.2g} epochs of the pool, and the job {own:.2g} of the corpus, which repeats "
        f"more: --epochs {own:.2g} asks at the job's own"
    )


def own_left_out(job: Job, asked: Asked, documents: int) -> str | None:
    """What is to be said where nobody asks for strategies and the job's own can't be one; None where it can."""
    fault = own_fault(job, documents) if asked.strategies is None else None
    return fault and f"the job's own setting is not tried: {fault}, which a probe can't try on a part of the corpus"


def least_tokens(pool: Pool, folds: tuple[Fold, ...]) -> int:
    """Tokens of the pool that the fold with the fewest has to train on."""
    lengths = pool.text.lengths
    return min(int(lengths[~np.isin(pool.domain, fold.held_back)].sum()) for fold in folds)


def target_of(wanted: str | None, scope: Scope) -> str:
    """What is judged.

    Raises:
        JobError: nothing has validation text enough, or too little of what is asked for is there.
    """
    counted = {"domain": scope.domains.names, "cluster": scope.clusters.names, "language": scope.languages.names}
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
