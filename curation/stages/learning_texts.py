"""The texts of the sample as tokens, and compiled for the n-gram model, in files that trials read.

`learned/sample.npz` is the sample. A byte-pair vocabulary is trained on some of the pool, the texts are encoded by
batches of splits, and one task compiles the pool for the questions of the validation texts
(`language_model.ngram_pool`). No copy of a validation text is in the pool: `learned/settled.npz` is the sample without
them. Every file is a pure function of the ones before it and is there whole or not at all, so that what was done before
a run died is not done again. They are removed when the weights are fitted.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.bpe import train_bpe
from curation.config import Job
from curation.config.plan import Reference
from curation.counter_rng import keys
from curation.errors import JobError
from curation.language_model.encoding import Encoded, encode, text_numbers, together
from curation.language_model.ngram import Questions, questions
from curation.language_model.ngram_pool import Answers, Ragged, answers
from curation.sources.apart import read_apart
from curation.sources.find import InputFile
from curation.stages.learning_sample import FIT, POOL, Sample, without_copies
from curation.stages.reference import files_digest, no_text, reference_files, reference_texts
from curation.stages.splits import part_name
from curation.storage.store import Part, Store

SAMPLE, VOCABULARY, SETTLED = "learned/sample.npz", "learned/bpe.json", "learned/settled.npz"
GIVEN, COMPILED = "learned/given.npz", "learned/pool.npz"
#: Documents that the vocabulary is trained on.
VOCABULARY_TEXTS = 8_000
#: Validation texts taken where the job names their files, both halves together.
MOST_GIVEN = 2_400
#: Fewest of them. Half of them are for the check, which is twice what it needs at least (`learning_outcome`).
LEAST_GIVEN = 40
#: Key of the validation texts in the job file.
KEY = "learning.validation"


class Batch(NamedTuple):
    """Splits whose texts one task encodes."""

    number: int
    splits: list[int]

    @property
    def name(self) -> str:
        """The file of their tokens."""
        return f"learned/tokens-{self.number:05}.npz"


def save_sample(store: Store, sample: Sample) -> None:
    """Commits the sample."""
    store.write_arrays(SAMPLE, vars(sample))


def load_sample(store: Store) -> Sample:
    """The committed sample."""
    return Sample(**store.read_arrays(SAMPLE))


def load_settled(store: Store) -> Sample:
    """The sample without copies: what trials draw from and are scored on."""
    return Sample(**store.read_arrays(SETTLED))


def train_vocabulary(splits: list[int], store: Store, job: Job) -> None:
    """Commits the vocabulary, trained on some documents of the pool."""
    sample = load_sample(store)
    pool = sample.only(sample.role == POOL)
    some = np.argsort(keys(job.seed, "learning.vocabulary", pool.doc_id), kind="stable")[:VOCABULARY_TEXTS]
    doc_id, held = np.sort(pool.doc_id[some]), set(pool.split[some].tolist())
    texts = [text for one in splits if one in held for text in _texts(store, one, doc_id)]
    store.write_bytes(VOCABULARY, train_bpe(texts, job.learning.vocabulary).encode())


def encode_batch(batch: Batch, store: Store) -> None:
    """Commits the tokens of a batch's documents of the sample, in their order."""
    sample, bpe = load_sample(store), store.read_bytes(VOCABULARY).decode()
    doc_id = sample.doc_id[np.isin(sample.split, batch.splits)]
    texts = [text for split in batch.splits for text in _texts(store, split, doc_id)]
    _save(store, batch.name, encode(bpe, texts))


def check_given(reference: Reference) -> None:
    """Raises where validation texts that the job names can't be read, or are too few. Reads until they are enough."""
    files = reference_files(reference, KEY)
    found: set[str] = set()
    for texts in read_apart(partial(reference_texts, text_column=reference.text_column, key=KEY), files):
        found.update(filter(None, texts))
        if len(found) >= LEAST_GIVEN:
            return
    check_enough(len(found), files, reference.text_column)


def check_enough(texts: int, files: list[InputFile], text_column: str) -> None:
    """Raises where files have too few different validation texts."""
    if not texts:
        raise no_text(files, text_column, KEY)
    if texts < LEAST_GIVEN:
        raise JobError(
            f"{KEY}: its files have {texts} different texts in what is read of them, and fewer than {LEAST_GIVEN} say "
            "too little of what the weights are worth: name more files, or choose another learning.target"
        )


