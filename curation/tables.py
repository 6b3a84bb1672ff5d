"""The schema of every table in a run directory, and the version of what they mean.

`TABLE_VERSION` goes into every fingerprint: raise it when a column, or what a column means, changes, and stages
that were done by older code are done again.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa

TABLE_VERSION = 6

#: What stands for a phase where documents are held out for validation, which belong to none.
VALIDATION = -1

#: One input file. `etag` is "<size>-<mtime in ns>" on file systems without one.
SOURCES = pa.schema(
    [
        ("file_id", pa.int32()),
        ("path", pa.string()),
        ("domain", pa.string()),
        ("source", pa.int32()),  # index into the job file's `sources`
        ("format", pa.string()),  # parquet, jsonl, jsonl.gz, jsonl.zst
        ("bytes", pa.int64()),
        ("etag", pa.string()),
        ("rows", pa.int64()),
        ("first_doc_id", pa.int64()),
        ("truncated", pa.bool_()),
        ("licence", pa.string()),
        ("facts", pa.string()),  # the job file's declared facts, as JSON
    ]
)

#: One unit of work: `rows` rows of a file from row `first_row` on. Splits with the same `read_group` can only be
#: read one after the other (a compressed stream, a huge row group), so one task reads them all. `start` and `stop`
#: tell the reader where: bytes of the decompressed stream for JSONL (lines that start in [start, stop)), row group
#: numbers for Parquet.
SPLITS = pa.schema(
    [
        ("split_id", pa.int32()),
        ("file_id", pa.int32()),
        ("read_group", pa.int32()),
        ("first_row", pa.int64()),
        ("rows", pa.int64()),
        ("first_doc_id", pa.int64()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
    ]
)

#: One document (every row of the input has one, also a rejected row). `content_hash` is 16 bytes, null where the
#: row was rejected; `tokens` and `bytes` are 0 there.
DOCUMENTS = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("domain", pa.dictionary(pa.int16(), pa.string())),
        ("tokens", pa.int32()),
        ("bytes", pa.int32()),  # of the text in UTF-8
        ("content_hash", pa.binary(16)),
        ("language", pa.string()),
        ("quality", pa.float32()),  # in [0, 1]; null where there is none
        ("keep", pa.bool_()),
        ("drop_reason", pa.string()),
    ]
)

#: One rejected row. `row` counts from 0 in its file, blank lines of JSONL left out.
REJECTED = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("path", pa.string()),
        ("row", pa.int64()),
        ("reason", pa.string()),
    ]
)

#: The beginning of the text of a random sample of the kept documents.
EXCERPTS = pa.schema([("doc_id", pa.int64()), ("text", pa.large_string())])

#: The language of a document of that sample, and how probable it is; `und` where it is not known.
LANGUAGES = pa.schema([("doc_id", pa.int64()), ("language", pa.string()), ("confidence", pa.float32())])

#: One document of a group of two or more that say nearly the same; `group` is the lowest doc_id of it.
NEAR_DUPLICATES = pa.schema([("doc_id", pa.int64()), ("group", pa.int64())])

#: What such groups are made from: of a document the hash of each band of its MinHash, and a byte of each function; and
#: documents that were found similar.
SIGNATURES = pa.schema(
    [("doc_id", pa.int64()), *((f"band_{band:02}", pa.uint64()) for band in range(14)), ("signature", pa.binary(112))]
)
NEAR_LINKS = pa.schema([("doc_id", pa.int64()), ("similar_to", pa.int64())])

#: One token that stands in more documents of the sample than it would in general text. Shares are of documents,
#: weighted so that they speak for the corpus; `foretold` is 0 where the rest of a text says nothing of whether it has
#: the token, `dispersion` where it is spread evenly over clusters and domains.
SALIENCE = pa.schema(
    [
        ("token", pa.string()),
        ("documents", pa.int64()),
        ("share", pa.float64()),
        ("expected_share", pa.float64()),
        ("log_odds", pa.float64()),
        ("z", pa.float64()),
        ("foretold", pa.float64()),
        ("dispersion", pa.float64()),
        ("clusters", pa.int32()),
        ("domains", pa.int32()),
    ]
)

#: One document dropped as a copy.
DUPLICATES = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("kept_doc_id", pa.int64()),
        ("method", pa.string()),
        ("similarity", pa.float32()),
    ]
)

#: One kept document whose vector an earlier one has too: it does not count in the fit of the centroids.
REPEATS = pa.schema([("doc_id", pa.int64()), ("first_doc_id", pa.int64())])


@cache
def heuristics(parts: tuple[str, ...]) -> pa.Schema:
    """One document: the parts of its quality by the built-in rules, raw; null where the row was rejected."""
    return pa.schema([("doc_id", pa.int64()), *((part, pa.float32()) for part in parts)])


#: One feature of one domain (or of the reference corpus, whose domain is null), over its excerpts. `mean` is null
#: where no text has a value.
PROFILES = pa.schema(
    [
        ("domain", pa.string()),
        ("feature", pa.string()),
        ("group", pa.string()),
        ("texts", pa.int64()),
        ("mean", pa.float64()),
        ("standard_error", pa.float64()),
    ]
)

#: One kept document's stratum, where domains or languages are clustered apart.
STRATA = pa.schema([("doc_id", pa.int64()), ("stratum", pa.int16())])

#: One kept document's nearest centroid. Cosine similarities to it and to the next one; `second_similarity` is
#: null where there is only one cluster (in its stratum).
ASSIGNMENTS = pa.schema(
    [
        ("doc_id", pa.int64()),
        ("cluster", pa.int32()),
        ("similarity", pa.float32()),
        ("second_similarity", pa.float32()),
    ]
)

#: One cluster. `coherence` is the mean simplified silhouette of its documents, in [-1, 1]; `group` is the topmost group
#: that holds it and `path` its groups from there downwards, null where there is one level of clusters; `warning` says
#: why the cluster looks like junk, null where it does not.
CLUSTERS = pa.schema(
    [
        ("cluster", pa.int32()),
        ("documents", pa.int64()),
        ("tokens", pa.int64()),
        ("mean_similarity", pa.float64()),
        ("coherence", pa.float64()),
        ("medoids", pa.list_(pa.int64())),
        ("terms", pa.list_(pa.string())),
        ("group", pa.int32()),
        ("warning", pa.string()),
        ("path", pa.list_(pa.int32())),
    ]
)

#: One topmost group of clusters, where there are levels above them.
GROUPS = pa.schema(
    [
        ("group", pa.int32()),
        ("clusters", pa.int32()),
        ("documents", pa.int64()),
        ("tokens", pa.int64()),
        ("terms", pa.list_(pa.string())),
    ]
)

#: One kept document that carries a capped token. Bit k of `tokens` is 1 where it carries token k of the job file
#: (`Job.capped_tokens`).
CARRIERS = pa.schema([("doc_id", pa.int64()), ("tokens", pa.uint32())])

#: One cell, cluster x domain, in one phase (from 0). What is available is what is not held out for validation, and
#: `validation_documents` is. `epochs` is realised over available tokens; `left_out` is the reason why nothing may be
#: drawn, null where something may.
ALLOCATION = pa.schema(
    [
        ("phase", pa.int16()),
        ("cluster", pa.int32()),
        ("domain", pa.string()),
        ("available_documents", pa.int64()),
        ("available_tokens", pa.int64()),
        ("validation_documents", pa.int64()),
        ("target_tokens", pa.float64()),
        ("realised_tokens", pa.int64()),
        ("epochs", pa.float64()),
        ("clipped", pa.bool_()),
        ("left_out", pa.string()),
    ]
)

#: One shard that is to be written. `file` is its name in `shards`, with the folder of its phase and without suffix.
#: The shards of validation come last, with VALIDATION for a phase.
SHARDS = pa.schema(
    [
        ("shard", pa.int32()),
        ("file", pa.string()),
        ("phase", pa.int16()),
        ("first_position", pa.int64()),
        ("rows", pa.int64()),
        ("tokens", pa.int64()),
        ("text_bytes", pa.int64()),
    ]
)


#: Drawn tokens along the output: one domain, or one name for clusters, in one stretch of rows. For the page.
MIXTURE = pa.schema(
    [
        ("stretch", pa.int32()),
        ("phase", pa.int16()),
        ("first_position", pa.int64()),
        ("rows", pa.int64()),
        ("kind", pa.string()),  # domain, cluster
        ("name", pa.string()),
        ("tokens", pa.int64()),
    ]
)

#: One text near the centroid of its cluster, cut; the nearest of a cluster first. For the page.
EXAMPLES = pa.schema(
    [
        ("cluster", pa.int32()),
        ("doc_id", pa.int64()),
        ("similarity", pa.float32()),
        ("text", pa.string()),
    ]
)


#: One mixture that was tried to learn weights. Losses are nats a token, of the `groups` of `learned/weights.json`.
TRIALS = pa.schema(
    [
        ("round", pa.int16()),
        ("number", pa.int32()),
        ("weights", pa.list_(pa.float64())),  # of its `units`
        ("losses", pa.list_(pa.float64())),  # on the texts that weights were fitted on
        ("check_losses", pa.list_(pa.float64())),  # on those that they were not
    ]
)


def schedule(last_doc_id: int, rows: int, shards: int, *, weighted: bool) -> pa.Schema:
    """One row of the shards, which is one draw; or, weighted, all draws of a document in a phase.

    `repetition` is how often the document was drawn before, from 0; `position` is the row in the whole output;
    `sample_weight` is how many draws the row stands for. Documents for validation are there once, with 0 and 1.
    Columns are as narrow as these numbers let them be; a run has one schema.
    """
    return pa.schema(
        [
            ("doc_id", _narrowest(last_doc_id)),
            ("repetition", pa.int16()),
            ("position", _narrowest(rows)),
            ("shard", _narrowest(shards)),
            *([("sample_weight", pa.int16())] if weighted else []),
        ]
    )


def _narrowest(largest: int) -> pa.DataType:
    """The smallest of int16, int32 and int64 that holds a number."""
    return pa.int16() if largest < 1 << 15 else pa.int32() if largest < 1 << 31 else pa.int64()


def embeddings(dimensions: int) -> pa.Schema:
    """The schema of `embeddings`: unit vectors of `dimensions` float16 values.

    `read_share` is the share of the text that the encoder read, in (0, 1]; null where the vectors were given.
    `vector_hash` is the 16-byte BLAKE2b hash of the vector's bytes, with 0 for -0.
    """
    return pa.schema(
        [
            ("doc_id", pa.int64()),
            ("embedding", pa.list_(pa.float16(), dimensions)),
            ("read_share", pa.float32()),
            ("vector_hash", pa.binary(16)),
        ]
    )
