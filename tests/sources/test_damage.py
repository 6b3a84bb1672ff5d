"""Files that are cut off, corrupt, changed, gone or locked."""

from __future__ import annotations

import gzip
import os
import random
import zlib
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pyarrow.fs import LocalFileSystem

from curation.errors import InputError
from curation.sources.find import InputFile, check_unchanged
from curation.sources.read import Columns, read_splits

from .reference import as_rows, count, pack, read, read_naively, splits_of, write

TEXT = Columns("text")


def _corpus() -> bytes:
    rng = random.Random(5)
    texts = ("".join(rng.choices("abcdefgh éß\n", k=rng.randint(0, 700))) for _ in range(900))
    return b"".join(orjson.dumps({"text": text}) + b"\n" for text in texts)


RAW = _corpus()


def _decodable(packed: bytes, format: str) -> bytes:
    """All bytes that an incremental decoder of another library gives before the damage."""
    out = b""
    while packed:
        if format == "jsonl.gz":
            decoder = zlib.decompressobj(31)
            out += decoder.decompress(packed)
        else:
            decoder = zstandard.ZstdDecompressor().decompressobj()
            out += decoder.decompress(packed)
        packed = decoder.unused_data
    return out


@pytest.mark.parametrize("format", ["jsonl.gz", "jsonl.zst"])
def test_a_file_cut_off_anywhere(tmp_path, format):
    packed = pack(RAW, format, members=3)
    whole_rows = read_naively(RAW)
    saved = []
    for cut in sorted({*range(0, len(packed), len(packed) // 45), 1, 5, len(packed) - 9, len(packed) - 1}):
        file = write(tmp_path, packed[:cut], format)
        good = _decodable(packed[:cut], format)
        rows = len(read_naively(good[: good.rfind(b"\n") + 1]))
        with pytest.raises(InputError, match=rf"file\.{format}: .*cut off or corrupt after row {rows} "):
            count(file)
        counted = count(file, 20_000, allow_truncated=True)
        assert (counted.rows, counted.truncated) == (rows, True)
        assert count(file, 333, allow_truncated=True).rows == rows
        assert as_rows(read(file, counted, TEXT)) == whole_rows[:rows]
        saved.append(rows)
    assert saved == sorted(saved)
    assert saved[0] == 0
    assert saved[-1] >= 899


@pytest.mark.parametrize("format", ["jsonl.gz", "jsonl.zst"])
@pytest.mark.parametrize("garbage", [b"\0", b"\0" * 600, b"garbage", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"])
def test_garbage_behind_the_stream(tmp_path, format, garbage):
    file = write(tmp_path, pack(RAW, format) + garbage, format)
    with pytest.raises(InputError, match="after row 900"):
        count(file)
    counted = count(file, allow_truncated=True)
    assert (counted.rows, counted.truncated) == (900, True)
    assert as_rows(read(file, counted, TEXT)) == read_naively(RAW)


@pytest.mark.parametrize("format", ["jsonl.gz", "jsonl.zst"])
def test_a_flipped_bit(tmp_path, format):
    packed = bytearray(pack(RAW, format))
    packed[len(packed) // 2] ^= 16
    file = write(tmp_path, bytes(packed), format)
    with pytest.raises(InputError, match="cut off or corrupt"):
        count(file)
    counted = count(file, 5000, allow_truncated=True)
    assert len(as_rows(read(file, counted, TEXT))) == counted.rows


def test_a_partial_last_line_is_dropped_and_one_without_newline_is_not(tmp_path):
    raw = b'{"text":"a"}\n{"text":"b"}\n{"text":"c"}'
    assert count(write(tmp_path, gzip.compress(raw), "jsonl.gz")).rows == 3
    file = write(tmp_path, gzip.compress(raw)[:-3], "jsonl.gz")
    for split_bytes in (1, 13, 100):
        counted = count(file, split_bytes, allow_truncated=True)
        assert [row.text for row in as_rows(read(file, counted, TEXT))] == ["a", "b"]


def test_not_compressed_at_all(tmp_path):
    for format in ("jsonl.gz", "jsonl.zst"):
        with pytest.raises(InputError, match="after row 0 "):
            count(write(tmp_path, RAW, format))


def test_damage_that_was_not_there_when_counted(tmp_path):
    packed = pack(RAW, "jsonl.gz")
    (splits,) = splits_of(count(write(tmp_path, packed, "jsonl.gz")))
    file = write(tmp_path, packed[:-5000], "jsonl.gz")
    with pytest.raises(InputError, match="was not when it was counted"):
        list(read_splits(file.path, file.format, splits, TEXT, etag=file.etag))


def test_a_changed_file_is_noticed(tmp_path):
    file = write(tmp_path, RAW)
    (splits,) = splits_of(count(file))
    path = Path(file.path)

    def attempt() -> None:
        list(read_splits(file.path, file.format, splits, TEXT, etag=file.etag))

    attempt()
    check_unchanged(file.path, file.etag)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    with pytest.raises(InputError, match=r"file\.jsonl: the file changed since it was counted"):
        attempt()
    path.write_bytes(RAW + b"\n")
    with pytest.raises(InputError, match="changed since"):
        attempt()
    path.unlink()
    with pytest.raises(InputError, match=r"file\.jsonl: the file is gone"):
        attempt()


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    class Locked:  # root may read everything, so the file system says no itself
        def __getattr__(self, name):
            def refuse(*args, **kwargs):
                raise PermissionError(13, "Permission denied")

            return getattr(LocalFileSystem(), name) if name == "get_file_info" else refuse

    for format in ("jsonl", "jsonl.gz", "parquet"):
        file = write(tmp_path, b"not empty", format)
        with monkeypatch.context() as patched:
            patched.setattr("curation.sources.find.LocalFileSystem", Locked)
            with pytest.raises(InputError, match=rf"file\.{format}: can't be read: .*Permission denied"):
                count(file)


def _parquet(tmp_path: Path, **options) -> InputFile:
    texts = [orjson.loads(line)["text"] for line in RAW.splitlines()]
    path = tmp_path / "written.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=100, **options)
    return write(tmp_path, path.read_bytes(), "parquet")


def test_a_damaged_parquet_page_names_its_row_group(tmp_path):
    file = _parquet(tmp_path, write_page_checksum=True, use_dictionary=False)
    counted = count(file, 50_000)
    chunk = pq.read_metadata(file.path).row_group(3).column(0)
    raw = bytearray(Path(file.path).read_bytes())
    raw[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    file = write(tmp_path, bytes(raw), "parquet")
    with pytest.raises(InputError, match=r"file\.parquet: row group 3 is corrupt"):
        read(file, counted, TEXT)


def test_no_parquet_file(tmp_path):
    raw = Path(_parquet(tmp_path).path).read_bytes()
    middle = [raw[:-1], raw[: len(raw) // 2], raw[:-6] + b"\xff" + raw[-5:], raw[:-200] + bytes(192) + raw[-8:]]
    cases = [b"", b"PAR1", b"PAR1" * 3, RAW, *middle]
    for case in cases:
        with pytest.raises(InputError, match=r"file\.parquet: not a Parquet file, or cut off or corrupt"):
            count(write(tmp_path, case, "parquet"))