def encode_given(files: list[InputFile], store: Store, job: Job) -> None:
    """Commits the tokens of the validation texts that the job names: of all, by chance, at most MOST_GIVEN.

    Beside them the digest of the files, since these may change before the weights are fitted.
    """
    reference = job.learning.validation
    assert reference is not None, "only asked for where there is one"
    found = (text for file in files for text in reference_texts(file, reference.text_column, KEY) if text)
    texts = list(dict.fromkeys(found))
    check_enough(len(texts), files, reference.text_column)
    some = np.argsort(keys(job.seed, KEY, np.arange(len(texts))), kind="stable")[:MOST_GIVEN]
    encoded = encode(store.read_bytes(VOCABULARY).decode(), [texts[place] for place in np.sort(some)])
    store.write_arrays(GIVEN, vars(encoded) | {"digest": np.array(files_digest(files))})


def load_given_digest(store: Store) -> str:
    """The digest of the files whose texts were encoded."""
    return str(store.read_arrays(GIVEN)["digest"])


def compile_pool(batches: list[Batch], store: Store, vocabulary: int, names: list[str]) -> Part:
    """Commits the sample without copies, and the validation texts and the pool compiled for them.

    Args:
        batches: what was encoded.
        store: the run directory.
        vocabulary: number of tokens that there are.
        names: of the units.

    Raises:
        JobError: all that the pool has of a unit is among the validation texts that the job names.
    """
    sample = load_sample(store)
    encoded = together([_load(store, batch.name) for batch in batches])
    given = _load(store, GIVEN) if store.exists(GIVEN) else encoded.take(np.zeros(0, np.int64))
    settled = without_copies(sample, text_numbers(together([given, encoded])), given.documents)
    if given.documents and (lost := np.setdiff1d(sample.unit, settled.unit)).size:
        raise JobError(
            f"{KEY}: its texts are all that the sample has of {names[lost[0]]}, so no trial can train on that: name "
            "texts that are not in the sources"
        )
    store.write_arrays(SETTLED, vars(settled))
    encoded = encoded.take(np.searchsorted(sample.doc_id, settled.doc_id))
    held = given if given.documents else encoded.take(np.flatnonzero(settled.role >= FIT))
    pool = answers(questions(held, vocabulary=vocabulary), encoded.take(np.flatnonzero(settled.role == POOL)))
    arrays: dict[str, NDArray[Any]] = {"held_tokens": held.tokens, "held_starts": held.starts}
    for name in ("unigrams", "counted", "alone"):
        arrays |= {f"{name}_{field}": array for field, array in vars(getattr(pool, name)).items()}
    arrays["counter_ends"] = pool.counter_ends
    for name in ("context", "gram"):
        arrays |= {f"{name}_{order}": array for order, array in enumerate(getattr(pool, name))}
    return store.write_arrays(COMPILED, arrays)


class Compiled(NamedTuple):
    """What trials are scored with."""

    sample: Sample
    asked: Questions
    pool: Answers
    held: Encoded


@lru_cache(maxsize=1)
def load_compiled(store: Store, digest: str, vocabulary: int) -> Compiled:
    """The compiled pool. A process keeps the last; `digest` is the file's, so that it is no other run's."""
    found = store.read_arrays(COMPILED)
    held = Encoded(found["held_tokens"], found["held_starts"])
    parts = (Ragged(found[f"{name}_values"], found[f"{name}_starts"]) for name in ("unigrams", "counted", "alone"))
    unigrams, counted, alone = parts
    asked = questions(held, vocabulary=vocabulary)
    context, gram = ([found[f"{name}_{order}"] for order in range(len(asked.contexts))] for name in ("context", "gram"))
    pool = Answers(unigrams, counted, alone, found["counter_ends"], context, gram)
    return Compiled(load_settled(store), asked, pool, held)


def _texts(store: Store, split: int, doc_id: NDArray[np.int64]) -> list[str]:
    """The excerpts of those documents of a split that are listed, in their order."""
    table = store.read_table(part_name("excerpts", split))
    wanted = np.isin(table["doc_id"].to_numpy(), doc_id, assume_unique=True)
    texts: list[str] = table["text"].filter(pa.array(wanted)).to_pylist()
    return texts


def _save(store: Store, name: str, encoded: Encoded) -> None:
    store.write_arrays(name, vars(encoded))


def _load(store: Store, name: str) -> Encoded:
    found = store.read_arrays(name)
    return Encoded(found["tokens"], found["starts"])
