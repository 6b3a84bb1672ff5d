"""The texts of trials: none is trained on and asked about, those of one's own are enough, and their files are known."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from curation import tables
from curation.config import Job
from curation.config.plan import Reference
from curation.errors import InputError, JobError
from curation.stages import learning_texts
from curation.stages.learning_sample import CHECK, FIT, LEAST_HELD, POOL, Sample, without_copies
from curation.stages.learning_texts import LEAST_GIVEN, Batch, check_given
from curation.stages.learning_trials import held_documents
from curation.stages.reference import check_same, files_digest, reference_files
from curation.stages.splits import part_name
from curation.storage.store import Store

KEY = learning_texts.KEY


def sample_of(role, group, unit=None):
    """A sample of documents with these roles and groups."""
    n = len(role)
    units = np.zeros(n, np.int32) if unit is None else np.array(unit, np.int32)
    same = np.zeros(n, np.int32)
    held = np.array([number if part >= FIT else -1 for number, part in zip(group, role, strict=True)], np.int32)
    return Sample(np.arange(n) * 3, same, same, units, np.ones(n), np.array(role, np.int8), held)


def test_a_text_that_is_asked_about_is_not_in_the_pool_and_not_asked_about_twice():
    role = [FIT, CHECK, POOL, FIT, CHECK, FIT, CHECK, POOL, POOL]
    sample = sample_of(role, [0] * 9)
    kept = without_copies(sample, np.array([5, 6, 5, 7, 8, 9, 7, 10, 10]), 0)
    assert kept.doc_id.tolist() == [0, 3, 9, 12, 15, 21, 24]  # 2 is a copy of 0, 6 one of 3; the pool may repeat itself
    untouched = without_copies(sample, np.arange(9), 0)
    assert all(
        np.array_equal(one, other) for one, other in zip(vars(untouched).values(), vars(sample).values(), strict=True)
    )


def test_a_group_of_too_few_different_texts_counts_in_neither_half():
    role = [FIT, CHECK] * 4 + [POOL]
    group = [0] * 4 + [1] * 4 + [0]
    kept = without_copies(sample_of(role, group), np.array([1, 2, 3, 4, 5, 6, 5, 6, 9]), 0)
    assert kept.doc_id.tolist() == [0, 3, 6, 9, 24]
    assert LEAST_HELD == 4
    with pytest.raises(JobError, match="copies of one another"):
        without_copies(sample_of(role, [0] * 9), np.array([5] * 8 + [1]), 0)


def test_what_the_job_names_is_left_out_of_the_pool():
    kept = without_copies(sample_of([POOL] * 4, [0] * 4), np.array([1, 2, 3, 2, 4, 5]), 2)
    assert kept.doc_id.tolist() == [0, 6, 9]


@pytest.fixture
def prepared(tmp_path):
    """A store with a sample of 90 documents of two units, its vocabulary and tokens; the job; a writer of its texts."""
    words = np.random.default_rng(0).permutation([f"{a}{b}" for a in "bcdfglmnprstv" for b in "aeiouy"])
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(words, 30)) for _ in range(90 + LEAST_GIVEN)]
    store = Store.open(str(tmp_path / "run"))
    own = pa.table([pa.array(np.arange(90) * 3), pa.array(texts[:90])], schema=tables.EXCERPTS)
    store.write_table(part_name("excerpts", 0), own)
    sample = sample_of([POOL] * 90, [0] * 90, [0] * 80 + [1] * 10)
    learning_texts.save_sample(store, sample)
    path = tmp_path / "mine.jsonl"

    def write(some):
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in some))

    learning = {"target": "validation", "validation": {"path": str(path)}, "vocabulary": 512}
    job = Job.model_validate({"run_dir": "r", "sources": [{"domain": "a", "path": "x"}], "learning": learning})
    learning_texts.train_vocabulary([0], store, job)
    learning_texts.encode_batch(Batch(0, [0]), store)
    return store, job, texts, write


def compiled(store, job):
    learning_texts.encode_given(reference_files(job.learning.validation, KEY), store, job)
    learning_texts.compile_pool([Batch(0, [0])], store, 512, ["large", "small"])
    return learning_texts.load_compiled(store, store.hash(learning_texts.COMPILED)[1], 512)


def test_texts_of_one_s_own_that_are_in_the_corpus_are_not_trained_on(prepared):
    store, job, texts, write = prepared
    write([*texts[70:82], *texts[90:], *texts[75:82]])  # some twice
    found = compiled(store, job)
    assert found.held.documents == 12 + LEAST_GIVEN
    assert found.sample.doc_id.tolist() == [3 * place for place in range(90) if not 70 <= place < 82]
    assert len(found.pool.lengths) == 78


def test_copies_in_the_corpus_are_asked_about_once_and_not_trained_on(prepared):
    """What is compiled is the settled sample, document by document."""
    store, _, texts, _ = prepared
    texts = [*texts[:80], *texts[:5], texts[40], *texts[85:89], texts[89]]  # some as `dedup.exact: false` leaves them
    texts[41] = texts[40]
    store.write_table(
        part_name("excerpts", 0), pa.table([pa.array(np.arange(90) * 3), pa.array(texts[:90])], schema=tables.EXCERPTS)
    )
    role = np.where(np.arange(90) < 10, np.where(np.arange(90) % 2 == 0, FIT, CHECK), POOL)
    role[40:42] = FIT, CHECK
    learning_texts.save_sample(store, sample_of(role.tolist(), [0] * 90))
    learning_texts.encode_batch(Batch(0, [0]), store)
    learning_texts.compile_pool([Batch(0, [0])], store, 512, ["all"])
    found = learning_texts.load_compiled(store, store.hash(learning_texts.COMPILED)[1], 512)
    half, group, tokens = held_documents(found)
    assert half.tolist() == [FIT, CHECK] * 5 + [FIT]
    assert found.sample.doc_id.tolist() == [3 * n for n in range(90) if n != 41 and not 80 <= n < 86]
    pool = [n for n in range(90) if role[n] == POOL and not 80 <= n < 86]
    whole = learning_texts._load(store, Batch(0, [0]).name)
    assert found.pool.lengths.tolist() == whole.lengths[pool].tolist()
    assert tokens.tolist() == whole.lengths[[*range(10), 40]].tolist()
    assert group.tolist() == [0] * 11


def test_texts_that_are_all_of_a_unit_are_refused(prepared):
    store, job, texts, write = prepared
    write(texts[80:])
    with pytest.raises(JobError, match="all that the sample has of small"):
        compiled(store, job)


def test_the_files_are_known_by_what_they_were_when_they_were_read(prepared):
    store, job, texts, write = prepared
    reference = job.learning.validation
    write(texts[90:])
    compiled(store, job)
    read = learning_texts.load_given_digest(store)
    assert read == files_digest(reference_files(reference, KEY))
    write(texts[85:])
    with pytest.raises(InputError, match="its files changed since"):
        check_same(learning_texts.load_given_digest(store), reference, KEY, "learned")


@pytest.mark.parametrize(
    ("lines", "error", "match"),
    [
        (['{"text": "a"}'] * 60, JobError, "1 different texts"),
        ([f'{{"text": "{n}"}}' for n in range(LEAST_GIVEN - 1)], JobError, f"{LEAST_GIVEN - 1} different texts"),
        (['{"text": ""}'] * 60, InputError, "there is no text under 'text'"),
    ],
)
def test_too_little_text_is_refused_before_and_after_the_work(tmp_path, lines, error, match):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(lines) + "\n")
    reference = Reference(path=str(path))
    with pytest.raises(error, match=match):
        check_given(reference)
    job = Job.model_validate(
        {
            "run_dir": "r",
            "sources": [{"domain": "a", "path": "x"}],
            "learning": {"target": "validation", "validation": {"path": str(path)}},
        }
    )
    with pytest.raises(error, match=match):
        learning_texts.encode_given(reference_files(reference, KEY), Store.open(str(tmp_path / "run")), job)


def test_enough_text_over_several_files_is_enough(tmp_path):
    for part in range(3):
        lines = [f'{{"text": "{part} {n}"}}' for n in range(LEAST_GIVEN // 2)]
        (tmp_path / f"{part}.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "2.jsonl").write_text("not JSON\n")  # not needed, so not read
    check_given(Reference(path=str(tmp_path / "*.jsonl")))
