"""Verify: reads a run directory back and checks what its files and tables promise to each other.

`files`: every file that a marker names is there with the bytes that were written, and none too many. `splits` and
`schedule`, `shards`, `totals` and `held_out`: the tables' promises, split by split, shard by shard, and between the
sums. `remade`: what is a pure function of committed tables is made once more, and must be the same bytes; `audit`: so
is what the audit measured. `learned`: fitted weights are those that the trials speak for. `record`: the record says
what the tables say, and no line of the chain of decisions is missing or changed. All of it in Ray tasks; the driver
keeps sums only.

Tables are looked at only when the files are whole, since a damaged one would only be noise.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain

import pyarrow as pa

from curation.config import Job
from curation.errors import CurationError, JobError
from curation.progress import Reporter
from curation.stages import ray_cluster
from curation.stages.context import JOB, Fingerprint, Run, Stage
from curation.stages.sources import recheck
from curation.storage.store import DONE, Store
from curation.verify.audit import check_audit
from curation.verify.files import check_files, read_job
from curation.verify.learned import check_learned
from curation.verify.record import check_chain, check_record
from curation.verify.remade import check_remade
from curation.verify.token_caps import check_carriers
from curation.verify.totals import check_tables


def verify(
    store: Store, stages: tuple[Stage, ...], fingerprint_of: Fingerprint, *, sample: float = 1.0, inputs: bool = True
) -> Iterator[str | None]:
    """Every check of a finished run.

    Args:
        store: the run directory.
        stages: the stages in order.
        fingerprint_of: see `Fingerprint`.
        sample: the share of the files that are hashed, of the splits whose vectors are read, of the shards whose text
            is and of the usual number of token ids. Everything else is checked whole.
        inputs: whether the input files must be those that were counted; where the shards are an index of them or token
            files, also whether the texts there are those of the plan or of the ids; and where tokens are capped,
            whether they carry them.

    Yields:
        None for a check that holds, otherwise what is wrong and in which file.

    Raises:
        JobError: this is not a run directory.
    """
    if not store.exists(JOB) and not any(store.exists(f"{stage.name}/{DONE}") for stage in stages):
        raise JobError(f"{store.root}: this is not a run directory")
    try:
        job = read_job(store)
    except (JobError, OSError, UnicodeDecodeError) as error:
        yield f"{JOB}: {error}"
        return
    ray_cluster.start(job.resources)
    whole = True
    for fault in check_files(store, job, stages, fingerprint_of, sample):
        whole = whole and fault is None
        yield fault
    if not whole:
        return
    yield from check_chain(store)
    if inputs:
        yield _inputs(store, job)
    try:
        tables = [check_tables(store, job, sample, inputs), check_remade(store, job)]
        checks = [*tables, check_audit(store, job), check_learned(store, job)]
        for fault in chain(*checks, check_carriers(store, job, sample) if inputs else ()):
            whole = whole and fault is None
            yield fault
        if whole:  # a record of tables that are damaged would only be noise
            yield from check_record(store, job, stages)
    except (CurationError, pa.ArrowException, OSError, LookupError, ValueError, TypeError) as error:
        yield f"the tables do not fit together: {type(error).__name__}: {error}"


def _inputs(store: Store, job: Job) -> str | None:
    try:
        recheck(Run(job, store, Reporter(io.StringIO())))
    except CurationError as error:
        return str(error)
    return None
