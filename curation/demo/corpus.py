"""Writes the demo's corpus: a folder a domain, in the formats that real corpora come in, and a manifest.

It is built in a folder beside and renamed, and the manifest, with the SHA-256 of every file, is written last: a
corpus that is there is whole, one that was damaged is noticed and built again. No file holds a time or a path of
the machine, so the same installation writes the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curation.demo.domains import DOMAINS, Document, Domain, domain_documents
from curation.errors import RunError

VERSION = 1
"""Version of the recipe: raise it when the code changes the corpus, and an older one is built again."""
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class DemoCorpus:
    """A corpus that is there, whole.

    Attributes:
        folder: one folder a domain, and the manifest.
        documents: documents of each domain.
        bytes: UTF-8 bytes of text of each domain.
    """

    folder: Path
    documents: dict[str, int]
    bytes: dict[str, int]


_ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "jsonl": bytes,
    "jsonl.gz": lambda data: gzip.compress(data, mtime=0),  # no time: the same bytes tomorrow
    "jsonl.zst": lambda data: bytes(pa.Codec("zstd").compress(data, asbytes=True)),
}
_ROWS_A_FILE, _ROWS_A_GROUP = 1000, 500


def _write(domain: Domain, documents: list[Document], folder: Path) -> None:
    """Writes a domain's files."""
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = [
        {"text": d.text, "id": d.id, "package": d.package, "word_share": word_share(d.text)} for d in documents
    ]
    if domain.format == "parquet":
        for number, start in enumerate(range(0, len(rows), _ROWS_A_FILE)):
            table = pa.Table.from_pylist(rows[start : start + _ROWS_A_FILE])
            pq.write_table(table, folder / f"part-{number:03d}.parquet", row_group_size=_ROWS_A_GROUP)
    else:
        lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        (folder / f"part-000.{domain.format}").write_bytes(_ENCODE[domain.format](lines))


def build_corpus(folder: Path) -> DemoCorpus:
    """Builds the demo's corpus in `folder`, or does nothing if it is there already, whole.

    Columns: text, id (`stdlib/json/decoder.py#JSONDecoder.decode`), package, `word_share` (see there).

    Args:
        folder: made where it is missing. It may hold an incomplete corpus, which is replaced, but nothing else.

    Raises:
        RunError: the folder holds files of somebody else, or something can't be read or written.
    """
    if corpus := complete_corpus(folder):
        return corpus
    try:
        _refuse_foreign_files(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as building:
            _build(Path(building, "corpus"))
            if folder.exists() and not complete_corpus(folder):
                shutil.rmtree(folder)
            if not folder.exists():  # else another process was faster
                Path(building, "corpus").rename(folder)
    except OSError as error:
        raise RunError(f"{folder}: can't build the demo's corpus: {error}") from error
    corpus = complete_corpus(folder)
    if corpus is None:
        raise RunError(f"{folder}: the demo's corpus was changed while it was built; run the demo again")
    return corpus


def _build(folder: Path) -> None:
    """Writes every domain that has documents here, and the manifest last."""
    sizes: dict[str, dict[str, int]] = {}
    for domain in DOMAINS:
        if documents := domain_documents(domain):
            _write(domain, documents, folder / domain.name)
            text_bytes = sum(len(document.text.encode()) for document in documents)
            sizes[domain.name] = {"documents": len(documents), "bytes": text_bytes}
    manifest = {"version": VERSION, "domains": sizes, "sha256": _hashes(folder)}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in the folder but the manifest, by relative path, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _MANIFEST)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def complete_corpus(folder: Path) -> DemoCorpus | None:
    """The corpus in a folder, or None if it is not there, of another version, damaged or not whole."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["version"] != VERSION or manifest["sha256"] != _hashes(folder):
            return None
        sizes = manifest["domains"].items()
        documents = {name: int(size["documents"]) for name, size in sizes}
        return DemoCorpus(folder, documents, {name: int(size["bytes"]) for name, size in sizes})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _refuse_foreign_files(folder: Path) -> None:
    """Raises RunError rather than replace a folder that holds anything but an older or damaged corpus."""
    ours = {_MANIFEST, *(domain.name for domain in DOMAINS)}
    foreign = sorted({path.name for path in folder.iterdir()} - ours) if folder.exists() else []
    if foreign:
        raise RunError(f"{folder}: holds {foreign[0]!r}, which is not the demo's: name a new or an empty folder")


def word_share(text: str) -> float:
    """The share of a text's characters, white space left out, that stand in words of three letters and more.

    A simple measure of quality in [0, 1]: prose is near 0.9, dense code near 0.6, a table of numbers near 0.
    """
    in_words = sum(map(len, re.findall(r"[^\W\d_]{3,}", text)))
    return round(in_words / max(1, len("".join(text.split()))), 4)
