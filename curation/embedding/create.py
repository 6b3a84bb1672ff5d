"""Builds the encoder that a spec describes, in the process that will use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from curation.config import Embedding
from curation.embedding.encoder import Encoder, EncoderSpec
from curation.embedding.lexical import LexicalModel
from curation.embedding.precision import resolve_precision
from curation.embedding.resolve import locate
from curation.embedding.style import StyleModel
from curation.embedding.transformer import TransformerEncoder
from curation.errors import RunError


@dataclass(frozen=True)
class _Setting:
    """Where an encoder runs and what it is built from."""

    spec: EncoderSpec
    embedding: Embedding
    device: str
    threads: int
    arrays: Mapping[str, NDArray[Any]]


def create_encoder(
    spec: EncoderSpec,
    embedding: Embedding,
    *,
    device: str = "cpu",
    threads: int = 1,
    arrays: Mapping[str, NDArray[Any]] | None = None,
) -> Encoder:
    """Builds an encoder and proves that it is the one that the run committed itself to.

    Args:
        spec: the committed record.
        embedding: the job file's section: `batch_tokens` and `trust_remote_code` are taken from it.
        device: `cpu`, `cuda` or `cuda:N`. `lexical` runs on the CPU.
        threads: CPU threads, each of which computes batches of its own. `lexical` uses one.
        arrays: what `LexicalModel.to_arrays` gave; for `lexical` only.

    Raises:
        JobError: the model can't be loaded or the device can't compute in its precision.
        RunError: the model is not here, or not the one of the spec.
    """
    if spec.kind not in _CONSTRUCTORS:
        raise RunError(f"the run directory names an encoder of kind {spec.kind!r}, which this version does not know")
    return _CONSTRUCTORS[spec.kind](_Setting(spec, embedding, device, threads, arrays or {}))


def _transformer(setting: _Setting) -> Encoder:
    spec, trusted = setting.spec, setting.embedding.trust_remote_code
    resolve_precision(spec.precision, setting.device)
    return TransformerEncoder(
        spec,
        locate(spec, trusted),
        batch_tokens=setting.embedding.batch_tokens,
        device=setting.device,
        threads=setting.threads,
        trust_remote_code=trusted,
    )


def _lexical(setting: _Setting) -> Encoder:
    try:
        kind: type[LexicalModel] = StyleModel if "bpe" in setting.arrays else LexicalModel
        model = kind.from_arrays(setting.arrays)
    except KeyError as error:
        raise RunError(f"the fitted lexical model is incomplete: {error} is missing") from error
    if model.spec.identity != setting.spec.identity:
        raise RunError("the fitted lexical model is not the one that the run's vectors were made with")
    return model


_CONSTRUCTORS: dict[str, Callable[[_Setting], Encoder]] = {
    "sentence-transformers": _transformer,
    "lexical": _lexical,
}
