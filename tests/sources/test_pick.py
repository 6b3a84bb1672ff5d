"""Single rows of Parquet: as the reader gives them with their split, from row groups that are kept or read through."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import InputError
from curation.sources import pick
from curation.sources.pick import group_rows, open_source, pick_rows, read_group
from curation.sources.read import Columns

from .reference import count, read, write

COLUMNS = Columns("text", "id", ("kept",), most_bytes=600)
GROUP = 60


@pytest.fixture
def opened(tmp_path):
    """A file of three row groups with rows that are rejected, and all of its rows as the reader gives them."""
    texts = [
        [None, b"", b" ", b"\xff", b"x" * 700][row % 5] if row % 11 == 3 else b"text %d" % row for row in range(150)
    ]
    columns = {"text": pa.array(texts, pa.binary()), "id": range(150), "kept": [[row, None] for row in range(150)]}
    pq.write_table(pa.table(columns), tmp_path / "made.parquet", row_group_size=GROUP)
    file = write(tmp_path, (tmp_path / "made.parquet").read_bytes(), "parquet")
    ((_, rows),) = read(file, count(file), COLUMNS)
    opened = open_source(file.path, file.format, file.etag)
    yield opened, rows
    opened.close()


@pytest.mark.parametrize("batch_rows", [7, 4096])
@pytest.mark.parametrize("keep", [True, False])
def test_rows_are_those_of_the_split(opened, monkeypatch, batch_rows, keep):
    file, rows = opened
    monkeypatch.setattr(pick, "_BATCH_ROWS", batch_rows)
    assert file.first_rows.tolist() == [0, 60, 120, 150]
    rng = np.random.default_rng(0)
    rejected = set()
    for number, first in enumerate(file.first_rows[:-1].tolist()):
        kept, size = read_group(file, number, COLUMNS, 1 << 20)
        assert kept is not None
        assert 0 < size == sum(part.table.nbytes for part in kept)
        for wanted in (1, 2, 25):
            offsets = np.sort(rng.integers(0, file.first_rows[number + 1] - first, wanted))
            found = pick_rows(kept if keep else group_rows(file, number, COLUMNS), offsets)
            expected = [first + offset for offset in offsets.tolist()]
            assert found.table.to_pylist() == rows.table.take(pa.array(expected)).to_pylist()
            reasons = {at: rows.rejected[row] for at, row in enumerate(expected) if row in rows.rejected}
            assert found.rejected == reasons
            rejected |= set(reasons.values())
    assert len(rejected) > 1


def test_no_more_of_a_row_group_is_read_than_is_needed(opened, monkeypatch):
    file, _ = opened
    monkeypatch.setattr(pick, "_BATCH_ROWS", 10)
    taken = []
    parts = (taken.append(part) or part for part in group_rows(file, 0, COLUMNS))
    pick_rows(parts, np.array([3, 12]))
    assert len(taken) == 2


def test_a_row_group_is_kept_only_if_it_is_small(opened, tmp_path):
    file, _ = opened
    assert read_group(file, 0, COLUMNS, 100) == (None, 0)
    repeated = pa.table({"text": ["long " * 2000] * GROUP, "id": range(GROUP), "kept": range(GROUP)})
    pq.write_table(repeated, tmp_path / "made.parquet")
    folded = write(tmp_path, (tmp_path / "made.parquet").read_bytes(), "parquet", "folded")
    source = open_source(folded.path, folded.format, folded.etag)
    columns = Columns("text", "id", ("kept",))
    assert read_group(source, 0, columns, 100_000) == (None, 0)  # 10 kB in the file, 600 kB in memory
    assert read_group(source, 0, columns, 1_000_000)[1] > 600_000
    source.close()


@pytest.mark.usefixtures("opened")
def test_a_file_is_opened_only_as_it_was_counted_and_damage_is_named(tmp_path):
    path = tmp_path / "damaged.parquet"
    raw = bytearray((tmp_path / "made.parquet").read_bytes())
    raw[10:200] = b"\xaa" * 190
    damaged = write(tmp_path, bytes(raw), "parquet", "damaged")
    source = open_source(damaged.path, damaged.format, damaged.etag)
    with pytest.raises(InputError, match="row group 0 is corrupt"):
        read_group(source, 0, COLUMNS, 1 << 20)
    source.close()
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="changed since it was counted"):
        open_source(damaged.path, damaged.format, damaged.etag)
    again = write(tmp_path, b"PAR1", "parquet", "damaged")
    with pytest.raises(InputError, match="not a Parquet file"):
        open_source(again.path, again.format, again.etag)
