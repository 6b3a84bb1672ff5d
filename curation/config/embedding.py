"""The job file's keys of how documents become vectors.

The docstring under a key is its description in `curation schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from curation.config.section import Section


class Embedding(Section):
    """How documents become vectors."""

    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    """A sentence-transformers model by hub name or local folder, or `lexical` (hashed TF-IDF and SVD; no GPU)."""
    max_tokens: Annotated[int, Field(ge=1, le=2**20)] = 256
    """Tokens that the encoder reads at a time. `lexical` reads 8 characters a token."""
    long_documents: Literal["truncate", "mean_of_chunks"] = "truncate"
    """`truncate`: of a document longer than `max_tokens` only the beginning is read. `mean_of_chunks`: it is cut into
    chunks of `max_tokens`, and its vector is the mean of theirs; for `lexical` just a longer beginning."""
    max_chunks: Annotated[int, Field(ge=1, le=2**20)] = 16
    """Most chunks of a document that `mean_of_chunks` reads; the rest of the text is left out."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the forward pass. `auto`: bfloat16 where the hardware computes in it, else float32."""
    batch_tokens: Annotated[int, Field(ge=64)] | Literal["auto"] = "auto"
    """Tokens a batch, padding included. `auto`: measured on a GPU when an encoder starts, 2048 on a CPU. Halved when
    the GPU runs out of memory."""
    features: Literal["words", "style"] = "words"
    """What a `lexical` vector knows of a text. `words`: what it is about, by its rarer words. `style`: what kind of
    text it is, by how often it has each of the corpus's commonest pieces of words and punctuation."""
    dimensions: Annotated[int, Field(ge=2, le=1024)] = 128
    """Length of a `lexical` vector. Other models say their own."""
    trust_remote_code: bool = False
    """Run code that comes with the model. Only for models whose code you have read."""

    @model_validator(mode="after")
    def _style_is_lexical(self) -> Embedding:
        if self.features == "style" and self.model != "lexical":
            raise ValueError(f"features is style, which only model: lexical has; the model is {self.model}")
        return self

    @property
    def chunks(self) -> int:
        """Most chunks of a document that are read: 1 with `truncate`."""
        return self.max_chunks if self.long_documents == "mean_of_chunks" else 1
