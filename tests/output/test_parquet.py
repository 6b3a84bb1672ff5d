import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.output import parquet
from curation.output.columns import shard_columns


def rows(count):
    return pa.table(
        {
            "text": pa.array([f"text {i} é" for i in range(count)], pa.large_string()),
            "doc_id": np.arange(count),
            "domain": ["web"] * count,
            "cluster": np.zeros(count, np.int32),
            "repetition": np.zeros(count, np.int16),
            "id": pa.array([None if i % 7 == 0 else str(i) for i in range(count)]),
            "date": pa.array(np.arange(count, dtype=np.int32)).cast(pa.date32()),
            "position": np.arange(count),
        }
    )


def written(table, order):
    sink = io.BytesIO()
    parquet.write(sink, table, np.array(order, np.int64), shard_columns({"id": pa.string(), "date": pa.date32()}))
    return sink.getvalue()


def test_rows_come_in_the_order_asked_for_in_row_groups_of_1024():
    order = np.random.default_rng(0).permutation(3000)[:2500]
    file = pq.ParquetFile(io.BytesIO(written(rows(3000), order)))
    table = file.read()
    assert table.column_names == ["text", "doc_id", "domain", "cluster", "repetition", "id", "date"]
    assert table["doc_id"].to_pylist() == order.tolist()
    assert table["text"].to_pylist() == [f"text {i} é" for i in order]
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [1024, 1024, 452]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_same_rows_same_bytes():
    assert written(rows(100), range(100)) == written(rows(100), range(100))


def test_no_rows_make_a_readable_file():
    assert pq.read_table(io.BytesIO(written(rows(5), []))).num_rows == 0


def test_row_groups_never_hold_more_text_than_a_string_column_can(monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 100)
    sizes = np.array([60, 60, 60, 10, 10, 500, 1])
    groups = parquet.row_groups(sizes)
    assert [row for low, high in groups for row in range(low, high)] == list(range(7))
    for low, high in groups:
        assert high - low == 1 or sizes[low : high - 1].sum() <= 100 + 60
