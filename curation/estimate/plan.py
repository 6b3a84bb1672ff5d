"""An estimate: what a job would do, how long that takes where, and what it costs. Writes nothing, starts no Ray."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from curation.config import CpuNode, GpuNode, Job
from curation.errors import JobError
from curation.estimate.cluster import Cluster, smallest_clusters
from curation.estimate.corpus import Corpus, Domain, corpus_of
from curation.estimate.measure import measured_rates, rates_with_clusters
from curation.estimate.profiles import CHARACTERS, TOKENISED, Network, Reading, network_of, profile_rates
from curation.estimate.rates import Rates
from curation.estimate.stages import ITERATIONS, stage_times
from curation.estimate.work import StageTime, Work
from curation.estimate.writing import TRIED, Written, format_name, try_writing
from curation.stages.documents import EXCERPT_CHARACTERS, EXCERPTS
from curation.stages.learned_weights import learns
from curation.stages.phases import phases_of

#: What a node has where the job file does not say.
CPU_NODE, GPU_NODE = CpuNode(price=0), GpuNode(price=0)


@dataclass(frozen=True)
class Estimate:
    """What a job takes.

    Attributes:
        domains: what the sources hold.
        times: of the stages on `cluster`.
        cluster: the machines.
        machines: them in words.
        currency: of their prices.
        deadline: seconds, if there is one.
        options: clusters that meet it, the cheapest first, each with the times on it.
        ideal: the times on as many nodes as are thought of, to say what is in the way of a deadline.
        note: where the rates are from.
    """

    domains: list[Domain]
    times: list[StageTime]
    cluster: Cluster
    machines: str
    currency: str
    deadline: float | None
    options: list[tuple[Cluster, list[StageTime]]]
    ideal: list[StageTime]
    note: str


def estimate(
    job: Job, hardware: str = "here", nodes: tuple[int, int | None] | None = None, deadline: float | None = None
) -> Estimate:
    """What a job takes.

    Args:
        job: the job.
        hardware: `here`, or a name of `profiles.NAMES`.
        nodes: CPU and GPU nodes; None: this machine, or one node of the named hardware.
        deadline: seconds, for which the smallest clusters are to be found.

    Raises:
        CurationError: the job could not be started either: no such files, a missing column, an unknown model, ...
    """
    corpus = corpus_of(job)
    written = try_writing(job, corpus.texts(TRIED))
    rates, dimensions = _rates(job, corpus, hardware, written)
    work = work_of(job, corpus, dimensions, written)
    times_on = partial(stage_times, work, rates)
    cluster = _cluster(job, rates, nodes, deadline is not None)
    options: list[tuple[Cluster, list[StageTime]]] = []
    if deadline is not None:
        found = smallest_clusters(cluster, deadline, times_on)
        options = [(one, times_on(one)) for one in found]
    count = len(corpus.texts(10**9))
    read = f"{count:,} documents that were read"
    where = f"measured here on {read}" if hardware == "here" else f"those of the profile {hardware}, sizes from {read}"
    return Estimate(
        domains=corpus.domains,
        times=times_on(cluster),
        cluster=cluster,
        machines=f"this machine: {cluster}" if hardware == "here" and not (nodes or deadline) else str(cluster),
        currency=job.cost.currency if job.cost else "",
        deadline=deadline,
        options=options,
        ideal=times_on(
            replace(cluster, cpu_nodes=10**6 * bool(cluster.cpu_nodes), gpu_nodes=10**6 * bool(cluster.gpu_nodes))
        ),
        note=f"Rates: {where}.",
    )


def work_of(job: Job, corpus: Corpus, dimensions: int, written: Written) -> Work:
    """What a job has to do on a corpus of which some texts were written."""
    documents, text, fit_rows = corpus.documents, corpus.text_bytes, job.clustering.fit_rows
    resources = job.resources
    unlimited = float("inf")
    drawn = written_bytes(job, text, text / max(1.0, corpus.tokens))
    phases = len(phases_of(job))
    folders = phases + (job.output.validation is not None)
    clusters = int(max(1, min(job.clustering.fine, documents)))
    cut = job.clustering.levels if job.clustering.grouping == "spectral" else []
    return Work(
        files=corpus.files,
        bytes=corpus.bytes,
        documents=documents,
        text_bytes=text,
        splits=corpus.splits(job.split_bytes),
        encoder=_encoder(job),
        dimensions=dimensions,
        clusters=clusters,
        fit_rows=documents if fit_rows == "all" else min(documents, fit_rows),
        iterations=min(ITERATIONS, job.clustering.max_iterations),
        restarts=job.clustering.restarts,
        drawn_bytes=drawn,
        format=format_name(job.output),
        shard_bytes=drawn * written.shard_share,
        spill_bytes=drawn * written.spill_share,
        prefixes=folders * len(job.domains) if job.output.format == "megatron" else 0,
        searched_bytes=corpus.line_bytes if job.output.format == "index" else 0.0,
        phases=phases,
        weighs_texts="auto" in job.strategies,
        tasks=unlimited if resources.tasks == "auto" else resources.tasks,
        tokenizer=job.tokens.tokenizer is not None,
        near_duplicates=job.audit.near_duplicates,
        languages=job.audit.languages or job.audit.salience,
        salience=job.audit.salience,
        capped=len(job.capped_tokens),
        within=job.clustering.within,
        resampled=job.clustering.grouping == "kmeans",
        chosen=job.clustering.clusters == "auto",
        cut=sum(min(level, clusters) for level in cut),
        **_trials(job, drawn * corpus.tokens / max(1.0, text), min(documents, EXCERPTS)),
        actors=unlimited if resources.embedding_actors == "auto" else resources.embedding_actors,
    )


def _trials(job: Job, budget: float, excerpts: float) -> dict[str, Any]:
    """What learned weights take, where the job learns some; at most, where excerpts are short."""
    learning = job.learning
    if learns(job) is None:
        return {}
    pool = min(learning.pool_tokens, excerpts * EXCERPT_CHARACTERS / 4)
    tokens = min(learning.trial_tokens, budget)
    return {"trials": learning.trials, "rounds": learning.rounds, "trial_tokens": tokens, "pool_tokens": pool}


def written_bytes(job: Job, text_bytes: float, token_bytes: float) -> float:
    """Bytes of text in all shards; at most, where draws become weights.

    Args:
        job: the job.
        text_bytes: of the corpus.
        token_bytes: of a token.
    """
    share = job.output.validation.fraction if job.output.validation else 0.0
    left, budgets = text_bytes * (1 - share), [phase.budget for phase in phases_of(job)]
    drawn = [left * budget.epochs if budget.epochs else (budget.tokens or 0) * token_bytes for budget in budgets]
    once = job.output.repetition == "weight"  # then a phase has no document twice
    return text_bytes * share + sum(min(asked, left) if once else asked for asked in drawn)


def _encoder(job: Job) -> str:
    if job.given_vectors:
        return "given"
    return "lexical" if job.embedding.model == "lexical" else "sentence-transformers"


def _rates(job: Job, corpus: Corpus, hardware: str, written: Written) -> tuple[Rates, int]:
    """The rates, and the length of a vector."""
    clusters = int(max(1, min(job.clustering.fine, corpus.documents)))
    if hardware == "here":
        rates, dimensions = measured_rates(job, corpus.texts, corpus.read_bytes, corpus.documents, written)
        if job.given_vectors:
            dimensions = max(1, corpus.dimensions)
        return rates_with_clusters(rates, clusters, dimensions), dimensions
    network, dimensions = _model(job, corpus)
    most = job.embedding.max_tokens * job.embedding.chunks
    texts = corpus.texts(2000)
    read = [min(most, max(1.0, len(text) / CHARACTERS)) for text in texts]
    tokens = sum(read) / max(1, len(read))
    size = corpus.text_bytes / max(1.0, corpus.documents)
    reading = Reading(network, tokens, job.embedding.max_tokens, size, _encoder(job) == "lexical")
    rates = profile_rates(hardware, reading, clusters, dimensions, format_name(job.output))
    tokenised = TOKENISED * corpus.text_bytes / max(1.0, corpus.tokens)
    if job.output.format == "megatron":
        rates = replace(rates, tokenised_bytes=tokenised)
    if job.tokens.count == "model":
        rates = replace(rates, described_bytes=1 / (1 / rates.described_bytes + 1 / tokenised))
    return rates, dimensions


def _model(job: Job, corpus: Corpus) -> tuple[Network | None, int]:
    """The sizes of the encoder's network, None where it has none, and the length of a vector."""
    from curation.embedding.resolve import locate, resolve

    if job.given_vectors:
        return None, max(1, corpus.dimensions)
    if job.embedding.model == "lexical":
        return None, job.embedding.dimensions
    spec = resolve(job.embedding, precision="bfloat16")
    return network_of(locate(spec, job.embedding.trust_remote_code)), spec.dimensions


