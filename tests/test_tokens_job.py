"""Whole jobs that count tokens by a tokenizer or a column, and what hangs on the count."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curation.cli import main
from curation.storage.store import Store
from curation.tokenizer import Tokenizer
from tests.bad_input import EVERY_DOCUMENT, GOOD, good_lines, job_text, run, write_lines
from tests.tokenizers_made import END, byte_level, metaspace

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def counted(folder):
    """The tokens of all documents, after verify found nothing; and those that were drawn."""
    assert main(["verify", str(folder / "run")]) == 0
    store = Store.open(str(folder / "run"))
    names = [name for name in store.list("documents") if name.endswith(".parquet")]
    tokens = pa.concat_tables(store.read_table(name, ["tokens"]) for name in names)["tokens"].to_pylist()
    return tokens, store.marker("plan").stats["tokens"]


def test_a_job_counts_with_the_tokenizer_and_again_when_it_changed(tmp_path):
    write_lines(tmp_path, good_lines())
    file = tmp_path / "tokenizer.json"
    file.write_bytes(byte_level())
    tokens = f"tokens: {{count: model, tokenizer: '{file}', end_of_document: '{END}'}}\n"
    text = job_text(tmp_path, tokens + EVERY_DOCUMENT)
    assert run(tmp_path, text) == 0
    expected = Tokenizer(byte_level(), "t", END).count(pa.array(GOOD)).tolist()
    assert counted(tmp_path) == (expected, sum(expected))
    store = Store.open(str(tmp_path / "run"))
    embedded = store.marker("embeddings")
    file.write_bytes(metaspace())
    assert run(tmp_path, text) == 0
    expected = Tokenizer(metaspace(), "t", END).count(pa.array(GOOD)).tolist()
    assert counted(tmp_path) == (expected, sum(expected))
    assert store.marker("embeddings") == embedded  # vectors don't hang on tokens


def test_rows_without_a_count_are_bad_rows(tmp_path):
    write_lines(tmp_path, good_lines())  # `n` is 0 in the first
    more = "tokens: {count: column, column: n}\nrows: {max_rejected: 0.5}\n" + EVERY_DOCUMENT
    assert run(tmp_path, job_text(tmp_path, more)) == 0
    assert counted(tmp_path) == (list(range(60)), sum(range(60)))
    store = Store.open(str(tmp_path / "run"))
    [name] = [name for name in store.list("rejected") if name.endswith(".parquet")]
    assert [(row["row"], row["reason"][:30]) for row in store.read_table(name).to_pylist()] == [
        (0, "no whole number of tokens from")
    ]
