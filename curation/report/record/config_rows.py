"""Every value of a job as a row: its key, its default, whether it differs, why, and what the key means.

A key is written as `--set` has it. Why a value is what it is says the job file's `reasons`, under the key or under a
section that it is in; else the method that set it, else what the key means.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from curation.config import Job
from curation.config.plan import METHODS

#: Sections that change nothing in the result: where the run lies and on what it runs.
OF_THE_MACHINE = ("run_dir", "resources", "cost")
#: Keys that are about the record itself.
OF_THE_RECORD = ("record", "reasons")


def config_rows(job: Job) -> list[dict[str, Any]]:
    """A row a value of the job that has a say in the result, in the order of the job file."""
    rows = _rows(job, job.reasons, (*OF_THE_MACHINE, *OF_THE_RECORD))
    by_method = _set_by_method(job)
    for row in rows:
        if row["changed"] and not row["reason_given"] and row["key"] in by_method:
            row["reason"] = f"sampling.method: {job.sampling.method} sets it"
    return rows


def machine_rows(job: Job) -> list[dict[str, Any]]:
    """The same of the keys that change nothing in the result."""
    return _rows(job, job.reasons, tuple(set(Job.model_fields) - set(OF_THE_MACHINE)))


def _rows(job: Job, reasons: dict[str, str], without: tuple[str, ...]) -> list[dict[str, Any]]:
    rows = []
    for key, value, default, meaning in _values(job, type(job), "", without):
        given = _reason(key, reasons)
        row = {"key": key, "value": value, "default": default, "changed": value != default}
        rows.append(row | {"reason": given or meaning, "reason_given": given is not None, "meaning": meaning})
    return rows


def _values(value: BaseModel, defaults: Any, prefix: str, without: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """(key, value, default, meaning) of each value below a section.

    `defaults` is a section that has them, the class of the section, or None where by default there is no such section.
    """
    found: list[tuple[Any, ...]] = []
    dumped = value.model_dump(mode="json")
    for name, field in type(value).model_fields.items():
        if name in without:
            continue
        own, default = getattr(value, name), _default(defaults, name)
        key, meaning = f"{prefix}{name}", " ".join(str(field.description or "").split())
        if isinstance(own, BaseModel):
            found += _values(own, default if isinstance(default, BaseModel) else None, f"{key}.")
        elif isinstance(own, list) and own and isinstance(own[0], BaseModel):
            for number, item in enumerate(own):
                found += _values(item, type(item), f"{key}.{number}.")
        else:
            found.append((key, dumped[name], _plain(default), meaning))
    return found


def _default(defaults: Any, name: str) -> Any:
    """The default of a key; None where it has none."""
    if isinstance(defaults, BaseModel):
        return getattr(defaults, name)
    if defaults is None:
        return None
    default = defaults.model_fields[name].get_default(call_default_factory=True)
    return None if default is PydanticUndefined else default


def _plain(default: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json")
    return list(default) if isinstance(default, tuple) else default


def _reason(key: str, reasons: dict[str, str]) -> str | None:
    """The reason that the job file gives for a key, or for the nearest section that it is in."""
    while key:
        if key in reasons:
            return reasons[key]
        key = key.rpartition(".")[0]
    return None


def _set_by_method(job: Job) -> set[str]:
    """The keys that have the value that `sampling.method` stands for."""
    found = set()
    for section, values in METHODS[job.sampling.method].items():
        found |= {
            f"{section}.{name}" for name, value in values.items() if getattr(getattr(job, section), name) == value
        }
    return found