def _cluster(job: Job, rates: Rates, nodes: tuple[int, int | None] | None, for_deadline: bool) -> Cluster:
    """The machines that the table is for."""
    here = rates.name == "here"
    cpu_node = (job.cost and job.cost.cpu_node) or None
    gpu_node = (job.cost and job.cost.gpu_node) or None
    cpus, gpus = os.cpu_count() or 1, _gpus_here() if here and rates.gpu else 0
    if here and nodes is None and not for_deadline:
        return Cluster(0, 1, 0, cpus, gpus) if rates.gpu else Cluster(1, 0, cpus)
    cpu_nodes, gpu_nodes = nodes or (1, None)
    if gpu_nodes is None:
        gpu_nodes = int(rates.gpu)
    if gpu_nodes and not rates.gpu:
        raise JobError(f"--nodes asks for GPU nodes, and --hardware {rates.name} has no GPU: try a100 or h100")
    if rates.gpu and not gpu_nodes:
        raise JobError(f"--hardware {rates.name} computes on GPUs: ask for GPU nodes too, as in --nodes {cpu_nodes}+1")
    return Cluster(
        cpu_nodes,
        gpu_nodes,
        cpus=cpu_node.cpus if cpu_node else cpus if here else CPU_NODE.cpus,
        gpu_node_cpus=gpu_node.cpus if gpu_node else cpus if here else GPU_NODE.cpus,
        gpus=gpu_node.gpus if gpu_node else gpus if here else GPU_NODE.gpus,
        cpu_price=cpu_node.price if cpu_node else None,
        gpu_price=gpu_node.price if gpu_node else None,
    )


def _gpus_here() -> int:
    import torch

    return int(torch.cuda.device_count())
