"""Makes the page of a finished run anew: for `curation report`, and when a probe has something to add."""

from __future__ import annotations

from curation.job_file import parse_job, parse_yaml
from curation.pipeline import current_markers
from curation.report.page.render import page_html
from curation.stages.context import JOB
from curation.stages.page import PAGE, page_data
from curation.stages.report import SUMMARY
from curation.storage.lock import locked
from curation.storage.store import Store


def page_again(store: Store) -> bytes | None:
    """The page as UTF-8; None where the run has no report for its job file as it is now.

    Raises:
        JobError: the report was made by an older version, which left no tables for a page.
    """
    markers = current_markers(store)
    if markers["report"] is None:
        return None
    job = parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)
    seconds = {name: marker.seconds for name, marker in markers.items() if marker}
    return page_html(page_data(store, job, store.read_json(SUMMARY), seconds)).encode()


def renew_page(store: Store) -> bool:
    """Writes the page into the run directory, locked meanwhile; whether the run has got as far as to have one.

    Raises:
        JobError: as above.
        RunError: another process works on the run directory.
    """
    with locked(store) as held:
        page = page_again(held)
        if page is not None:
            held.write_bytes(PAGE, page)
    return page is not None
