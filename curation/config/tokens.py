"""The job file's keys of how tokens are counted, and which tokenizer the trainer has.

The docstring under a key is its description in `curation schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from curation.config.section import PRINTABLE, Section

#: Formats of shards that hold token ids instead of text.
TOKEN_FORMATS: frozenset[str] = frozenset({"megatron"})
#: UTF-8 bytes of text a token where nothing else is known.
BYTES_PER_TOKEN = 4.0

Name = Annotated[str, Field(min_length=1, max_length=4096, pattern=PRINTABLE)]


class Tokens(Section):
    """How tokens are counted, and the trainer's tokenizer. Budgets, shards and reports use the same count."""

    count: Literal["approximate", "model", "column"] = "approximate"
    """`approximate`: UTF-8 bytes of text over `bytes_per_token`. `model`: by `tokenizer`, document by document.
    `column`: the number under `column`."""
    bytes_per_token: Annotated[float, Field(ge=0.25, le=1e6)] | None = None
    """A document of b bytes counts as max(1, round(b / bytes_per_token)) tokens. None: measured for each domain with
    `tokenizer`, on the beginning of some of its files; without a tokenizer 4."""
    tokenizer: Name | None = None
    """The trainer's tokenizer: a `tokenizer.json` or a folder with one, local or s3://, gs://; or a model's name on
    the hub."""
    end_of_document: Name | None = None
    """Token of the tokenizer that comes after each document. It counts, and it is written where token ids are."""
    column: Name | None = None
    """Column (Parquet) or key (JSONL) of every source with a document's tokens, for `count: column`. A row without a
    whole number from 1 to 2147483647 there is a bad row."""

    @property
    def measured(self) -> bool:
        """Whether a ratio of bytes to tokens is measured with the tokenizer."""
        return self.count == "approximate" and self.tokenizer is not None and self.bytes_per_token is None

    @property
    def by_tokenizer(self) -> bool:
        """Whether the tokenizer has a part in the counts."""
        return self.count == "model" or self.measured

    def fault(self, format: str) -> str | None:
        """What a job file with shards of this format names and does not use, or needs and does not name."""
        written = format in TOKEN_FORMATS
        reader = "tokens.count is model" if self.count == "model" else f"output.format is {format}" * written
        if reader and self.tokenizer is None:
            return f"{reader}, which needs tokens.tokenizer: the path of the trainer's tokenizer.json"
        if self.tokenizer is not None and not reader and not self.measured:
            because = "tokens.bytes_per_token is given" if self.count == "approximate" else "tokens.count is column"
            return f"tokens.tokenizer is not used, since {because}: take it out, or set tokens.count: model"
        if self.end_of_document is not None and not reader:
            return "tokens.end_of_document is not used: take it out, or set tokens.count: model"
        if self.count == "column" and self.column is None:
            return "tokens.count is column, which needs tokens.column: the name of the column"
        if self.column is not None and self.count != "column":
            return f"tokens.column is not used, since tokens.count is {self.count}: take it out, or set count: column"
        if self.bytes_per_token is not None and self.count != "approximate":
            return f"tokens.bytes_per_token is not used, since tokens.count is {self.count}: take it out"
        return None
