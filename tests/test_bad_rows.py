"""Bad rows and odd texts, names and corpora: each bad row is recorded, and no good one is lost or changed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.storage.store import Store
from tests.bad_input import EVERY_DOCUMENT, GOOD, good_lines, job_text, run, write_lines

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

BAD_ROWS = {
    "malformed": ("{broken", "malformed JSON"),
    "two objects on a line": ('{"text": "a"} {"text": "b"}', "malformed JSON"),
    "not an object": ("[1, 2]", "not a JSON object"),
    "no text key": ('{"txt": "a"}', "no text"),
    "null text": ('{"text": null}', "no text"),
    "empty text": ('{"text": ""}', "no text"),
    "blank text": ('{"text": " \\n\\t "}', "no text"),
    "number for text": ('{"text": 5}', "text is not a string"),
    "list for text": ('{"text": ["a"]}', "text is not a string"),
    "invalid UTF-8": (b'{"text": "\xff\xfe"}', None),
    "lone surrogate": ('{"text": "\\ud800 x"}', None),
    "cut off": ('{"text": "abc', "malformed JSON"),
    "NUL bytes": (b"\x00\x00\x00", "malformed JSON"),
    "a NUL in a string": (b'{"text": "a\x00b"}', "malformed JSON"),
    "UTF-16": ('{"text": "a"}'.encode("utf-16-le"), None),
    "a bomb of brackets": ('{"text": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "malformed JSON"),
    "a number of 100,000 digits": ('{"text": "a", "n": ' + "9" * 100_000 + "}", "malformed JSON"),
    "a number beyond float64": ('{"text": "a", "n": 1e999}', "malformed JSON"),
    "too long": ('{"text": "' + "x" * 300_000 + '"}', "line longer than 250000 bytes"),
}


def test_a_bad_row_is_recorded_and_no_good_row_is_lost(tmp_path):
    lines = good_lines()
    expected = {}
    for index, (line, reason) in enumerate(BAD_ROWS.values()):
        lines.insert(4 * index + 2, line)
        expected[4 * index + 2] = reason
    write_lines(tmp_path, lines)
    assert (
        run(
            tmp_path,
            job_text(
                tmp_path, "rows: {max_rejected: 0.5, max_document_bytes: 250_000}\nsplit_bytes: 3000\n" + EVERY_DOCUMENT
            ),
        )
        == 0
    )
    store = Store.open(str(tmp_path / "run"))
    rejected = [row for name in store.list("rejected") for row in store.read_table(name).to_pylist()]
    assert {row["row"] for row in rejected} == set(expected)
    for row in rejected:
        assert row["path"] == str(tmp_path / "a.jsonl")
        assert expected[row["row"]] in (None, row["reason"])
        assert row["doc_id"] == row["row"]
    assert drawn_texts(tmp_path) == set(GOOD)


def test_odd_text_comes_out_as_it_went_in(tmp_path):
    texts = [
        "nul \0 inside",
        "\u2028 and \u2029",
        "next\x85line",
        "\ufeffmark",
        "\x1b[31mred",
        "\U0010ffff",
        "e\u0301 é",
        "\r\n",
    ]
    texts = [f"{number} {text} end" for number, text in enumerate(texts)]
    marked = [
        b"\xef\xbb\xbf" + json.dumps({"text": text}, ensure_ascii=bool(i % 2)).encode() for i, text in enumerate(texts)
    ]
    twice = [
        b'{"text": "first", "text": "second of a key"}',
        b'{"text": "beside it", "x": "\\ud800", "y": {"\\ud800": 1}}',
    ]
    write_lines(tmp_path, [*marked, *twice])
    assert run(tmp_path, job_text(tmp_path, EVERY_DOCUMENT)) == 0
    assert drawn_texts(tmp_path) == {*texts, "second of a key", "beside it"}


def drawn_texts(folder):
    return {
        text for file in Path(folder).glob("run/shards/*.parquet") for text in pq.read_table(file)["text"].to_pylist()
    }


def test_nothing_is_guessed_of_types(tmp_path):
    write_lines(
        tmp_path,
        [
            json.dumps({"text": "2024-01-05", "id": "000", "n": 7}),
            json.dumps({"text": "123", "id": 42, "n": "x"}),
            json.dumps({"text": "true", "id": None, "n": [1, {"a": None}]}),
        ],
    )
    assert run(tmp_path, job_text(tmp_path, EVERY_DOCUMENT, source=", id_column: id, keep_columns: [n]")) == 0
    rows = [row for file in tmp_path.glob("run/shards/*.parquet") for row in pq.read_table(file).to_pylist()]
    found = {row["text"]: (row["id"], row["n"]) for row in rows}
    assert found == {"2024-01-05": ("000", "7"), "123": ("42", "x"), "true": (None, '[1,{"a":null}]')}


def test_what_is_left_of_a_truncated_file_can_be_used(tmp_path):
    packed = gzip.compress("\n".join(good_lines()).encode(), mtime=0)
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) * 2 // 3])
    text = job_text(tmp_path, "rows: {allow_truncated: true}\n" + EVERY_DOCUMENT, path="a.jsonl.gz")
    assert run(tmp_path, text) == 0
    assert 10 < len(drawn_texts(tmp_path)) < 60
    assert drawn_texts(tmp_path) <= set(GOOD)


@pytest.mark.parametrize(
    "documents",
    [["one document alone"], ["the same words"] * 5, ["?!", "...", "1 2 3", "\u0000", "日本語のテキスト", "😀"]],
    ids=["one document", "all the same", "no words"],
)
def test_corpora_with_little_in_them_work(tmp_path, documents):
    write_lines(tmp_path, [json.dumps({"text": text}) for text in documents])
    assert run(tmp_path, job_text(tmp_path, EVERY_DOCUMENT)) == 0
    assert drawn_texts(tmp_path) == set(documents)


def test_odd_paths_and_names(tmp_path):
    folder = tmp_path / "dir with 'blanks' & ünïcode [x]"
    folder.mkdir()
    write_lines(folder, good_lines(), "a b*.jsonl")
    text = (
        f'run_dir: "{tmp_path}/run é"\n'
        f'sources: [{{domain: "<b>dömain</b>, =1", path: "{folder}/../{folder.name}/a b*.jsonl"}}]\n'
        "embedding: {model: lexical, dimensions: 4}\nclustering: {clusters: 3}\n"
    )
    assert run(tmp_path, text) == 0
    assert main(["verify", f"{tmp_path}/run é"]) == 0
    assert main(["show", f"{tmp_path}/run é"]) == 0
