"""The demo's job file: short, commented, and complete enough to start one's own from."""

from __future__ import annotations

import json
from pathlib import Path

from curation.demo.corpus import complete_corpus
from curation.demo.domains import DOMAINS
from curation.errors import RunError

_JOB = """\
# The demo: {documents:,} documents of {domains} domains, all from the packages installed here.
# {largest} has {ratio:.0f} times the documents of {smallest}.
run_dir: {run_dir}
seed: 0
split_bytes: 400_000       # small, so that a run that is stopped loses seconds

sources:{sources}
embedding:
  model: sentence-transformers/all-MiniLM-L6-v2   # `lexical` needs no model and takes seconds
  max_tokens: 128          # how much of a document the model reads

clustering:
  clusters: 60

sampling:
  budget: {{epochs: 1.0}}    # draw as many tokens as there are
  cluster_exponent: 0.0    # every cluster the same share; 1.0 would leave the corpus as it is
  clip: 5                  # no document more than five times
  order: general_to_specific

quality: {{column: word_share}}   # the share of a text in words; read by `weights: quality` and `order: curriculum`

audit: {{near_duplicates: true, salience: true}}   # measured beside the languages, for the report

output:
  format: parquet
  shard_bytes: 1_000_000   # small, to show several shards
"""

_SOURCE = """
  - domain: {name}   # {about}
    path: {path}
    id_column: id
"""


def demo_job(folder: Path, run_dir: Path) -> str:
    """The demo's job file, as YAML with comments.

    Args:
        folder: a folder that `build_corpus` filled.
        run_dir: where the run goes. Both are made absolute.

    Raises:
        RunError: there is no whole corpus in the folder.
    """
    corpus = complete_corpus(folder)
    if corpus is None:
        raise RunError(f"{folder}: holds no complete demo corpus: build it first")
    sources = ""
    for domain in DOMAINS:
        if domain.name in corpus.documents:
            path = _quoted(folder / domain.name)
            sources += _SOURCE.format(name=domain.name, about=domain.about, path=path)
            sources += "    keep_columns: [package]\n" if domain.keep_package else ""
            sources += f"    licence: {domain.licence}\n" if domain.licence else ""
    smallest, largest = (choose(corpus.documents, key=corpus.documents.__getitem__) for choose in (min, max))
    return _JOB.format(
        documents=sum(corpus.documents.values()),
        domains=len(corpus.documents),
        largest=largest,
        smallest=smallest,
        ratio=corpus.documents[largest] / corpus.documents[smallest],
        run_dir=_quoted(run_dir),
        sources=sources,
    )


def _quoted(path: Path) -> str:
    """An absolute path as a YAML string, whatever characters are in it."""
    return json.dumps(str(path.resolve()), ensure_ascii=False)
