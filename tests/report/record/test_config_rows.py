"""The rows of a job's values: all of them, with defaults and reasons."""

from __future__ import annotations

import pytest

from curation.config import Job
from curation.errors import JobError
from curation.job_file import parse_job
from curation.report.record.config_rows import OF_THE_MACHINE, OF_THE_RECORD, config_rows, machine_rows


def job(**more):
    return parse_job({"run_dir": "r", "sources": [{"domain": "web", "path": "p"}], **more}, "job")


def by_key(rows):
    return {row["key"]: row for row in rows}


def leaves(value, prefix=""):
    """The dotted keys of all values in the dumped job; lists of sections by number."""
    if isinstance(value, dict) and value:
        return {key for name, part in value.items() for key in leaves(part, f"{prefix}{name}.")}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {key for number, part in enumerate(value) for key in leaves(part, f"{prefix}{number}.")}
    return {prefix[:-1]}


def test_every_key_of_the_job_has_a_row():
    asked = job(
        sampling={"exclude": [{"cluster": 3, "reason": "x"}]},
        phases=[{"budget": {"epochs": 0.5}}, {"budget": {"tokens": 5}, "clip": 2}],
        output={"validation": {"fraction": 0.1}},
        cost={"currency": "EUR", "cpu_node": {"price": 1}},
    )
    rows = [*config_rows(asked), *machine_rows(asked)]
    told = {row["key"] for row in rows}
    assert len(told) == len(rows)
    assert told == {key for key in leaves(asked.model_dump(mode="json")) if key.split(".")[0] not in OF_THE_RECORD}
    assert {row["key"].split(".")[0] for row in machine_rows(asked)} == set(OF_THE_MACHINE)
    assert all(row["meaning"] for row in rows)


def test_a_job_of_defaults_has_nothing_changed_but_what_it_must_give():
    changed = {row["key"] for row in config_rows(job()) if row["changed"]}
    assert changed == {"sources.0.domain", "sources.0.path"}


def test_values_and_defaults_are_those_of_the_job():
    rows = by_key(config_rows(job(sampling={"clip": 3, "budget": {"tokens": 7}}, output={"validation": {}})))
    assert (rows["sampling.clip"]["value"], rows["sampling.clip"]["default"]) == (3, 5)
    assert rows["sampling.clip"]["changed"]
    epochs = rows["sampling.budget.epochs"]
    assert (epochs["value"], epochs["default"], epochs["changed"]) == (None, 1.0, True)
    assert rows["output.validation.fraction"]["default"] is None, "by default nothing is held out"
    assert rows["quality.scale"] == rows["quality.scale"] | {
        "value": [0.0, 1.0],
        "default": [0.0, 1.0],
        "changed": False,
    }


def test_reasons_are_those_of_the_key_or_of_its_section():
    asked = job(sampling={"clip": 3, "method": "random"}, reasons={"sampling.clip": "legal", "clustering": "by hand"})
    rows = by_key(config_rows(asked))
    assert (rows["sampling.clip"]["reason"], rows["sampling.clip"]["reason_given"]) == ("legal", True)
    assert rows["clustering.clusters"]["reason"] == "by hand"
    assert rows["sampling.order"]["reason"] == "sampling.method: random sets it"
    assert rows["seed"]["reason"] == rows["seed"]["meaning"] == Job.model_fields["seed"].description


@pytest.mark.parametrize(
    ("reasons", "near"),
    [({"sampling.clp": "x"}, "sampling.clip"), ({"samplin": "x"}, "sampling"), ({"sources.0.licnce": "x"}, "licence")],
)
def test_reasons_for_unknown_keys_name_the_nearest(reasons, near):
    with pytest.raises(JobError, match=near):
        job(reasons=reasons)


def test_an_empty_reason_is_none():
    with pytest.raises(JobError, match="reasons"):
        job(reasons={"seed": ""})
