"""The model: what each stage of a job takes on a cluster. Pure arithmetic on `Work`, `Rates` and `Cluster`.

The time of a stage is the sum of a fixed, a serial and a shared part (`StageTime`). Which stages start processes
follows from how Ray keeps them: idle ones beyond one a CPU end after a second, and the board and Ray Data's own count
too. So a task right after others finds a process that has imported everything, and one that comes after longer work of
the driver or of actors waits for a new one.

Work is assumed to divide evenly over slots, up to the number of pieces that it comes in, and storage to keep up; both
are optimistic, and the ranges are wide for it. How many iterations of K-Means a corpus takes is not known before:
ITERATIONS is what text takes as a rule at the default tolerance.
"""

from __future__ import annotations

from dataclasses import replace

from curation.audit.near_duplicates import BANDS, PERMUTATIONS
from curation.estimate.cluster import Cluster
from curation.estimate.rates import Rates
from curation.estimate.seeding import cutting, seeding
from curation.estimate.weights import learned_time, profiles_time
from curation.estimate.work import TURN, StageTime, Work
from curation.stages.documents import EXCERPT_CHARACTERS
from curation.stages.duplicates import BUCKET_DOCUMENTS
from curation.stages.shards import GROUP_BYTES

#: Iterations of a fit.
ITERATIONS = 30
#: Seconds that each split costs the driver in a stage that maps over them.
SPLIT = 0.001
#: Seconds of a slot to open, write and commit the files of a split.
COMMIT = 0.015
#: How much longer starts take where several processes start at once: they share cores, memory and disk.
PAIR = 1.25
#: Seconds of the first assignment in a process, beyond the imports.
FIRST_PRODUCT = 0.3
#: Process starts, one after the other, that Ray Data takes to bring up a pool of actors, besides the actor's own.
POOL_STARTS = 1.0
#: Seconds of one K-Means iteration beyond its arithmetic, and bytes a second of sums that the driver adds up.
ROUND_TRIP, ADDED_BYTES = 0.01, 1e9
#: Seconds to solve for domain weights from the texts, the solver's imports included.
SOLVE = 4.0
#: Seconds until a GPU can compute, the measurement of its batches included.
GPU_START = 8.0
#: Seconds to look for a token in the text, over those to read it.
SEARCH = 0.1
#: What the record takes where there is nearly nothing to sum up, in TURNs.
RECORD_TURNS = 6
#: Bytes of a document's signature: hashes of its bands, a byte of each function, and its number.
SIGNATURE_BYTES = 8 * BANDS + PERMUTATIONS + 8
#: zstd size of text, as a share of its bytes.
ZSTD_SHARE = 0.4


def stage_times(work: Work, rates: Rates, cluster: Cluster) -> list[StageTime]:
    """The time of each stage, in the order of the pipeline.

    Args:
        work: what is to be done.
        rates: of the hardware that the cluster is made of.
        cluster: the machines.
    """
    cpus = min(cluster.cpu_slots, work.tasks)
    over_splits = min(cpus, max(1.0, work.splits))
    buckets = min(cpus, buckets_of(work.documents))
    starts, splits, commits = rates.starts, SPLIT * work.splits, COMMIT * work.splits
    hashing = work.documents / rates.hashed_documents * (1 + buckets_of(work.documents)) / 2
    task = starts.process + starts.code
    spoken = work.documents / rates.spoken_texts if work.within == "language" else 0.0
    times = [
        _sources(work, rates, cpus),
        _tokenizer(work, rates),
        StageTime(
            "documents",
            task,
            splits,
            work.text_bytes / rates.described_bytes + commits + spoken,
            over_splits,
            spared=task - starts.code / 2,  # the process that counted rows has imported most of it
            disk=60 * work.documents + ZSTD_SHARE * min(work.text_bytes, work.excerpts * EXCERPT_CHARACTERS),
            note="tokens, hashes",
        ),
        StageTime("duplicates", TURN, work=hashing, slots=buckets, note="exact copies"),
        _near_duplicates(work, rates, over_splits, splits, commits),
        _encoder(work, rates),
        _embeddings(work, rates, cluster, splits),
        StageTime("repeats", task, work=hashing, slots=buckets, spared=task - TURN, note="equal vectors"),
        _strata(work, rates, over_splits, splits, commits),
        _centroids(work, rates, cluster),
        StageTime(
            "assignments",
            PAIR * (task + starts.torch) + FIRST_PRODUCT,
            splits,
            work.documents / rates.assigned_documents + commits,
            over_splits,
            spared=task,
            disk=16 * work.documents,
            note="all documents, on CPUs",
        ),
        StageTime(
            "clusters",
            5 * TURN,
            work.excerpts / rates.worded_texts + cutting(work),
            work.documents / rates.summarised_documents,
            over_splits,
            note="sums; terms are one task",
        ),
        *_languages_and_salience(work, rates, over_splits),
        profiles_time(work, rates, over_splits),
        _carriers(work, rates, over_splits, splits),
        learned_time(work, rates, cpus, over_splits),
        StageTime(
            "plan",
            task + starts.planning + (SOLVE if work.weighs_texts else 0.0),
            splits + work.phases * work.documents / rates.planned_documents,
            disk=12 * work.documents,
            note="one process",
        ),
        _shards(work, rates, cpus, splits),
        StageTime(
            "report",
            TURN * (5 if work.languages else 4),
            work=work.documents / rates.summarised_documents,
            slots=over_splits,
            note="figures, page",
        ),
        StageTime(
            "record",
            RECORD_TURNS * TURN,
            splits,
            work.documents / rates.summarised_documents,
            over_splits,
            note="sums over all documents",
        ),
    ]
    return [replace(time, spread=rates.gpu_spread if time.gpus else rates.spread) for time in times]


