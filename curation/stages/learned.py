"""Learned: weights of domains, or of groups of clusters, fitted on trials of mixtures.

Reads `documents`, `assignments`, `excerpts`, and the texts that `learning.validation` names. A trial trains a model of
n-grams on a mixture of the excerpts (`learning_texts`, `learning_trials`); rounds of trials narrow down on the mixture
that is best for the target (`sampling.learning`). At the end the fitted weights and the natural ones are held against
each other on validation texts that were not used, with draws that were not tried: the fitted ones are kept if they
are better beyond chance, else the natural ones. What has too few documents to be validated on keeps its natural share
at least. Writes `learned/weights.json` (the weights, their bounds, and how good they are) and `learned/trials.parquet`
(every trial). Does nothing where no weights are learned.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.config import Job
from curation.config.learning import one_domain
from curation.errors import JobError
from curation.sampling.learning import first_mixtures, last_mixtures, next_mixtures
from curation.sampling.mixture_fit import Trials
from curation.sampling.mixture_space import Floats
from curation.stages import held_out, learning_texts
from curation.stages.centroid_file import load_centroids
from curation.stages.context import Result, Run, Stage
from curation.stages.eligible import Cells, left_out
from curation.stages.learned_weights import LEARNED_VERSION, TRIALS, WEIGHTS, learns
from curation.stages.learning_outcome import group_names, measure_of, outcome, why_natural
from curation.stages.learning_sample import (
    FIT,
    LEAST_DOCUMENTS,
    Sample,
    choose_sample,
    list_excerpts,
    together,
    trial_scale,
)
from curation.stages.learning_texts import KEY, Batch
from curation.stages.learning_trials import Setting, batches_of, try_batch
from curation.stages.learning_units import (
    Mixing,
    guarded,
    is_strict,
    left_tokens,
    mixing_of,
    reads_weights,
    theme_groups,
)
from curation.stages.phases import phases_of
from curation.stages.reference import check_same, reference_files
from curation.stages.splits import load_splits
from curation.stages.workers import map_items

#: Splits that a task lists or encodes, and names that a note lists.
TASK_SPLITS, TOLD = 16, 10


def settings(job: Job) -> dict[str, Any] | None:
    """What the weights depend on besides the documents and their clusters; None where none are learned."""
    of = learns(job)
    if of is None:
        return None
    strict = is_strict(job)
    sampling = {"budget", "clip", "min_cluster_share", "max_cluster_share", "exclude"}
    if of == "domains":
        sampling |= {"cluster_exponent", "balance", "group_exponent"}
    phase = {"budget", "clip", "cluster_exponent"}
    asking = [one for one, request in zip(job.phases, phases_of(job), strict=False) if reads_weights(request, of)]
    return {
        "version": LEARNED_VERSION,
        "of": of,
        "learning": job.learning.model_dump(),
        "sampling": job.sampling.model_dump(include=sampling),
        "phases": [one.model_dump(include=phase) for one in asking],
        "strict": strict,
        "validation": held_out.settings(job) if strict else None,
        "clips": [source.clip for source in job.sources],
        "domains": job.domains,
        "seed": job.seed,
    }


def work(run: Run) -> Result:
    """The stage."""
    if settings(run.job) is None:
        return Result([])
    with run.reporter.stage("learned", 0) as progress:
        say = partial(progress.advance, 0, 0)
        setting, alike = _prepared(run, say)
        trials, rounds = _rounds(run, setting, alike, say)
        say("the check")
        told, stats = outcome(run, setting, trials)
        parts = [run.store.write_json(WEIGHTS, told), run.store.write_table(TRIALS, rounds)]
    if told["kept"] == "natural":
        why = why_natural(told["check"], measure_of(run.job))
        run.reporter.event("note", stage="learned", text=f"{why}; those stay")
    kept = {part.name for part in parts}
    made = [name for name in run.store.list("learned") if name.startswith("learned/") and "/_" not in name]
    run.store.remove([name for name in made if name not in kept])
    return Result(parts, stats)


def recheck(run: Run) -> None:
    """The validation texts that the job names may have changed."""
    marker, reference = run.store.marker("learned"), run.job.learning.validation
    if marker and reference and "validation_files" in marker.stats:
        check_same(marker.stats["validation_files"], reference, KEY, f"{run.store.root}/learned")


def precheck(run: Run) -> None:
    """The validation texts that the job names can be read and are enough: told before hours of work, not after."""
    reference = run.job.learning.validation
    if settings(run.job) is not None and reference:
        learning_texts.check_given(reference)


AFTER = ("documents", "centroids", "assignments", "clusters.grouping")
STAGE = Stage("learned", ("learned",), AFTER, settings, work, recheck, precheck)


def _prepared(run: Run, say: Any) -> tuple[Setting, Floats | None]:
    """What trials have in common, their texts compiled; and what part of each unit is like each validated group."""
    store, job, tasks = run.store, run.job, run.job.resources.tasks
    clusters = len(load_centroids(store))
    splits = [split.split_id for split in load_splits(store)]
    batches = [splits[start : start + TASK_SPLITS] for start in range(0, len(splits), TASK_SPLITS)]
    listed = together(one for _, one in map_items(batches, list_excerpts, store, clusters, job.domains, tasks=tasks))
    counts = np.zeros_like(listed.cell_tokens)  # of documents, which nobody here reads
    tokens = listed.cell_tokens
    if is_strict(job) and job.output.validation:  # the most that a domain can give has to be what the plan finds
        [(_, tokens)] = map_items([clusters], left_tokens, store, job)
    mixing = mixing_of(job, store, Cells(counts, tokens, left_out(job, clusters)))
    group_of_cell = _groups_of_cells(run, mixing)
    if not store.exists(learning_texts.SAMPLE):
        learning_texts.save_sample(store, choose_sample(job, mixing, listed, group_of_cell))
    sample = learning_texts.load_sample(store)
    say("vocabulary")
    wanted = np.unique(sample.split).tolist()
    if not store.exists(learning_texts.VOCABULARY):
        list(map_items([wanted], learning_texts.train_vocabulary, store, job))
    encoding = [Batch(n, wanted[s : s + TASK_SPLITS]) for n, s in enumerate(range(0, len(wanted), TASK_SPLITS))]
    if not store.exists(learning_texts.COMPILED):
        say("tokens")
        missing = [batch for batch in encoding if not store.exists(batch.name)]
        list(map_items(missing, learning_texts.encode_batch, store, tasks=tasks))
        reference = job.learning.validation
        if reference:
            list(map_items([reference_files(reference, KEY)], learning_texts.encode_given, store, job))
        say("n-grams")
        list(map_items([encoding], learning_texts.compile_pool, store, job.learning.vocabulary, mixing.names))
    if job.learning.validation:  # what was read may be older than a death
        check_same(learning_texts.load_given_digest(store), job.learning.validation, KEY, f"{store.root}/learned")
    digest = store.hash(learning_texts.COMPILED)[1]
    scale = trial_scale(job, mixing, listed)
    alike = None
    if group_of_cell is not None:
        settled = learning_texts.load_settled(store)
        alike = _alike(mixing, group_of_cell, settled)
        mixing = guarded(mixing, alike)
        _tell_unheard(run, mixing, group_of_cell, settled)
    return Setting(mixing, scale, job.seed, job.learning.vocabulary, digest), alike


def _groups_of_cells(run: Run, mixing: Mixing) -> NDArray[np.int32] | None:
    """What validation documents stand for, by cell; None where the job names the texts."""
    target, shape = run.job.learning.target, mixing.tokens.shape
    if target == "validation":
        return None
    if target == "macro_cluster":
        own = None if mixing.of == "domains" or mixing.groups is None else mixing.groups[:, 0]
        groups = theme_groups(run.job, run.store) if own is None else own
        return np.repeat(groups, shape[1]).astype(np.int32)
    if np.count_nonzero(mixing.tokens.sum(axis=0)) < 2:
        raise JobError(one_domain(target))
    return np.tile(np.arange(shape[1], dtype=np.int32), shape[0])


def _tell_unheard(run: Run, mixing: Mixing, group_of_cell: NDArray[np.int32], sample: Sample) -> None:
    """Notes what has too few documents to be validated."""
    missing = np.setdiff1d(group_of_cell[mixing.unit >= 0], sample.group[sample.role >= FIT])
    if len(missing):
        names = group_names(run.job, missing)
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        of = "groups" if run.job.learning.target == "macro_cluster" else "domains"
        text = (
            f"these {of} have fewer than {LEAST_DOCUMENTS} documents with an excerpt, too few to validate on; what "
            f"holds nothing else gets at least its natural share: {', '.join(names[:TOLD])}{more}"
        )
        run.reporter.event("note", stage="learned", text=text)


def _alike(mixing: Mixing, group_of_cell: NDArray[np.int32], sample: Sample) -> Floats:
    """The share of each unit's tokens that are of each validated group: float64[G, U]."""
    validated = np.unique(sample.group[sample.role >= FIT])
    there = mixing.unit >= 0
    place = np.searchsorted(validated, group_of_cell[there])
    known = validated[np.minimum(place, len(validated) - 1)] == group_of_cell[there]
    found = np.zeros((len(validated), len(mixing.names)))
    np.add.at(found, (place[known], mixing.unit[there][known]), mixing.tokens.ravel()[there][known])
    shares: Floats = found / mixing.unit_tokens
    return shares


