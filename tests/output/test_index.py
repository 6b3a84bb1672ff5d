import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import tables
from curation.config import Source
from curation.output import index


def rows(count, files=3, weights=False):
    """Rows as the first pass gives them: paths are plain strings."""
    number = np.arange(count)
    json_lines = number % files > 0
    columns = {
        "doc_id": number * 7,
        "path": pa.array([f"/data/part-{i % files}" for i in range(count)]),
        "row": number // files,
        "start": pa.array(number * 100, mask=~json_lines),
        "bytes": pa.array(number % 90, mask=~json_lines),
        "domain": ["web", "books"] * (count // 2) + ["web"] * (count % 2),
        "cluster": (number % 60).astype(np.int32),
        "repetition": (number % 4).astype(np.int16),
        "position": number + 1000,
        "text": ["not written"] * count,
    }
    return pa.table(columns | ({"sample_weight": (number % 5).astype(np.int32)} if weights else {}))


def written(table, order, weights=False):
    sink = io.BytesIO()
    index.write(sink, table, np.array(order, np.int64), index.schema(weights))
    return sink.getvalue()


@pytest.mark.parametrize("weights", [False, True])
def test_a_shard_holds_the_places_in_order_and_no_text(weights):
    table = rows(500, weights=weights)
    order = np.random.default_rng(0).permutation(500)[:400]
    found = pq.read_table(io.BytesIO(written(table, order, weights)))
    assert found.schema.equals(index.schema(weights))
    assert found.to_pylist() == table.take(pa.array(order)).select(found.column_names).to_pylist()


def test_row_groups_hold_only_the_paths_of_their_own_rows(monkeypatch):
    monkeypatch.setattr(index, "ROW_GROUP", 100)
    table = rows(250, files=200)
    ready = table.set_column(1, "path", table["path"].dictionary_encode())
    for given in (table, ready):
        file = pq.ParquetFile(io.BytesIO(written(given, range(250))))
        assert [file.metadata.row_group(number).num_rows for number in range(3)] == [100, 100, 50]
        groups = [file.read_row_group(number) for number in range(3)]
        assert [len(group["path"].chunk(0).dictionary) for group in groups] == [100, 100, 50]
        assert pa.concat_tables(groups)["path"].to_pylist() == table["path"].to_pylist()


def test_readers_can_skip_by_position_and_spend_few_bytes_a_draw():
    shard = written(rows(30_000), np.random.default_rng(1).permutation(30_000))
    footer = pq.ParquetFile(io.BytesIO(shard)).metadata
    assert footer.num_row_groups == -(-30_000 // index.ROW_GROUP)
    columns = [footer.row_group(0).column(number) for number in range(footer.num_columns)]
    assert [column.path_in_schema for column in columns if column.statistics] == ["position"]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert len(shard) < 15 * 30_000


def test_same_rows_same_bytes_whatever_the_type_of_the_path():
    table = rows(300)
    ready = table.set_column(1, "path", table["path"].dictionary_encode())
    assert written(table, range(299, -1, -1)) == written(ready, range(299, -1, -1))


def test_no_rows_make_a_readable_file():
    found = pq.read_table(io.BytesIO(written(rows(5), [])))
    assert found.num_rows == 0
    assert found.schema.equals(index.schema())


def test_the_table_of_files_says_how_to_read_them():
    found = [("/a.parquet", "parquet", 0), ("s3://b/c.jsonl", "jsonl", 1), ("/d.jsonl", "jsonl", 1)]
    sources = pa.Table.from_pylist(
        [
            {"file_id": number, "path": path, "format": format, "source": source, "bytes": 5, "etag": f"5-{number}"}
            for number, (path, format, source) in enumerate(found)
        ],
        tables.SOURCES,
    )
    declared = [
        Source(domain="a", path="/a.parquet", keep_columns=["date", "tags"]),
        Source(domain="b", path="s3://b", text_column="content", id_column="url"),
    ]
    carried = {"id": pa.string(), "date": pa.timestamp("us", "UTC"), "tags": pa.list_(pa.float16())}
    sink = io.BytesIO()
    pq.write_table(index.files_table(sources, declared, carried), sink)
    table = pq.read_table(io.BytesIO(sink.getvalue()))
    assert index.carried_columns(table) == carried
    assert table.to_pylist() == [
        {"path": "/a.parquet", "format": "parquet", "bytes": 5, "etag": "5-0"}
        | {"text_column": "text", "id_column": None, "keep_columns": ["date", "tags"]},
        {"path": "s3://b/c.jsonl", "format": "jsonl", "bytes": 5, "etag": "5-1"}
        | {"text_column": "content", "id_column": "url", "keep_columns": []},
        {"path": "/d.jsonl", "format": "jsonl", "bytes": 5, "etag": "5-2"}
        | {"text_column": "content", "id_column": "url", "keep_columns": []},
    ]
