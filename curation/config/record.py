"""The keys of the record: where the answers are that only people can give."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from curation.config.section import PRINTABLE, Section


class Record(Section):
    """The record of the run, `record/curation_record.json`."""

    answers: Annotated[str, Field(min_length=1, max_length=4096, pattern=PRINTABLE)] | None = None
    """YAML file with what only people can say: purpose, legal basis, personal data and the like. `curation record
    RUN_DIR --questions` prints what is asked. None: it stands as TO BE PROVIDED."""