def buckets_of(documents: float) -> float:
    """Buckets of hashes. The task of each reads the hashes of all documents, half the work, and sorts its own."""
    return 1 + documents // BUCKET_DOCUMENTS


def _sources(work: Work, rates: Rates, cpus: float) -> StageTime:
    """Files are listed by the driver; the first task looks for the model, the others count rows."""
    starts = rates.starts
    model = starts.torch if work.encoder == "sentence-transformers" else 0.0
    scanning = work.bytes / rates.scanned_bytes
    fixed, slots = starts.process / 2 + starts.code + model, min(cpus, max(1, work.files))  # Ray starts some ahead
    return StageTime("sources", fixed, work=scanning, slots=slots, spared=starts.process / 2, note="rows counted")


def _tokenizer(work: Work, rates: Rates) -> StageTime:
    if not work.tokenizer:
        return StageTime("tokenizer", TURN / 4, note="none is named")
    return StageTime("tokenizer", TURN + rates.starts.code, note="copied")


def _near_duplicates(work: Work, rates: Rates, over_splits: float, splits: float, commits: float) -> StageTime:
    """Signatures over splits; then a task a band and bucket, which reads a hash of each document and sorts its own."""
    if not work.near_duplicates:
        return StageTime("near_duplicates", TURN / 4, note="not asked for")
    pairing = BANDS * work.documents / rates.hashed_documents * (1 + buckets_of(work.documents)) / 2
    signing = work.text_bytes * (1 / rates.signed_bytes + 1 / rates.read_bytes) + commits
    fixed, disk = rates.starts.code + TURN, SIGNATURE_BYTES * work.documents
    note = "signatures of all texts, pairs, groups"
    return StageTime("near_duplicates", fixed, splits, signing + pairing, over_splits, disk=disk, note=note)


def _languages_and_salience(work: Work, rates: Rates, slots: float) -> list[StageTime]:
    """Languages over splits; what stands out is told by one process."""
    idle = [StageTime(name, TURN / 4, note="not asked for") for name in ("languages", "salience")]
    if not work.languages:
        return idle
    telling, fixed = work.excerpts / rates.spoken_texts, rates.starts.code / 2
    languages = StageTime("languages", fixed, work=telling, slots=slots, note="of a sample")
    if not work.salience:
        return [languages, idle[1]]
    reading = work.excerpts / rates.read_words
    return [languages, StageTime("salience", 2 * rates.starts.code, reading, note="of the same sample, one process")]


def _encoder(work: Work, rates: Rates) -> StageTime:
    if work.encoder == "lexical":
        fixed = rates.starts.code / 2
        return StageTime("encoder", fixed, serial=rates.fit, spared=fixed / 2, note="fitted, one process")
    if work.encoder == "given":
        return StageTime("encoder", 2 * TURN, note="vectors are given")
    torch = rates.starts.torch
    return StageTime("encoder", 5 * TURN + torch, spared=torch, note="the model is looked up")


