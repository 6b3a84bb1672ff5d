from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.errors import InputError
from curation.sources.apart import read_apart
from curation.sources.find import InputFile
from tests.bad_input import GOOD, encrypt, job_text


def size_of(file):
    """The size of a file; a file without a byte ends the process."""
    return Path(file.path).stat().st_size or os.abort()


def input_file(path):
    return InputFile(str(path), "a", 0, "parquet", path.stat().st_size, "tag")


def test_what_ends_the_reader_is_named(tmp_path):
    for number, content in enumerate([b"one", b"", b"three"]):
        (tmp_path / str(number)).write_bytes(content)
    files = [input_file(tmp_path / str(number)) for number in range(3)]
    assert list(read_apart(size_of, [files[2], files[0]])) == [5, 3]
    reading = read_apart(size_of, files)
    assert next(reading) == 3
    with pytest.raises(InputError, match=f"{tmp_path}/1: the process that read it was ended"):
        next(reading)


def test_the_plan_survives_a_file_that_ends_its_reader(tmp_path, capsys):
    pq.write_table(pa.table({"text": GOOD}), tmp_path / "a.parquet")
    encrypt(tmp_path / "b.parquet", plaintext_footer=True)
    (tmp_path / "job.yaml").write_text(job_text(tmp_path, path="*.parquet"))
    assert main(["plan", str(tmp_path / "job.yaml")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{tmp_path}/b.parquet: the process that read it was ended" in said[0]