def _rounds(run: Run, setting: Setting, alike: Floats | None, say: Any) -> tuple[Trials, pa.Table]:
    """All trials, as arrays and as a table."""
    learning, measure, space = run.job.learning, measure_of(run.job), setting.mixing.space
    found: list[pa.Table] = []
    for number in range(learning.rounds + 1):
        left = learning.trials - sum(table.num_rows for table in found)
        count = -(-left // max(1, learning.rounds - number))
        if number == 0:
            mixtures = first_mixtures(space, count, setting.seed)
        elif number < learning.rounds:
            mixtures = next_mixtures(space, trials_of(found, alike), measure, number, count, setting.seed)
        else:
            mixtures = last_mixtures(space, trials_of(found, alike), measure, number, setting.seed)
        found.append(_tried(run, number, mixtures, setting))
        say(f"round {number + 1} of {learning.rounds + 1}, {sum(table.num_rows for table in found)} trials")
    return trials_of(found, alike), pa.concat_tables(found)


def _tried(run: Run, number: int, mixtures: Floats, setting: Setting) -> pa.Table:
    """The trials of a round; what a run that died had done of it is read back."""
    batches = batches_of(number, mixtures)
    missing = [batch for batch in batches if not run.store.exists(batch.name)]
    list(map_items(missing, try_batch, run.store, setting, tasks=run.job.resources.tasks))
    return pa.concat_tables([run.store.read_table(batch.name) for batch in batches])


def trials_of(tables: list[pa.Table], alike: Floats | None) -> Trials:
    """The trials of some rounds: mixtures, and losses on the half that weights are fitted on."""
    columns = [np.array(pa.concat_tables(tables)[name].to_pylist()) for name in ("weights", "losses")]
    return Trials(columns[0], columns[1], alike)
