"""The Croissant file: its structure, its figures, its references, and names from outside. No mlcroissant needed.

`test_croissant_official` has the same files validated and read by mlcroissant itself.
"""

from __future__ import annotations

import fnmatch
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.report.croissant import CONTEXT, croissant, data_type, described, safe_id
from curation.report.facts import TO_SAY
from curation.report.markdown import plain
from tests.report.made import FOLDERS, HOSTILE, SUFFIXES, made

#: What Croissant 1.1 asks of each class beside `@type`, and what it allows more here.
REQUIRED = {
    "sc:Dataset": {"@context", "conformsTo", "name", "description", "license", "creator", "distribution"},
    "cr:FileObject": {"@id", "name", "contentUrl", "contentSize", "encodingFormat", "sha256"},
    "cr:FileSet": {"@id", "name", "encodingFormat", "includes"},
    "cr:RecordSet": {"@id", "name", "field"},
    "cr:Field": {"@id", "name", "dataType", "source"},
    "prov:Entity": {"@id", "prov:label"},
    "prov:Activity": {"@id", "prov:label", "prov:used", "prov:wasAssociatedWith"},
    "prov:SoftwareAgent": {"@id", "prov:label", "version"},
    "sc:Organization": {"name"},
    "sc:PropertyValue": {"name", "sc:value"},
}
DATA_TYPES = {f"sc:{name}" for name in ("Text", "Integer", "Float", "Boolean", "Date", "DateTime", "Time")}


def nodes(value):
    """Every object of the file but the context."""
    if isinstance(value, dict):
        yield value
        for key, part in value.items():
            if key != "@context":
                yield from nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from nodes(part)


def check_structure(found):
    """Raises AssertionError where the file is no Croissant description."""
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert found["@context"] == CONTEXT
    prefixes = {name for name, place in CONTEXT.items() if isinstance(place, str) and place.startswith("http")}
    objects = list(nodes(found))
    typed = [node for node in objects if "@type" in node]
    for node in typed:
        assert REQUIRED[node["@type"]] <= node.keys()
        for key in node:
            prefix, colon, _ = key.partition(":")
            assert not colon or prefix in prefixes
    own = [node["@id"] for node in typed if "@id" in node]
    assert len(set(own)) == len(own)
    assert all(re.fullmatch(r"[A-Za-z0-9_.~/=-]+", name) for name in own)
    references = [node["@id"] for node in objects if node.keys() == {"@id"}]
    assert references
    assert set(references) <= set(own)
    files = [node for node in typed if node["@type"] == "cr:FileObject"]
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{64}", file["sha256"])
        assert re.fullmatch(r"\d+ B", file["contentSize"])
    for field in (node for node in typed if node["@type"] == "cr:Field"):
        assert field["dataType"] in DATA_TYPES
        assert field["source"].keys() <= {"fileSet", "extract", "transform"}
    assert all(node["@id"] in own for node in found["prov:wasDerivedFrom"])


