"""The pool of a probe: what of a run it trains on and what it asks about, as arrays.

Made once for a run, its texts and the settings below, and kept in `RUN_DIR/probe/pools/<key>/`: other strategies,
seeds or budgets take it as it is. Tokens are those of a BPE of the pool's own, whatever the run counts in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.clustering.groups import group_clusters
from curation.config import Job
from curation.language_model.encoding import Encoded, together
from curation.probe.chosen import A_CLUSTER, A_DOMAIN, MOST_SHARE, NATURAL, Chosen, Corpus, choose
from curation.probe.reading import MOST_CHARACTERS, VALIDATION_TOKENS, Folder, encode_texts, make_bpe, read_texts
from curation.progress import Reporter
from curation.sampling.cells import cell_totals
from curation.sources.rows import Split
from curation.stages.centroid_file import load_centroids
from curation.stages.clusters import load_top_groups
from curation.stages.eligible import Eligible, data_key, left_out, load_eligible
from curation.stages.splits import load_splits, part_name
from curation.storage.store import Marker, Store, fingerprint

#: Raise it when the choice of documents or the files change.
POOL_VERSION = 2
#: Folder of the pools in a run directory.
POOLS = "probe/pools"
#: Bytes of text a token of the probe's BPE, about.
BYTES_A_TOKEN = 3.3
#: Clusters whose validation text is counted by cluster; where there are more, by groups of them.
MOST_UNITS = 100

_NEAR_DUPLICATES = "near_duplicates/groups.parquet"


@dataclass(frozen=True)
class PoolSettings:
    """What a pool is to be: tokens to train on, about; the share of the corpus that may be looked at; a seed."""

    tokens: int
    fraction: float
    seed: int


@dataclass(frozen=True, eq=False)
class Validation:
    """v documents that are never trained on.

    Attributes:
        domain: int32[v], index into the job's domains.
        unit: int32[v], cluster of the run, or group of clusters.
        language: str[v], as codes; `und` where it is not known.
        weight: float64[v], documents of the corpus that each stands for.
        text: their token ids, each cut to VALIDATION_TOKENS.
    """

    domain: NDArray[np.int32]
    unit: NDArray[np.int32]
    language: NDArray[np.str_]
    weight: NDArray[np.float64]
    text: Encoded


@dataclass(frozen=True, eq=False)
class Pool:
    """n documents to train on, and those for validation.

    Attributes:
        key: names the pool.
        bpe: the tokenizer, as JSON.
        doc_id: int64[n], ascending.
        domain: int32[n].
        text: their token ids.
        vectors: float16[n, d].
        validation: the others.
        domain_tokens: int64[D], tokens of the whole corpus that may be drawn, as the run counts them.
        languages: str[n], as the run found them; None where it clusters nothing by language.
    """

    key: str
    bpe: str
    doc_id: NDArray[np.int64]
    domain: NDArray[np.int32]
    text: Encoded
    vectors: NDArray[np.float16]
    validation: Validation
    domain_tokens: NDArray[np.int64]
    languages: pa.Array | None = None


def pool_key(job: Job, markers: Mapping[str, Marker | None], settings: PoolSettings) -> str:
    """The name of a pool: a hash of all that it depends on."""
    limits = [A_DOMAIN, A_CLUSTER, NATURAL, MOST_SHARE, MOST_UNITS, MOST_CHARACTERS, VALIDATION_TOKENS]
    asked = [settings.tokens, settings.fraction, settings.seed]
    return fingerprint([POOL_VERSION, data_key(job, markers), limits, asked])[:16]


def ready_pool(
    store: Store, job: Job, markers: Mapping[str, Marker | None], settings: PoolSettings, reporter: Reporter
) -> Pool:
    """The pool of a run, made as far as it is missing.

    Args:
        store: the run directory, locked.
        job: its job.
        markers: of its stages; the clusters are done.
        settings: which pool.
        reporter: shows how far it is.

    Raises:
        JobError: the run has too few documents.
        InputError: a source file changed since the run, is gone, or can't be read.
    """
    key = pool_key(job, markers, settings)
    folder = Folder(f"{POOLS}/{key}")
    assigned = markers["assignments"]
    assert assigned is not None, "the command has looked"
    splits = load_splits(store)
    copies = not job.dedup.exact
    documents = load_eligible(store, splits, job.domains, assigned.stats["documents"], with_content=copies)
    units = units_of(store, job)
    corpus = _corpus(store, job, documents, units)
    chosen = choose(corpus, settings.tokens * BYTES_A_TOKEN, settings.fraction, settings.seed)
    places = np.union1d(chosen.pool, chosen.validation)
    doc_id = corpus.doc_id[places].astype(np.int64)
    ready = f"{folder.name}/pool.json"
    if not store.exists(ready):
        held = corpus.doc_id[chosen.validation].astype(np.int64)
        size = float(corpus.bytes[chosen.pool].sum(dtype=np.float64))
        with reporter.stage("texts", len(places)) as progress:
            read_texts(store, job, folder, doc_id, progress.advance)
        with reporter.stage("tokens", len(places)) as progress:
            if not store.exists(folder.bpe):
                make_bpe(store, folder, size, held, settings.seed)
            encode_texts(store, job, folder, held, progress.advance)
        store.write_json(ready, {"documents": len(chosen.pool), "validation": len(chosen.validation)})
    store.remove_folder(folder.texts)
    pool = _load(store, key, folder, corpus, chosen, _domain_tokens(job, documents, corpus.usable))
    if job.clustering.within != "language":
        return pool
    return replace(pool, languages=languages_of(store, splits, pool.doc_id))


def units_of(store: Store, job: Job) -> NDArray[np.int32]:
    """The unit of each cluster, int32[C]: itself, or where there are more than MOST_UNITS its group."""
    centroids = load_centroids(store)
    if len(centroids) <= MOST_UNITS:
        return np.arange(len(centroids), dtype=np.int32)
    if job.clustering.groups is not None and job.clustering.groups <= MOST_UNITS:
        return load_top_groups(store)
    return group_clusters(centroids, [MOST_UNITS])[:, 0]


def _corpus(store: Store, job: Job, documents: Eligible, units: NDArray[np.int32]) -> Corpus:
    """What the choice is made from."""
    domains = len(job.domains)
    usable = left_out(job, len(units)).ravel()[documents.cell] < 0
    text = _texts_alike(store, documents)
    return Corpus(
        documents.doc_id,
        (documents.cell % domains).astype(np.int16 if domains < 1 << 15 else np.int32),
        units[documents.cell // domains],
        np.minimum(documents.bytes, MOST_CHARACTERS),
        usable,
        text,
    )


def _texts_alike(store: Store, documents: Eligible) -> NDArray[np.uint64] | None:
    """A number a document that those share whose texts are the same or nearly so; None where none are known to be."""
    near = store.exists(_NEAR_DUPLICATES)
    if documents.content is None and not near:
        return None
    text = documents.doc_id.astype(np.uint64) if documents.content is None else documents.content.copy()
    if near:
        table = store.read_table(_NEAR_DUPLICATES)
        doc_id, group = (table[name].to_numpy() for name in ("doc_id", "group"))
        place = np.minimum(np.searchsorted(documents.doc_id, doc_id), len(text) - 1)
        known = documents.doc_id[place] == doc_id
        text[place[known]] = group[known].astype(np.uint64) | np.uint64(1 << 63)  # no doc_id, and hardly a hash
    return text


def languages_of(store: Store, splits: list[Split], doc_id: NDArray[np.int64]) -> pa.Array:
    """The languages of some documents, ascending by doc_id, as the run found them: str[n], null where it did not."""
    bounds = np.searchsorted(doc_id, [split.first_doc_id for split in splits])
    parts: list[pa.Array] = []
    for split, own in zip(splits, np.split(doc_id, bounds[1:]), strict=True):
        if len(own):
            column = store.read_table(part_name("documents", split.split_id), ["language"])["language"]
            parts += column.take(pa.array(own - split.first_doc_id)).chunks
    return pa.chunked_array(parts, pa.string()).combine_chunks()


def _domain_tokens(job: Job, documents: Eligible, usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Tokens that may be drawn of each domain, int64[D]."""
    domains = len(job.domains)
    return cell_totals(documents.cell % domains, documents.tokens, domains, usable.astype(np.int16))[1]


def _load(
    store: Store, key: str, folder: Folder, corpus: Corpus, chosen: Chosen, domain_tokens: NDArray[np.int64]
) -> Pool:
    """The pool from its files."""
    parts = [store.read_arrays(name) for name in sorted(store.list(folder.encoded))]
    text = together([Encoded(part["tokens"], part["starts"]) for part in parts])
    doc_id, vectors, languages = (
        np.concatenate([part[name] for part in parts]) for name in ("doc_id", "vectors", "languages")
    )
    pool, held = (np.searchsorted(doc_id, corpus.doc_id[places]) for places in (chosen.pool, chosen.validation))
    validation = Validation(
        corpus.domain[chosen.validation].astype(np.int32),
        corpus.unit[chosen.validation].astype(np.int32),
        languages,
        chosen.weight,
        text.take(held),
    )
    return Pool(
        key,
        store.read_bytes(folder.bpe).decode(),
        doc_id[pool],
        corpus.domain[chosen.pool].astype(np.int32),
        text.take(pool),
        vectors[pool],
        validation,
        domain_tokens,
    )
