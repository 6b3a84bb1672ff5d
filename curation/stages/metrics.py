"""Metrics: what a run can be watched by, through Ray's own export to Prometheus.

Ray gathers what any process records with `ray.util.metrics` and gives it out on each node's metrics port, with the
prefix `ray_`. One process records all of a run's: its board (`board`), which sits beside the driver and hears of every
piece of work anyway. So each label set is one series, whatever the number of workers, and a worker that dies takes
nothing with it. The driver adds up receipts, which are exact; what it found done from an earlier run it does not count,
so a run that was started again counts nothing twice. Labels are few: never a split, and domains only up to
MOST_DOMAINS of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Domains up to which counts are told by domain; where there are more, the label is left out.
MOST_DOMAINS = 100


@dataclass(frozen=True)
class Metric:
    """A metric: what it says, and its labels besides `run`. A counter's name ends in `_total`; others are gauges."""

    text: str
    labels: tuple[str, ...] = ("stage",)


#: All of them, by name; Ray puts `ray_` before it.
METRICS = {
    "curation_documents_total": Metric(
        "Documents gone through, those not kept included; in the stages gather and shards as they are read and drawn.",
        ("stage", "domain"),
    ),
    "curation_tokens_total": Metric(
        "Tokens of these: estimated in documents, read by the encoder in embeddings.", ("stage", "domain")
    ),
    "curation_text_bytes_total": Metric("UTF-8 bytes of their text, in the stage documents.", ("stage", "domain")),
    "curation_rejected_documents_total": Metric("Documents that could not be used.", ("stage", "domain")),
    "curation_written_bytes_total": Metric("Bytes of the files that were committed.", ("stage", "domain")),
    "curation_work_seconds_total": Metric("Seconds that workers had work in hand, summed over workers."),
    "curation_retries_total": Metric("Pieces of work begun again because their worker was lost."),
    "curation_splits": Metric("Splits that the stage has in all; in the stage shards, groups of shards."),
    "curation_splits_done": Metric("Splits that are done, those found done from an earlier run included."),
    "curation_batch_tokens_total": Metric("Tokens in the encoder's batches, padding left out."),
    "curation_batch_capacity_tokens_total": Metric("Tokens that these batches had room for by their budget."),
    "curation_gpu_memory_bytes": Metric("Memory in use on a GPU that works for the run.", ("node", "gpu")),
}


def split_counts(rows: int, stats: Mapping[str, int], written_bytes: int) -> dict[str, int]:
    """The counters that a split adds to, from its rows, what its stage counted of it, and the size of its files."""
    return {
        "curation_documents_total": rows,
        "curation_tokens_total": stats.get("tokens", 0),
        "curation_text_bytes_total": stats.get("bytes", 0),
        "curation_rejected_documents_total": stats.get("rejected", 0),
        "curation_written_bytes_total": written_bytes,
    }


def ascii_text(value: str) -> str:
    """A label's value as Ray takes it: other characters as Python writes them in ASCII."""
    return value.encode("ascii", "backslashreplace").decode()


class Meters:
    """Records metrics in this process, of one run at a time."""

    def __init__(self) -> None:
        self._run = self._stage = ""
        self._made: dict[str, Any] = {}
        self._gpus: set[tuple[str, str]] = set()

    def at(self, run: str, stage: str) -> None:
        """The run and stage at work from now on. GPUs count as empty until somebody in it says otherwise."""
        for node, gpu in self._gpus:
            self.record({"curation_gpu_memory_bytes": 0}, {"node": node, "gpu": gpu})
        self._gpus.clear()
        self._run, self._stage = run, stage

    def record(self, values: Mapping[str, float], labels: Mapping[str, str]) -> None:
        """Adds to counters and sets gauges, by name; labels that are not given are empty."""
        for name, value in values.items():
            given = {"stage": self._stage, **labels}
            tags = {"run": self._run} | {label: given.get(label, "") for label in METRICS[name].labels}
            tags = {label: ascii_text(value) for label, value in tags.items()}
            if not name.endswith("_total"):
                self._metric(name).set(value, tags)
            elif value > 0:
                self._metric(name).inc(value, tags)

    def gpus(self, node: str, used: Mapping[str, int]) -> None:
        """Bytes in use on GPUs of a node."""
        for gpu, size in used.items():
            self._gpus.add((node, gpu))
            self.record({"curation_gpu_memory_bytes": size}, {"node": node, "gpu": gpu})

    def _metric(self, name: str) -> Any:
        if name not in self._made:
            from ray.util.metrics import Counter, Gauge

            made = Counter if name.endswith("_total") else Gauge
            self._made[name] = made(name, METRICS[name].text, ("run", *METRICS[name].labels))
        return self._made[name]


def exported() -> bool:
    """Whether this node gives metrics out: its Ray has the packages of `ray[default]`, and was not told otherwise."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == here and node.get("MetricsExportPort", 0) > 0 for node in ray.nodes())


def gpu_memory() -> dict[str, int]:
    """Bytes in use on the GPU that this process computes on, by the GPU's number on its node; empty without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    import ray

    free, total = torch.cuda.mem_get_info()
    numbers = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    device = torch.cuda.current_device()
    return {str(numbers[device] if device < len(numbers) else device): total - free}
