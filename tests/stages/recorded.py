"""A run whose record has something of everything, and how its files are read."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq

from curation.stages.record import RECORD

#: What the run is given on the command line.
AGAIN = ("output.validation.fraction=0.1", "sources.0.licence=ODC-By-1.0")
REASON = "boilerplate | <b>of</b> `shops`"
MORE = f"""
quality: {{column: score, scale: [0, 5]}}
sampling: {{clip: 3, budget: {{epochs: 1.2}}, exclude: [{{cluster: 2, domain: web, reason: "{REASON}"}}]}}
rows: {{max_rejected: 0.1}}
reasons: {{sampling.clip: "three is what we could defend", clustering: "by hand"}}
"""


def record_of(run_dir):
    return json.loads((run_dir / RECORD).read_text())


def chain_of(run_dir):
    return (run_dir / "record/decisions.jsonl").read_text()


def table(run_dir, folder):
    """All rows of a table that has a part a split."""
    files = sorted((run_dir / folder).glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files], promote_options="permissive").to_pylist()


def copied(run_dir, tmp_path):
    target = tmp_path / "run"
    shutil.copytree(run_dir, target)
    return target
