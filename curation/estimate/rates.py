"""Rates: what a slot does in a second, and what it costs to start a process.

A slot is a CPU as Ray counts them, or in the GPU stages a GPU. The rates are those of one job: with its encoder, its
number of clusters and texts like its own. They come from a measurement (`measure`) or a data sheet (`profiles`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Starts:
    """Seconds until a process can work: what stages of small jobs mostly consist of.

    Attributes:
        process: a Python process until it has joined Ray.
        code: the imports of a task that reads or writes tables.
        planning: the planner's imports, after those.
        torch: importing torch.
        data: importing Ray Data.
        models: importing what loads a neural encoder, after torch.
        load: loading the encoder and its first batch.
        metrics: importing what judges the clusters.
    """

    process: float
    code: float
    planning: float
    torch: float
    data: float
    models: float
    load: float
    metrics: float


@dataclass(frozen=True)
class Rates:
    """What one slot does in a second.

    Attributes:
        name: of the hardware.
        gpu: whether encoder and K-Means run on GPUs.
        spread, gpu_spread: what the true time of the work may be, as multiples of the estimated, at best and at worst;
            of stages on CPUs and on GPUs.
        starts: of processes.
        scanned_bytes: of input files, to count their rows.
        described_bytes: of text: read, hashed, judged, written down.
        hashed_documents: sorted by their hashes.
        encoded_documents: a CPU slot, or a GPU where `gpu`.
        tokenised_documents: a CPU slot beside the GPUs; without GPUs `encoded_documents` has it in it.
        read_bytes: of text, alone.
        seeded: rows x candidates of k-means++, which is one process.
        stepped_rows: of one K-Means iteration: a CPU slot, or a GPU where `gpu`.
        assigned_documents: the two nearest centroids of each.
        summarised_documents: sums of each cluster.
        worded_texts: excerpts searched for the terms of clusters, which is one process.
        signed_bytes: of text of which signatures of near-duplicates are made.
        spoken_texts: excerpts of which the language is told.
        read_words: excerpts searched for words that stand out, which is one process.
        profiled_texts: excerpts of which all features are measured.
        planned_documents: by the planner, which is one process.
        spilled_bytes: of text drawn: cut out of what was read, and spilled.
        written_bytes: of text drawn: merged and written in the format of the job.
        tokenised_bytes: of text, by the trainer's tokenizer; infinite where no token ids are written.
        fit: seconds to fit the encoder, which is one process; 0 where it is not fitted.
    """

    name: str
    gpu: bool
    spread: tuple[float, float]
    gpu_spread: tuple[float, float]
    starts: Starts
    scanned_bytes: float
    described_bytes: float
    hashed_documents: float
    encoded_documents: float
    tokenised_documents: float
    read_bytes: float
    seeded: float
    stepped_rows: float
    assigned_documents: float
    summarised_documents: float
    worded_texts: float
    signed_bytes: float
    spoken_texts: float
    read_words: float
    profiled_texts: float
    planned_documents: float
    spilled_bytes: float
    written_bytes: float
    tokenised_bytes: float = math.inf
    fit: float = 0.0
