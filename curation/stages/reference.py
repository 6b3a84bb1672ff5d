"""A corpus beside the sources that the job names, to match or to be good at: its files, and texts of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from curation.config import Source
from curation.config.plan import Reference
from curation.errors import CurationError, InputError
from curation.sources.find import InputFile, find_files
from curation.sources.sample import read_sample
from curation.stages.documents import EXCERPT_CHARACTERS
from curation.storage.store import fingerprint

#: Files whose beginning is read, and texts taken of each.
REFERENCE_FILES, REFERENCE_TEXTS = 64, 500


def reference_files(reference: Reference, key: str) -> list[InputFile]:
    """Its files; at most REFERENCE_FILES, spread evenly over it. `key` is that of the job file, for messages."""
    source = Source(domain="reference", path=reference.path, text_column=reference.text_column)
    with _naming(key):
        files = find_files(source, 0)
    chosen = sorted({round(place) for place in np.linspace(0, len(files) - 1, REFERENCE_FILES)})
    return [files[index] for index in chosen]


def files_digest(files: list[InputFile]) -> str:
    """Hash of which files they are."""
    return fingerprint([[file.path, file.etag] for file in files])


def check_same(told: str, reference: Reference, key: str, folder: str) -> None:
    """Raises InputError where the files are not those of a digest; `folder` is what was made from them."""
    if told != files_digest(reference_files(reference, key)):
        raise InputError(f"{key}: its files changed since this run read them; put them back, or remove {folder}")


def reference_texts(file: InputFile, text_column: str, key: str) -> list[str]:
    """The beginnings of the first texts of a file."""
    source = Source(domain="reference", path=[file.path], text_column=text_column)
    with _naming(key):
        texts = read_sample(source, file).texts[:REFERENCE_TEXTS]
    return [text[:EXCERPT_CHARACTERS] for text in texts]


def no_text(files: list[InputFile], text_column: str, key: str) -> InputError:
    """The error for files none of which holds a text where it is read."""
    others = f" or the {len(files) - 1} other files that were read" if len(files) > 1 else ""
    return InputError(f"{key}: there is no text under {text_column!r} in {files[0].path}{others}: see its text_column")


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Puts the reference's key into messages about a source."""
    try:
        yield
    except CurationError as error:
        raise type(error)(str(error).replace("sources.0", key)) from error
