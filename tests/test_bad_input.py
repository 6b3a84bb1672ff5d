"""Bad input of many kinds: each ends with one clear message, the right exit status and no traceback, and none loses
a good row.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from curation.cli import main
from curation.store import Store
from tests.corpus import texts

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

#: With the corpus' own proportions and one epoch, every document is drawn once.
EVERY_DOCUMENT = "sampling: {cluster_exponent: 1.0}"

GOOD = texts(60, 5, ["law", "music"])


def write_lines(folder, lines, name="a.jsonl"):
    path = folder / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return path


def good_lines(count=60):
    return [json.dumps({"text": text, "id": f"{i:03}", "n": i, "q": 0.5}) for i, text in enumerate(GOOD[:count])]


def job_text(folder, more="", path="a.jsonl", source=""):
    return (
        f"run_dir: {folder}/run\nsources: [{{domain: a, path: '{folder}/{path}'{source}}}]\n"
        f"embedding: {{model: lexical, dimensions: 4}}\nclustering: {{clusters: 3}}\n{more}"
    )


def run(folder, text, *arguments):
    path = folder / "job.yaml"
    path.write_text(text)
    return main(["run", str(path), *arguments])


# ---- things that stop the run -------------------------------------------------------------------------------


def nothing(folder):
    return job_text(folder)


def unknown_key(folder):
    write_lines(folder, good_lines())
    return job_text(folder, "samplng: {}")


def two_budgets(folder):
    write_lines(folder, good_lines())
    return job_text(folder, "sampling: {budget: {epochs: 1, tokens: 9}}")


def clip_zero(folder):
    write_lines(folder, good_lines())
    return job_text(folder, "sampling: {clip: 0}")


def empty_folder(folder):
    (folder / "data").mkdir()
    return job_text(folder, path="data")


def folder_of_other_files(folder):
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_text("text\nx")
    return job_text(folder, path="data")


def other_suffix(folder):
    (folder / "a.csv").write_text("text\nx")
    return job_text(folder, path="a.csv")


def glob_matches_nothing(folder):
    return job_text(folder, path="*.jsonl")


def same_file_twice(folder):
    write_lines(folder, good_lines())
    return job_text(folder).replace("]\nembedding", f", {{domain: b, path: '{folder}/a.jsonl'}}]\nembedding")


def no_such_column(folder):
    pq.write_table(pa.table({"txt": GOOD}), folder / "a.parquet")
    return job_text(folder, path="a.parquet")


def column_of_numbers(folder):
    pq.write_table(pa.table({"text": [1, 2]}), folder / "a.parquet")
    return job_text(folder, path="a.parquet")


def no_such_keep_column(folder):
    pq.write_table(pa.table({"text": GOOD}), folder / "a.parquet")
    return job_text(folder, path="a.parquet", source=", keep_columns: [dat]")


def quality_of_strings(folder):
    pq.write_table(pa.table({"text": GOOD, "q": GOOD}), folder / "a.parquet")
    return job_text(folder, "quality: {column: q}", path="a.parquet")


def not_parquet(folder):
    (folder / "a.parquet").write_bytes(b"this is no parquet file at all")
    return job_text(folder, path="a.parquet")


def empty_parquet(folder):
    (folder / "a.parquet").write_bytes(b"")
    return job_text(folder, path="a.parquet")


def truncated_parquet(folder):
    pq.write_table(pa.table({"text": GOOD}), folder / "a.parquet")
    whole = (folder / "a.parquet").read_bytes()
    (folder / "a.parquet").write_bytes(whole[: len(whole) // 2])
    return job_text(folder, path="a.parquet")


def corrupt_parquet_page(folder):
    pq.write_table(pa.table({"text": GOOD}), folder / "a.parquet", compression="zstd")
    whole = bytearray((folder / "a.parquet").read_bytes())
    whole[60:400] = os.urandom(340)
    (folder / "a.parquet").write_bytes(bytes(whole))
    return job_text(folder, path="a.parquet")


def encrypted_parquet(folder):
    _encrypt(folder / "a.parquet", plaintext_footer=False)
    return job_text(folder, path="a.parquet")


def encrypted_column(folder):
    """Pyarrow ends the process over such a file, by an error that its C++ does not catch."""
    pq.write_table(pa.table({"text": GOOD}), folder / "a.parquet")
    _encrypt(folder / "b.parquet", plaintext_footer=True)
    pq.write_table(pa.table({"text": GOOD[::-1]}), folder / "c.parquet")
    return job_text(folder, path="*.parquet")


class _Keys(encryption.KmsClient):
    def __init__(self, configuration):
        super().__init__()

    def wrap_key(self, key, name):
        return base64.b64encode(key)


def _encrypt(path, plaintext_footer):
    table = pa.table({"text": GOOD})
    wanted = encryption.EncryptionConfiguration(
        "footer", column_keys={"k": ["text"]}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(_Keys)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), wanted)
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)


def endless_line(folder):
    write_lines(folder, [*good_lines(), '{"text": "' + "x" * 5000 + '"}'])
    return job_text(folder, "rows: {max_document_bytes: 4000}")


def pipe(folder):
    os.mkfifo(folder / "a.jsonl")
    return job_text(folder)


def device(folder):
    (folder / "a.jsonl").symlink_to("/dev/zero")
    return job_text(folder)


def run_dir_with_nul(folder):
    write_lines(folder, good_lines())
    return job_text(folder).replace(f"{folder}/run", '"a\\0b"')


def domain_that_paints(folder):
    return job_text(folder).replace("domain: a", 'domain: "\\e[31mred"')


def truncated_gzip(folder):
    packed = gzip.compress("\n".join(good_lines()).encode())
    (folder / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    return job_text(folder, path="a.jsonl.gz")


def corrupt_zstd(folder):
    packed = bytearray(pa.Codec("zstd").compress("\n".join(good_lines()).encode(), asbytes=True))
    packed[len(packed) // 2] ^= 255
    (folder / "a.jsonl.zst").write_bytes(bytes(packed))
    return job_text(folder, path="a.jsonl.zst")


def not_gzip(folder):
    write_lines(folder, good_lines(), "a.jsonl.gz")
    return job_text(folder, path="a.jsonl.gz")


def all_files_empty(folder):
    write_lines(folder, [""])
    return job_text(folder)


def too_many_bad_rows(folder):
    write_lines(folder, [*good_lines(), "{broken"])
    return job_text(folder)


def first_bad_row_fails(folder):
    write_lines(folder, [*good_lines(), "{broken"])
    return job_text(folder, "rows: {on_bad: fail}")


def only_bad_rows(folder):
    write_lines(folder, ["{}"] * 5)
    return job_text(folder, "rows: {max_rejected: 1.0}")


def unknown_model(folder):
    write_lines(folder, good_lines())
    return job_text(folder).replace("model: lexical, dimensions: 4", "model: no-such-org/no-such-model")


def model_folder_without_model(folder):
    write_lines(folder, good_lines())
    (folder / "model").mkdir()
    return job_text(folder).replace("model: lexical, dimensions: 4", f"model: '{folder}/model'")


def max_tokens_above_the_model(folder):
    write_lines(folder, good_lines())
    return job_text(folder).replace("model: lexical, dimensions: 4", "model: all-MiniLM-L6-v2, max_tokens: 4096")


def budget_above_the_clip(folder):
    write_lines(folder, good_lines())
    return job_text(folder, "sampling: {budget: {tokens: 1_000_000_000}, clip: 2}")


def run_dir_is_a_file(folder):
    write_lines(folder, good_lines())
    (folder / "run").write_text("I am a file")
    return job_text(folder)


STOPS = [
    (nothing, 2, "sources.0.path"),
    (unknown_key, 2, "did you mean 'sampling'"),
    (two_budgets, 2, "either epochs or tokens"),
    (clip_zero, 2, "sampling.clip"),
    (empty_folder, 2, "sources.0.path"),
    (folder_of_other_files, 2, "sources.0.path"),
    (other_suffix, 2, ".jsonl.zst"),
    (glob_matches_nothing, 2, "sources.0.path"),
    (same_file_twice, 2, "sources"),
    (no_such_column, 2, "did you mean 'txt'"),
    (column_of_numbers, 2, "int64"),
    (no_such_keep_column, 2, "'dat'"),
    (quality_of_strings, 2, "quality.column"),
    (not_parquet, 1, "a.parquet"),
    (empty_parquet, 1, "a.parquet"),
    (truncated_parquet, 1, "a.parquet"),
    (corrupt_parquet_page, 1, "a.parquet"),
    (encrypted_parquet, 1, "a.parquet"),
    (encrypted_column, 1, "b.parquet: the process that opened it died"),
    (endless_line, 1, "row 60: line longer than 4000 bytes"),
    (pipe, 2, "a.jsonl: not a regular file"),
    (device, 2, "a.jsonl: not a regular file"),
    (run_dir_with_nul, 2, "run_dir"),
    (domain_that_paints, 2, "sources.0.domain"),
    (truncated_gzip, 1, "allow_truncated"),
    (corrupt_zstd, 1, "a.jsonl.zst"),
    (not_gzip, 1, "a.jsonl.gz"),
    (all_files_empty, 1, "no row"),
    (too_many_bad_rows, 1, "rows.max_rejected"),
    (first_bad_row_fails, 1, "row 60"),
    (only_bad_rows, 1, "no document is left"),
    (unknown_model, 2, "embedding.model"),
    (model_folder_without_model, 2, "embedding.model"),
    (max_tokens_above_the_model, 2, "embedding.max_tokens"),
    (budget_above_the_clip, 2, "sampling.clip"),
    (run_dir_is_a_file, 2, "run_dir"),
]


@pytest.mark.parametrize(("kind", "status", "said"), STOPS, ids=[kind.__name__ for kind, _, _ in STOPS])
def test_bad_input_ends_with_one_clear_message(tmp_path, capsys, kind, status, said):
    assert run(tmp_path, kind(tmp_path)) == status
    error = message(capsys)
    print(f"{kind.__name__} ({status}): {error}")
    assert said in error
    assert "Traceback" not in error
    assert len(error.splitlines()) <= 2


def message(capsys):
    """What a person reads of stderr: all but the events."""
    return "\n".join(line for line in capsys.readouterr().err.splitlines() if not line.startswith("{"))


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["show", "/nowhere"], 2, "not a run directory"),
        (["verify", "/nowhere"], 2, "not a run directory"),
        (["run", "/nowhere.yaml"], 2, "No such file"),
    ],
)
def test_wrong_commands(capsys, arguments, status, said):
    assert main(arguments) == status
    assert said in message(capsys)


def test_an_unknown_command_is_status_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["rn", "x"])
    assert stopped.value.code == 2


# ---- things that cost a row, and no other one ---------------------------------------------------------------

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
