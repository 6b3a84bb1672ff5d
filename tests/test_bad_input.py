"""Bad input of many kinds: each ends with one clear message, the right exit status and no traceback."""

from __future__ import annotations

import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.stages import workers
from tests.bad_input import GOOD, encrypt, good_lines, job_text, run, write_lines

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

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
    encrypt(folder / "a.parquet", plaintext_footer=False)
    return job_text(folder, path="a.parquet")


def encrypted_column(folder):
    """Pyarrow ends the process over such a file, by an error that its C++ does not catch."""
    pq.write_table(pa.table({"text": GOOD}), folder / "a.parquet")
    encrypt(folder / "b.parquet", plaintext_footer=True)
    pq.write_table(pa.table({"text": GOOD[::-1]}), folder / "c.parquet")
    return job_text(folder, path="*.parquet")


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
    (encrypted_column, 1, "while its rows were counted: its worker was lost 4 times"),
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
def test_bad_input_ends_with_one_clear_message(tmp_path, capsys, monkeypatch, kind, status, said):
    monkeypatch.setattr(workers, "RETRY_SECONDS", 0.05)
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
