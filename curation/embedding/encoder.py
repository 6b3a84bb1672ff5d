"""What every encoder is: a list of texts in, one unit vector a text out, and the record of which model it was.

The stage that embeds knows only `Encoder` and `EncoderSpec`. The spec is committed in the run directory before the
first vector, so that every worker, and a run that goes on next week, can prove that it uses the same model: its
`identity` holds the hashes of the weights and of the tokenizer and configuration files, and not the place where
they were found, which differs from machine to machine.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from curation.errors import RunError


@dataclass(frozen=True)
class Encoded:
    """The vectors of n documents, and what they cost.

    Attributes:
        vectors: float16[n, dimensions], each of length 1 before it was rounded to float16; in the order of the texts.
        tokens: tokens that were read, without padding.
        padded: tokens that were computed, with padding.
        truncated: documents that were not read whole.
        read_share: float32[n], the share of each text that was read, in (0, 1]; 1 where it was read whole.
        batch_tokens: the token budget of a batch in force at the end: less than at the start after the GPU ran out of
            memory; 0 where there are no batches.
        capacity: tokens that the batches had room for by their budgets; 0 where there are no batches.
    """

    vectors: NDArray[np.float16]
    tokens: int
    padded: int
    truncated: int
    read_share: NDArray[np.float32]
    batch_tokens: int
    capacity: int = 0


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def taken(self) -> dict[str, Any]:
        """What it chose by itself for the hardware, for the run's record: the budget of a batch, and how it came about.

        It must not decide what is committed beyond the last bits of vectors, so it is no part of `EncoderSpec`.
        """

    def encode(self, texts: list[str]) -> Encoded:
        """Encodes a list of texts; an empty list gives no vectors. May be called from several threads at a time.

        Raises:
            NonFiniteVector: a text has no usable vector.
            RunError: not even one document fits into the GPU's memory.
        """


class NonFiniteVector(RunError):  # noqa: N818
    """A document's vector is zero, infinite or not a number. `row` is its index in the list that was encoded."""

    def __init__(self, row: int) -> None:
        super().__init__(f"text {row}: its vector is zero, infinite or not a number")
        self.row = row

    def __reduce__(self) -> tuple[type[NonFiniteVector], tuple[int]]:
        """Pickles as its row, so that it survives the way out of an actor."""
        return NonFiniteVector, (self.row,)


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Divides each row by its length and rounds to float16.

    The length is summed in float64, where squares of float32 neither overflow nor vanish.

    Args:
        vectors: float32[n, d].

    Returns:
        float16[n, d].

    Raises:
        NonFiniteVector: a row holds NaN or infinity, or is all zero; the first such row.
    """
    lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1))
    bad = ~(np.isfinite(lengths) & (lengths > 0))
    if bad.any():
        raise NonFiniteVector(int(np.argmax(bad)))
    unit: NDArray[np.float32] = (vectors / lengths[:, None]).astype(np.float32)
    return unit.astype(np.float16)


#: The fields that decide what a vector is. The others say where the model was found.
_IDENTITY = ("kind", "weights_sha256", "files_sha256", "dimensions", "max_tokens", "max_chunks", "precision")


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder a run uses, as committed in its run directory.

    Attributes:
        kind: `sentence-transformers`, `lexical`, or `given` (vectors that the sources hold).
        name: what the job file called it.
        origin: where it was found: `hub`, `folder`, `package`, or `sample` (fitted on the corpus).
        location: the folder, hub name or package to load it from; "" where it was fitted.
        max_chunks: chunks of so many tokens that are read of a document, at most.
        revision: the hub's commit; "" elsewhere.
        weights_sha256: hash of the weights; "" for a lexical model that is still to be fitted.
        files_sha256: hash of the tokenizer and configuration files; "" where there are none.
        dimensions: length of a vector.
        max_tokens: tokens that are read at a time.
        precision: number format of the forward pass: float32, bfloat16 or float16.
        libraries: the versions of the packages that compute.
        notes: what a person should know about the choice, a sentence each.
    """

    kind: str
    name: str
    origin: str
    location: str
    weights_sha256: str
    dimensions: int
    max_tokens: int
    precision: str
    max_chunks: int = 1
    revision: str = ""
    files_sha256: str = ""
    libraries: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, str | int]:
        """What decides the vectors, for a fingerprint: the same model found elsewhere has the same identity."""
        return {name: getattr(self, name) for name in _IDENTITY}

    def to_json(self) -> str:
        """The spec as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> EncoderSpec:
        """The spec that `to_json` wrote. Raises RunError if it is not one."""
        try:
            tree: dict[str, Any] = json.loads(text)
            known = {name: tree[name] for name in (entry.name for entry in fields(cls)) if name in tree}
            return cls(**{**known, "notes": tuple(tree.get("notes", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise RunError(f"the encoder's record in the run directory can't be read: {error}") from error