def _embeddings(work: Work, rates: Rates, cluster: Cluster, splits: float) -> StageTime:
    starts, disk = rates.starts, (2 * work.dimensions + 20) * work.documents
    if work.encoder == "given":
        slots = min(cluster.cpu_slots, work.tasks, max(1.0, work.splits))
        return StageTime("embeddings", TURN, splits, work.bytes / rates.read_bytes, slots, disk=disk, note="copied")
    fixed = starts.data + POOL_STARTS * starts.process + starts.process + starts.code + starts.load
    reading = work.text_bytes / rates.read_bytes
    neural = work.encoder == "sentence-transformers"
    if neural:
        fixed += starts.torch + starts.models
    if not (neural and rates.gpu):
        most = min(work.actors * (8 if neural else 1), max(1.0, work.splits) * (8 if neural else 1))
        encoding = work.documents / rates.encoded_documents + COMMIT * work.splits
        slots, note = min(cluster.cpu_slots, most), f"{work.dimensions} dimensions, on CPUs"
        return StageTime("embeddings", fixed, splits, encoding + reading, slots, disk=disk, note=note)
    gpus = min(cluster.all_gpus, work.actors, max(1.0, work.splits))
    encoding = work.documents / rates.encoded_documents / gpus
    feeding = (work.documents / rates.tokenised_documents + reading) / max(1, cluster.gpu_node_slots)
    note = f"{work.dimensions} dimensions, paced by the {'GPUs' if encoding >= feeding else 'tokenizer'}"
    return StageTime(
        "embeddings",
        fixed + GPU_START,
        splits,
        max(encoding, feeding) * gpus,
        gpus,
        gpus=cluster.all_gpus,
        disk=disk,
        note=note,
    )


def _strata(work: Work, rates: Rates, slots: float, splits: float, commits: float) -> StageTime:
    """Two passes over narrow columns: to count, and to write."""
    if work.within == "none":
        return StageTime("strata", TURN / 4, note="nothing is clustered apart")
    reading, note = 2 * work.documents / rates.summarised_documents + commits, f"within each {work.within}"
    return StageTime("strata", 2 * TURN, splits, reading, slots, disk=2 * work.documents, note=note)


def _centroids(work: Work, rates: Rates, cluster: Cluster) -> StageTime:
    """First centroids and the figure for stability are the driver's; the iterations are the actors'."""
    starts = rates.starts
    pieces = max(1.0, work.splits)
    slots = min(cluster.all_gpus, pieces) if rates.gpu else min(cluster.cpu_slots, 16, pieces)
    fixed = starts.process + starts.code + starts.torch + starts.metrics + (GPU_START if rates.gpu else 0.0)
    rounds = work.iterations * work.restarts
    sums = 12.0 * work.clusters * work.dimensions / ADDED_BYTES  # of one actor: the others' arrive meanwhile
    serial = rounds * (ROUND_TRIP + sums) + seeding(work, rates)
    loading = 2 * work.dimensions * work.fit_rows / rates.read_bytes
    stepping = rounds * work.fit_rows / rates.stepped_rows
    return StageTime(
        "centroids",
        fixed,
        serial,
        stepping + loading,
        slots,
        gpus=cluster.all_gpus if rates.gpu else 0,
        disk=4.0 * work.clusters * work.dimensions * (2 if work.cut else 1),  # their neighbours take as much
        note=f"{work.clusters:,} clusters, about {rounds} iterations",
    )


def _carriers(work: Work, rates: Rates, slots: float, splits: float) -> StageTime:
    """The text is read once more, and searched."""
    if not work.capped:
        return StageTime("carriers", TURN / 4, note="no token is capped")
    looking = (1 + SEARCH * work.capped) * work.text_bytes / rates.read_bytes + COMMIT * work.splits
    fixed = rates.starts.process + rates.starts.code
    told = "token" if work.capped == 1 else "tokens"
    return StageTime("carriers", fixed, splits, looking, slots, spared=fixed - TURN, note=f"{work.capped} {told}")


def _shards(work: Work, rates: Rates, cpus: float, splits: float) -> StageTime:
    """Text is read, tokenised once a document, and spilled by splits; shards are written by groups or prefixes."""
    reading = work.text_bytes / rates.read_bytes
    if work.format == "index":
        reading = work.searched_bytes / rates.scanned_bytes
    tokenising = min(work.text_bytes, work.drawn_bytes) / rates.tokenised_bytes
    spilling = reading + tokenising + work.drawn_bytes / rates.spilled_bytes + COMMIT * work.splits
    writing = work.drawn_bytes / rates.written_bytes
    groups = work.prefixes or 1 + work.drawn_bytes // GROUP_BYTES
    seconds = spilling / min(cpus, max(1.0, work.splits)) + writing / min(cpus, groups)
    fixed = PAIR * (rates.starts.process + rates.starts.code)
    return StageTime(
        "shards",
        fixed,
        splits,
        spilling + writing,
        (spilling + writing) / seconds,
        disk=work.shard_bytes,
        spared=fixed - TURN,
        note=f"{work.format}, and {work.spill_bytes / 1e9:,.3g} GB while it runs",
    )
