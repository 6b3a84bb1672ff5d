"""The keys that say what is written: the shards, what is held out for validation, and how copies stand there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from curation.config.section import MOST, Section

#: Most bytes of text in a shard of `mds`, whose offsets have 32 bits: half of that, as ids and the like come to it.
MOST_MDS_BYTES = 1 << 31


class Validation(Section):
    """Documents that are held out of training, from every cell (a cluster in a domain), with all their exact copies.

    They leave before anything is drawn: a budget in epochs is of what is left, and so are quality and weights. What
    `sampling.exclude` names gives none."""

    fraction: Annotated[float, Field(gt=0, le=0.5)] = 0.005
    """Share of each cell's documents, and of all of them together, that is held out, about."""
    min_documents: Annotated[int, Field(ge=0, le=MOST)] = 1
    """Least number of documents that a cell with more than that many gives; a smaller one gives by `fraction` alone. A
    cell always keeps a document, and half of them where only copies of one text are left to give."""


class Output(Section):
    """What the shards look like."""

    format: Literal["parquet", "jsonl", "mds", "megatron", "index"] = "parquet"
    """File format of the shards. `jsonl`: lines with id, text, source and metadata. `mds`: MosaicML's streaming.
    `megatron`: token files of Megatron-LM, a pair for each domain, by `tokens.tokenizer`. `index`: no text, but where
    it lies in the sources, for `curation.training.IndexDataset`."""
    compression: Literal["none", "gzip", "zst"] = "none"
    """Of `jsonl`: files end in .jsonl, .jsonl.gz or .jsonl.zst."""
    shard_bytes: Annotated[int, Field(ge=1, le=2**40)] = 268_435_456
    """UTF-8 bytes of text a shard, before compression."""
    validation: Validation | None = None
    """What is held out for validation, in shards of its own. None: nothing."""
    repetition: Literal["copies", "weight"] = "copies"
    """How a document stands there that is drawn several times in a phase. `copies`: once a draw. `weight`: once, where
    its first draw would be, with the number of draws as `sample_weight`, for trainers that weight the loss."""

    @model_validator(mode="after")
    def _keys_are_of_the_format(self) -> Output:
        if self.compression != "none" and self.format != "jsonl":
            raise ValueError(f"compression is of format: jsonl, and the format is {self.format}: take it out")
        if self.format == "mds" and self.shard_bytes > MOST_MDS_BYTES:
            raise ValueError(f"shard_bytes: a shard of format: mds has room for 4 GiB; give at most {MOST_MDS_BYTES}")
        if self.format == "megatron" and self.repetition == "weight":
            raise ValueError("repetition is weight, which format: megatron has no place for; use copies")
        return self
