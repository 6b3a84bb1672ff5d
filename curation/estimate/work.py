"""What a job has to do, and what a stage of it takes: the two ends of the model in `stages`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from curation.stages.documents import EXCERPTS

#: Seconds of a stage that starts no process.
TURN = 0.02
#: What the true fixed time may be, as multiples of the estimated: at best, at worst.
FIXED_SPREAD = (0.6, 1.6)


@dataclass(frozen=True)
class Work:
    """What a job has to do.

    Attributes:
        files, bytes: of the sources, as they are stored.
        documents, text_bytes: in them, unpacked.
        splits: pieces that the per-document stages come in.
        encoder: `sentence-transformers`, `lexical` or `given`.
        dimensions: of a vector.
        clusters, fit_rows, iterations, restarts: of K-Means.
        within: what is clustered apart, as the job file has it.
        resampled, chosen: whether clusters are made even in meaning, and whether their number is found.
        cut: spectral groups, of all levels together; 0: none are made.
        drawn_bytes: text of all rows of the shards.
        format: of the shards.
        shard_bytes: of the shards on storage.
        spill_bytes: of what is spilled while they are written.
        prefixes: pairs of token files; 0 in other formats.
        searched_bytes: of plain JSONL, which the format `index` searches for lines where others read the text.
        phases: of the plan.
        weighs_texts: whether domain weights are computed from the texts.
        tokenizer: whether the job names one.
        near_duplicates, languages, salience: whether the audit measures them.
        capped: how many tokens have a cap.
        trials, rounds, trial_tokens, pool_tokens: of learned weights; no trials: none are learned.
        excerpts: texts whose beginning is kept.
        tasks, actors: most tasks and encoder actors at a time, as the job file limits them.
    """

    files: int
    bytes: float
    documents: float
    text_bytes: float
    splits: float
    encoder: str
    dimensions: int
    clusters: int
    fit_rows: float
    iterations: int
    restarts: int
    drawn_bytes: float
    format: str
    shard_bytes: float
    spill_bytes: float
    prefixes: int = 0
    searched_bytes: float = 0.0
    phases: int = 1
    weighs_texts: bool = False
    tokenizer: bool = False
    near_duplicates: bool = False
    languages: bool = False
    salience: bool = False
    capped: int = 0
    within: str = "none"
    resampled: bool = False
    chosen: bool = False
    cut: int = 0
    trials: int = 0
    rounds: int = 0
    trial_tokens: float = 0.0
    pool_tokens: float = 0.0
    tasks: float = math.inf
    actors: float = math.inf

    @property
    def excerpts(self) -> float:
        """Texts whose beginning is kept."""
        return min(self.documents, EXCERPTS)


@dataclass(frozen=True)
class StageTime:
    """What a stage takes.

    Attributes:
        stage: its name.
        fixed: seconds that do not depend on the corpus.
        serial: seconds of one process, however many machines there are.
        work: seconds of one slot.
        slots: that share the work.
        gpus: of the cluster, while the stage holds them; 0 where it runs on CPUs.
        disk: bytes that stay in the run directory.
        spread: of the work, see `Rates`.
        spared: of the fixed seconds, those that fall away when a task happens on a process that has what it needs.
        note: what it is made of, for people.
    """

    stage: str
    fixed: float
    serial: float = 0.0
    work: float = 0.0
    slots: float = 1.0
    gpus: int = 0
    disk: float = 0.0
    spread: tuple[float, float] = (1.0, 1.0)
    spared: float = 0.0
    note: str = ""

    @property
    def seconds(self) -> float:
        """The time that is expected."""
        return self.fixed + self.serial + self.work / self.slots

    @property
    def low(self) -> float:
        """The time if all goes well."""
        return (self.fixed - self.spared) * FIXED_SPREAD[0] + (self.serial + self.work / self.slots) * self.spread[0]

    @property
    def high(self) -> float:
        """The time if much goes badly."""
        return self.fixed * FIXED_SPREAD[1] + (self.serial + self.work / self.slots) * self.spread[1]

    @property
    def gpu_hours(self) -> float:
        """GPUs that are held, times hours."""
        return self.gpus * self.seconds / 3600
