"""Cards: the dataset card and the Croissant file beside the shards, from what the run knows of itself.

Part of the stage `report`. What is theirs alone is gathered here: a row a source from the table of the input files, the
encoder, and the *recipe*, the job without what does not decide the shards. Nothing of this machine goes into them: no
path but its last part, no time, no version of a library.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

import curation
from curation.config import Job
from curation.report.card import dataset_card
from curation.report.croissant import croissant
from curation.report.facts import Facts
from curation.stages.encoder import load_spec
from curation.stages.shards import INDEX
from curation.stages.sources import SOURCES
from curation.storage.store import Part, Store, fingerprint
from curation.storage.uris import split_uri

CARD, CROISSANT = "shards/README.md", "shards/croissant.json"

#: Raise it when the cards of the same run come out otherwise: reports that are done are then done again.
CARDS_VERSION = 2

#: Keys of the job file that are paths, or may be.
_PATHS = ("path", "model", "tokenizer")
#: What does not decide the shards: where files lie, how work is cut and spread, and what is said for the record.
_NO_RECIPE: Any = {
    "run_dir": True,
    "split_bytes": True,
    "resources": True,
    "cost": True,
    "record": True,
    "reasons": True,
    "embedding": {"batch_tokens"},
    "sources": {"__all__": {"licence", "facts"}},
}


def write_cards(store: Store, job: Job, summary: dict[str, Any]) -> list[Part]:
    """Commits both files."""
    facts = facts_of(store, job, summary)
    store.remove(store.list("shards", temporary=True))  # what a run that was killed right here left
    texts = {CARD: dataset_card(facts), CROISSANT: croissant(facts)}
    return [store.write_bytes(name, text.encode()) for name, text in texts.items()]


def facts_of(store: Store, job: Job, summary: dict[str, Any]) -> Facts:
    """What the cards are made of."""
    recipe = recipe_of(job)
    spec = load_spec(store)
    encoder = {name: getattr(spec, name) for name in ("kind", "dimensions", "precision", "weights_sha256")}
    return Facts(
        index=store.read_json(INDEX),
        summary=summary,
        sources=source_rows(job, store.read_table(SOURCES)),
        recipe=recipe,
        recipe_sha256=fingerprint(recipe),
        encoder=encoder | {"name": recipe["embedding"]["model"]},
        version=curation.__version__,
    )


def source_rows(job: Job, files: pa.Table) -> list[dict[str, Any]]:
    """A row a source of the job file: what it declares, and how many files, bytes and documents it has."""
    columns = ("source", "bytes", "rows")
    sums = files.select(columns).group_by("source").aggregate([("source", "count"), ("bytes", "sum"), ("rows", "sum")])
    found = {row.pop("source"): row for row in sums.to_pylist()}
    return [
        {
            "domain": source.domain,
            "licence": source.licence,
            "facts": source.facts,
            "files": found[index]["source_count"],
            "bytes": found[index]["bytes_sum"],
            "documents": found[index]["rows_sum"],
        }
        for index, source in enumerate(job.sources)
    ]


def recipe_of(job: Job) -> dict[str, Any]:
    """The job as it decides the shards, JSON-able; of paths only the last part, as the files may lie anywhere."""
    recipe: dict[str, Any] = _without_folders(job.model_dump(mode="json", exclude=_NO_RECIPE))
    if job.given_vectors:
        recipe["embedding"]["model"] = "given vectors"
    if not job.capped_tokens:
        for section in (recipe["sampling"], *recipe["phases"]):
            del section["token_caps"]
    return recipe


def _without_folders(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _without_folders(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_folders(part, key) for part in value]
    return last_part(value) if key in _PATHS and isinstance(value, str) else value


def last_part(path: str) -> str:
    """The name of a file or folder; a model's name on a hub, `owner/name`, is none and stays.

    Example:
        >>> last_part("s3://bucket/corpus/web/"), last_part("sentence-transformers/all-MiniLM-L6-v2")
        ('web', 'sentence-transformers/all-MiniLM-L6-v2')
    """
    uri = split_uri(path)
    if uri is None and path.count("/") == 1 and path[0] not in "/.~" and path[-1] != "/":
        return path
    return PurePosixPath(uri.plain if uri else path).name or path
