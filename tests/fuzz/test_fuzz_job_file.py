"""Fuzzes the job file: what is read is a job, or refused with a JobError, and a job survives being written out."""

from __future__ import annotations

import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from curation.config import Job
from curation.errors import JobError
from curation.job_file import dump_job, load_job, parse_job, parse_yaml
from tests.fuzz.damage import OPERATIONS, QUICK, RELAXED, SECONDS, damaged, run_for

VALID = b"""run_dir: runs/mix
seed: 3
sources:
  - {domain: web, path: data/web/*.parquet, text_column: text, id_column: url, keep_columns: [year], weight: 2.5}
  - domain: books
    path: [a.jsonl.gz, "b c.jsonl.zst"]
    clip: 3
    facts: {contact: "someone", period: '1990'}
rows: {on_bad: reject, max_rejected: 1.0e-3}
embedding: {model: lexical, dimensions: 16, max_tokens: 0x100}
clustering: {clusters: [200, 10], tolerance: 1.0e-4, fit_rows: all}
sampling:
  budget: {epochs: 1.5}
  clip: 5
  exclude: [{cluster: 17, reason: banners}]
quality: {expression: "0.7*edu + min(votes, 100)/100", scale: [0, 5]}
phases:
  - {name: broad, budget: {tokens: 2_000_000}, weights: {books: 3, web: 1}}
blending: {weights: quality, bounds: {floor: 0.1, cap: 10}}
"""

_KEYS = sorted({key for section in Job.model_json_schema()["$defs"].values() for key in section.get("properties", {})})
_SNIPPETS = [
    *(b"!!int ''", b"!!bool x", b"!!timestamp y", b"!!float z", b"!!binary =", b"!!set {a, b}", b"!!omap [a: 1]"),
    *(b"&a [*a]", b"*a", b"<<: {seed: 1}", b"? [a]\n: b", b".nan", b"-.inf", b"1e400", b"1.0e+999", b"9" * 60),
    *(b"~", b"true", b"2024-01-01", b"'\\ud800'", b'"\\ud800"', b'"\\0"', b'"\\U0011ffff"', b"0o777", b"1:59:59.5"),
    *(b"!!python/object/apply:os.getcwd []", b"---\n", b"%YAML 3.0\n---\n", b"[" * 30, b"{a: " * 30, b"\t", b"\r\n"),
]
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["auto", "all", "lexical", "none", "quality", "curriculum", "random", "dolma3", "uniform", "x+1"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(_KEYS), st.text(string.printable, max_size=4)), inner, max_size=4),
    ),
    max_leaves=12,
)


def _dotted(schema: dict, node: dict, before: str) -> list[str]:
    """Every key of a job file, dotted, with 0 for the items of lists."""
    found = []
    for name, field in node.get("properties", {}).items():
        found.append(before + name)
        inner = [field, *field.get("anyOf", []), field.get("items", {})]
        for reference in (one["$ref"] for one in inner if "$ref" in one):
            item = "0." if "items" in field else ""
            section = schema["$defs"][reference.rsplit("/", 1)[-1]]
            found += _dotted(schema, section, f"{before}{name}.{item}")
    return found


_SCHEMA = Job.model_json_schema()
_PATHS = st.sampled_from([*_dotted(_SCHEMA, _SCHEMA, ""), "sources.1.clip", "sources.9.weight", "phases.0.weights.web"])


def check_text(raw: bytes, folder) -> None:
    """A job or a JobError, whatever the bytes are."""
    path = folder / "job.yaml"
    path.write_bytes(raw)
    try:
        job = load_job(str(path))
    except JobError as error:
        str(error).encode()
        return
    check_round_trip(job)


def check_round_trip(job: Job) -> None:
    again = parse_job(parse_yaml(dump_job(job), "again"), "again")
    assert again == job
    assert dump_job(again) == dump_job(job)


@given(operations=OPERATIONS, snippets=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(_SNIPPETS)), max_size=3))
@RELAXED
def mutated_text(folder, operations, snippets):
    raw = damaged(VALID, operations) if len(snippets) < 3 else VALID
    for place, snippet in snippets:
        after = [i + 2 for i in range(len(raw)) if raw[i : i + 2] in (b": ", b"- ", b", ")] or [0]
        at = after[int(place * (len(after) - 1))]
        stop = min((i for i in range(at, len(raw)) if raw[i] in b"\n,}]"), default=len(raw))
        raw = raw[:at] + snippet + raw[stop:]
    check_text(raw, folder)


@given(changes=st.lists(st.tuples(_PATHS, _VALUES), min_size=1, max_size=4), override=st.booleans())
@RELAXED
def shaped_trees(folder, changes, override):
    """Values of any type at keys that exist, in a file or by `--set`."""
    tree = yaml.safe_load(VALID)
    overrides = []
    for key, value in changes:
        if override:
            text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
            overrides.append(f"{key}={text}")
            continue
        node = tree
        *parents, last = (int(part) if part.isdigit() else part for part in key.split("."))
        for part in parents:
            if isinstance(node, dict) and part not in node:
                node[part] = {}
            if not node or not isinstance(node, list if isinstance(part, int) else dict):
                break
            node = node[part if isinstance(node, dict) else part % len(node)]
        if isinstance(node, dict):
            node[last] = value
    path = folder / "tree.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        job = load_job(str(path), overrides)
    except JobError as error:
        str(error).encode()
        return
    check_round_trip(job)


@pytest.mark.parametrize("check", [mutated_text, shaped_trees], ids=lambda check: check.__name__)
def test_any_job_file_is_a_job_or_a_job_error(check, tmp_path):
    check(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("check", [mutated_text, shaped_trees], ids=lambda check: check.__name__)
def test_job_files_for_a_while(check, tmp_path):
    rounds = run_for(SECONDS / 2, check, tmp_path)
    print(f"{check.__name__}: {rounds * QUICK:,} job files")
    assert rounds
