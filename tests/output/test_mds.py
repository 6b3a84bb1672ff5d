import io
import itertools
import json
import math
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import JobError
from curation.output import mds, values
from tests.output.columns import KEPT, OWN, shard_columns, shard_rows, some_texts

#: struct's code of the encodings of a fixed size.
CODES = {"int": "q", "int16": "h", "int32": "i", "float16": "e", "float32": "f", "float64": "d"}


def written(rows, order, columns=None):
    sink = io.BytesIO()
    mds.write(sink, rows, np.array(order, np.int64), columns or shard_columns())
    return sink.getvalue()


def decoded(data):
    """The configuration and the samples of a shard, one after the other, from the documented layout."""
    (count,) = struct.unpack_from("<I", data)
    offsets = struct.unpack_from(f"<{count + 1}I", data, 4)
    assert offsets[-1] == len(data)
    config = json.loads(data[4 * (count + 2) : offsets[0]])
    columns = list(zip(config["column_names"], config["column_encodings"], config["column_sizes"], strict=True))
    samples = []
    for start, stop in itertools.pairwise(offsets):
        place = start + 4 * sum(size is None for _, _, size in columns)
        sizes = iter(struct.unpack_from(f"<{(place - start) // 4}I", data, start))
        sample = {}
        for name, encoding, size in columns:
            size = next(sizes) if size is None else size
            sample[name] = value(encoding, data[place : place + size])
            place += size
        assert place == stop
        samples.append(sample)
    return config, samples


def value(encoding, data):
    if encoding in CODES:
        return struct.unpack(f"<{CODES[encoding]}", data)[0]
    return {"str": bytes.decode, "bytes": bytes, "json": json.loads}[encoding](data)


def encoded(samples, config):
    """A shard, written sample by sample."""
    bodies = []
    for sample in samples:
        sizes, data = b"", b""
        for name, encoding, size in zip(
            config["column_names"], config["column_encodings"], config["column_sizes"], strict=True
        ):
            if encoding in CODES:
                datum = struct.pack(f"<{CODES[encoding]}", sample[name])
            else:
                datum = {"str": str.encode, "bytes": bytes, "json": lambda it: json.dumps(it).encode()}[encoding](
                    sample[name]
                )
            sizes += struct.pack("<I", len(datum)) if size is None else b""
            data += datum
        bodies.append(sizes + data)
    text = json.dumps(config, sort_keys=True).encode()
    start = 4 * (len(bodies) + 2) + len(text)
    offsets = [start + sum(map(len, bodies[:row])) for row in range(len(bodies) + 1)]
    return struct.pack(f"<{len(offsets) + 1}I", len(bodies), *offsets) + text + b"".join(bodies)


def expected(row):
    """What a reader gets of a row of `shard_rows` besides its text."""
    kept = {}
    for name, (type_, given_values, as_json) in KEPT.items():
        encoding, null = mds.encodings(shard_columns())[name], as_json[row % 3] is None
        if encoding.startswith("float"):
            kept[name] = math.nan if given_values[row % 3] is None else pa.scalar(given_values[row % 3], type_).as_py()
        elif encoding == "bytes":
            kept[name] = given_values[row % 3] or b""
        else:
            kept[name] = "" if null and encoding == "str" else as_json[row % 3]
    own = {"doc_id": 10**10 + row, "cluster": row - 5, "repetition": row % 4, "domain": f'dom "{row % 3}"'}
    return {**own, "id": "" if row % 7 == 0 else f"id\t{row}", **kept}


def same(left, right):
    """Whether two values are equal, or both NaN."""
    return left == right or (left != left and right != right)


def test_samples_are_the_rows_in_the_order_asked_for():
    rows = shard_rows(texts := some_texts(200))
    order = np.random.default_rng(0).integers(200, size=400)
    config, samples = decoded(written(rows, order))
    assert config["column_names"] == sorted(shard_columns().names)
    for sample, row in zip(samples, order.tolist(), strict=True):
        assert sample.pop("text") == texts[row]
        wanted = expected(row)
        assert sample.keys() == wanted.keys()
        assert [name for name in sample if not same(sample[name], wanted[name])] == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8))
def test_the_bytes_are_those_of_a_writer_that_goes_sample_by_sample(texts):
    data = written(shard_rows(texts), range(len(texts)))
    config, samples = decoded(data)
    assert encoded(samples, config) == data


def test_the_configuration_is_that_of_the_official_writer():
    config, _ = decoded(written(shard_rows(["x"]), [0], pa.schema(OWN)))
    assert config == {
        "version": 2,
        "format": "mds",
        "compression": None,
        "hashes": [],
        "size_limit": None,
        "column_names": ["cluster", "doc_id", "domain", "repetition", "text"],
        "column_encodings": ["int32", "int", "str", "int16", "str"],
        "column_sizes": [4, 8, None, 2, None],
    }


def test_encodings_follow_from_the_types_alone():
    kinds = mds.encodings(shard_columns())
    assert kinds["score"] == "float64"
    assert kinds["raw"] == kinds["digest"] == "bytes"
    assert kinds["price"] == kinds["local"] == kinds["id"] == "str"
    assert {kinds[name] for name in ("flag", "byte", "took", "nothing", "nested", "map")} == {"json"}
    assert mds.encodings(pa.schema({**OWN, "sample_weight": pa.int32()}))["sample_weight"] == "int32"


def test_same_rows_same_bytes_however_they_are_gathered(monkeypatch):
    rows, order = shard_rows(some_texts(200)), np.arange(200)[::-1]
    at_once = written(rows, order)
    monkeypatch.setattr(values, "CHUNK_BYTES", 1000)
    assert written(pa.concat_tables([rows.slice(0, 77), rows.slice(77)]), order) == at_once


def test_no_rows_make_a_readable_file():
    assert decoded(written(shard_rows(["x"]), []))[1] == []


def test_a_shard_beyond_what_offsets_can_say_names_the_key_to_lower(monkeypatch):
    rows = shard_rows(["x" * 100] * 10)
    monkeypatch.setattr(mds, "MOST_BYTES", len(written(rows, range(10))) - 1)
    with pytest.raises(JobError, match=r"lower output\.shard_bytes"):
        written(rows, range(10))
    assert len(decoded(written(rows, range(9)))[1]) == 9


def test_the_index_of_a_folder_lists_its_shards():
    text = mds.index([("phase-00-broad/shard-00000.mds", 10, 2000), ("shard-00001.mds", 3, 500)], pa.schema(OWN))
    index = json.loads(text)
    assert text == json.dumps(index, sort_keys=True)
    assert index["version"] == 2
    first, second = index["shards"]
    assert first["raw_data"] == {"basename": "phase-00-broad/shard-00000.mds", "bytes": 2000, "hashes": {}}
    assert (first["samples"], first["zip_data"], second["samples"]) == (10, None, 3)
    config = {key: value for key, value in second.items() if key not in {"samples", "raw_data", "zip_data"}}
    assert config == mds.configuration(pa.schema(OWN))
