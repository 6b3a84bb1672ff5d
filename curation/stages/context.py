"""What a stage is, and what it gets to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from curation.config import Job
from curation.progress import Reporter
from curation.storage.store import Made, Marker, Part, Store

#: The run directory's copy of the job file.
JOB = "job.yaml"


@dataclass(frozen=True)
class Run:
    """A job on its run directory, as the driver sees it."""

    job: Job
    store: Store
    reporter: Reporter


@dataclass(frozen=True)
class Result:
    """What a stage made: its files and what it counted. The same inputs give the same result, so no times in it."""

    parts: list[Part]
    stats: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline.

    Attributes:
        name: also the folder that holds its marker.
        folders: every folder that it writes into and that is its alone.
        after: the stages whose files it reads. "documents.texts": only what that stage counted under this name
            matters, so that the stage need not be done again when the rest of those files changes.
        settings: the part of the job that its result depends on, JSON-able.
        work: does what is not done yet and returns everything that is there at the end.
        recheck: looks, when the stage is done, whether what it read from outside the run is still the same.
        precheck: looks, before any stage works and where this one never was done, whether what it will need from
            outside is there.
        outdated: whether, when the stage is done, what it read from outside has changed so that it is to be done again.
        guests: files that lie in a folder without being of the stage whose folder it is: it writes them into that of
            another one, or, if its marker does not name them, nobody promises their bytes.
    """

    name: str
    folders: tuple[str, ...]
    after: tuple[str, ...]
    settings: Callable[[Job], Any]
    work: Callable[[Run], Result]
    recheck: Callable[[Run], None] | None = None
    precheck: Callable[[Run], None] | None = None
    outdated: Callable[[Run], bool] | None = None
    guests: tuple[str, ...] = ()


#: Computes the fingerprint of a stage from the job and what the stages before it made.
Fingerprint = Callable[[Stage, Job, Mapping[str, Made | Marker]], str]
