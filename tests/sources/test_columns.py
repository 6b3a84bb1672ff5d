"""The types of carried columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curation.config import Source
from curation.errors import JobError
from curation.sources.columns import carried_schema, conform


def sources(*keeps: list[str], ids: tuple[str | None, ...] = ()) -> list[Source]:
    named = dict(enumerate(ids))
    return [Source(domain="d", path="x", keep_columns=keep, id_column=named.get(i)) for i, keep in enumerate(keeps)]


def schema(**types: pa.DataType) -> pa.Schema:
    return pa.schema(list(types.items()))


def test_the_type_stays_where_all_files_agree():
    files = [(0, schema(day=pa.date32(), n=pa.int8())), (1, schema(n=pa.int8())), (2, None)]
    carried = carried_schema(sources(["day", "n"], ["n"], []), files)
    assert carried == {"day": pa.date32(), "n": pa.int8()}


def test_else_it_is_a_string():
    assert carried_schema(sources(["n"], ["n"]), [(0, schema(n=pa.int8())), (1, None)]) == {"n": pa.string()}
    files = [(0, schema(n=pa.int8())), (0, schema(n=pa.int64()))]
    assert carried_schema(sources(["n"]), files) == {"n": pa.string()}
    assert carried_schema(sources(["n"]), [(0, None)]) == {"n": pa.string()}


def test_encodings_and_columns_of_nulls_agree_with_all():
    encoded = pa.dictionary(pa.int8(), pa.string())
    files = [(0, schema(k=encoded)), (0, schema(k=pa.string_view())), (0, schema(k=pa.null()))]
    assert carried_schema(sources(["k"]), files) == {"k": pa.string()}
    assert carried_schema(sources(["k"]), [(0, schema(k=pa.null()))]) == {"k": pa.string()}
    assert carried_schema(sources(["k"]), [(0, schema(k=pa.null())), (0, schema(k=pa.int8()))]) == {"k": pa.int8()}


def test_ids_are_strings_and_there_if_any_source_has_them():
    files = [(0, schema(u=pa.int64())), (1, schema())]
    assert carried_schema(sources([], [], ids=("u",)), files) == {"id": pa.string()}
    assert carried_schema(sources([], []), files) == {}


def test_a_nested_type_can_not_become_a_string():
    nested = pa.list_(pa.string())
    assert carried_schema(sources(["t"]), [(0, schema(t=nested))]) == {"t": nested}
    with pytest.raises(JobError, match=r"sources\.1\.keep_columns: 't' is of type list"):
        carried_schema(sources(["t"], ["t"]), [(0, None), (1, schema(t=nested))])


def test_conform_casts_and_fills():
    table = pa.table({"text": ["a"], "n": pa.array([5], pa.int8()), "b": [b"\xff"], "quality": [0.5]})
    carried = {"id": pa.string(), "b": pa.string(), "day": pa.date32(), "n": pa.string()}
    result = conform(table, carried)
    assert result.to_pylist() == [{"text": "a", "quality": 0.5, "id": None, "b": "\ufffd", "day": None, "n": "5"}]
    assert result.schema.field("day").type == pa.date32()
    assert conform(result, carried).equals(result)
    assert conform(table.slice(0, 0), carried).schema == result.schema
    assert conform(pa.table({"n": pa.nulls(2)}), {"n": pa.int8()}).schema.field("n").type == pa.int8()