def every(value):
    """A value that stands alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("form", SUFFIXES)
@pytest.mark.parametrize("phases", [False, True])
@pytest.mark.parametrize("validation", [False, True])
def test_the_structure_of_every_format(form, phases, validation):
    found = json.loads(croissant(made(form, phases, validation)))
    check_structure(found)
    assert ("recordSet" in found) == (form != "megatron")


def test_the_shards_are_those_of_the_index():
    facts = made(phases=True, validation=True)
    found = described(facts)
    shards = [*facts.index["shards"], *facts.index["validation"]["shards"]]
    files = [one for one in found["distribution"] if one["@type"] == "cr:FileObject"]
    told = [(file["contentUrl"], file["contentSize"], file["sha256"], file["encodingFormat"]) for file in files]
    kind = "application/x-parquet"
    assert told == [(shard["file"], f"{shard['bytes']} B", shard["sha256"], kind) for shard in shards]


def test_a_file_set_holds_the_shards_of_its_split_and_no_others():
    for phases in (False, True):
        facts = made(phases=phases, validation=True)
        names = [shard["file"] for shard in (*facts.index["shards"], *facts.index["validation"]["shards"])]
        sets = {one["@id"]: every(one["includes"]) for one in described(facts)["distribution"] if "includes" in one}
        held = {
            name: [file for file in names if any(fnmatch.fnmatch(file, glob) for glob in globs)]
            for name, globs in sets.items()
        }
        assert held == {"train-shards": names[:3], "validation-shards": names[3:]}


def test_media_types_follow_the_suffix():
    kinds = {}
    for suffix in (".jsonl", ".jsonl.gz", ".jsonl.zst", ".mds", ".other"):
        kinds[suffix] = described(made("jsonl", suffix=suffix))["distribution"][0]["encodingFormat"]
    assert kinds[".jsonl"] == "application/jsonlines"
    assert kinds[".jsonl.gz"] == ["application/jsonlines", "application/gzip"]
    assert kinds[".jsonl.zst"] == ["application/jsonlines", "application/zstd"]
    assert kinds[".mds"].startswith("https://")
    assert kinds[".other"] == "application/octet-stream"


def test_a_field_a_column():
    columns = {"when": "timestamp[us]", "tags": "list<item: string>", "more": "struct<a: int64>", "a b": "bool"}
    [records] = described(made(columns=columns))["recordSet"]
    told = {field["name"]: (field["@id"], field["dataType"], field["source"]["extract"]) for field in records["field"]}
    assert told["text"] == ("train/text", "sc:Text", {"column": "text"})
    assert told["doc_id"][1] == "sc:Integer"
    assert told["when"][1] == "sc:DateTime"
    assert told["a b"] == ("train/a=20b", "sc:Boolean", {"column": "a b"})
    assert "more" not in told
    assert "more (struct<a: int64>)" in records["description"]
    tags = next(field for field in records["field"] if field["name"] == "tags")
    assert (tags["isArray"], tags["arrayShape"]) == (True, "-1")


def test_the_fields_of_lines():
    [records] = described(made("jsonl", columns={"a-b": "int32"}))["recordSet"]
    told = {field["name"]: field["source"] for field in records["field"]}
    assert list(told) == ["id", "text", "source", "doc_id", "cluster", "repetition", "a-b"]
    assert told["source"]["extract"] == {"column": "source"}
    assert told["cluster"]["extract"] == {"column": "metadata"}
    assert told["cluster"]["transform"] == {"jsonPath": "$.cluster"}
    assert told["a-b"]["transform"] == {"jsonPath": '$["a-b"]'}


@pytest.mark.parametrize(
    ("arrow", "wanted"),
    [
        ("large_string", "sc:Text"),
        ("fixed_size_binary[16]", "sc:Text"),
        ("dictionary<values=string, indices=int32, ordered=0>", "sc:Text"),
        ("uint8", "sc:Integer"),
        ("halffloat", "sc:Float"),
        ("decimal128(10, 2)", "sc:Float"),
        ("date32[day]", "sc:Date"),
        ("time64[us]", "sc:Time"),
        ("timestamp[us, tz=UTC]", "sc:DateTime"),
    ],
)
def test_data_types(arrow, wanted):
    assert data_type(arrow) == {"dataType": wanted}


@pytest.mark.parametrize(
    "arrow", ["struct<a: int64>", "map<string, int64>", "list<item: list<item: int8>>", "month_interval"]
)
def test_what_croissant_has_no_name_for(arrow):
    assert data_type(arrow) is None


def test_provenance_is_the_sources_and_the_run():
    facts = made(declared=({"origin": "crawl", "home": "https://example.org/data"}, {}))
    found = described(facts)
    first, second = found["prov:wasDerivedFrom"]
    assert first["prov:label"] == "web"
    assert first["license"] == "ODC-By-1.0"
    assert first["url"] == "https://example.org/data"
    assert [(one["name"], one["sc:value"]) for one in first["additionalProperty"]] == [
        ("home", "https://example.org/data"),
        ("origin", "crawl"),
    ]
    assert first["description"] == "515 documents, 5,000 bytes in 2 files"
    assert "license" not in second
    activity = found["prov:wasGeneratedBy"]
    assert [one["@id"] for one in activity["prov:used"]] == ["source-0", "source-1", "encoder"]
    assert activity["prov:used"][-1]["sha256"] == "e" * 64
    assert activity["prov:wasAssociatedWith"]["version"] == "1.2.3"
    assert "5" * 64 in activity["description"]


def test_what_the_run_knows_and_what_a_person_must_say():
    found = described(made(reason="cookie banners"))
    steps = found["rai:dataPreprocessingProtocol"]
    assert [step.partition(".")[0] for step in steps] == [str(number) for number in range(1, len(steps) + 1)]
    assert "27 exact copies" in " ".join(steps)
    assert any("11 documents with 110 tokens, because: cookie banners" in one for one in found["rai:dataLimitations"])
    assert found["rai:dataCollectionMissingData"] == "3 of 1,030 documents rejected"
    assert found["license"] == ["ODC-By-1.0"]
    assert described(made(licences=(None, None)))["license"] == [TO_SAY]
    for key in ("rai:dataUseCases", "rai:dataSocialImpact", "rai:dataCollection", "rai:dataReleaseMaintenancePlan"):
        assert found[key] == TO_SAY
    assert (
        not {"url", "datePublished", "version", "citeAs"} & found.keys()
    )  # a person's, and no text may stand for them


def check_stays_text(name):
    facts = made(
        domains=(name, name + "2"),
        licences=(name, None),
        declared=({name: name}, {}),
        strategy="proportional",
        reason=name,
        model=name,
        columns={name: "string"},
    )
    text = croissant(facts)
    assert "<" not in text
    found = json.loads(text)
    check_structure(found)
    assert found["prov:wasDerivedFrom"][0]["prov:label"] == plain(name)
    assert found["license"] == [plain(name)]
    assert [field["name"] for field in found["recordSet"][0]["field"]][-1] == name
    assert found.keys() | {"inLanguage"} == described(made()).keys()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_means_something_stays_text(name):
    check_stays_text(name)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=12).filter(lambda name: name.strip() and name not in made().index["columns"]))
def test_any_name_stays_text(name):
    check_stays_text(name)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=6), st.text(max_size=6))
def test_two_names_never_share_an_id(one, other):
    assert (safe_id(one) == safe_id(other)) == (one == other)


def test_the_same_facts_give_the_same_bytes():
    assert croissant(made(phases=True)) == croissant(made(phases=True))
    assert FOLDERS[0] in croissant(made(phases=True))
