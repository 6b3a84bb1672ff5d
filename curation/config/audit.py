"""The job file's keys of what is measured of the corpus besides what a run needs anyway.

The docstring under a key is its description in `curation schema`.
"""

from __future__ import annotations

from curation.config.section import Section


class Audit(Section):
    """What is measured for the report; no shard hangs on it. `curation audit` measures all, whatever stands here."""

    languages: bool = True
    """The language of each document of the sample whose beginnings are kept."""
    near_duplicates: bool = False
    """Groups of documents that say nearly the same, by MinHash of all texts. Nothing is dropped."""
    salience: bool = False
    """Words and names in far more documents than general text would have them in, wherever in the corpus one looks."""
