"""The dataset card: `README.md` beside the shards, as the Hugging Face hub shows it.

All of it comes from the run's own numbers; what only a person can say stands as TO BE PROVIDED, to be found by a
search. Sections: what it is, sources, how it was made, repetition and balance, how to load it, limits, how to make it
again, and what is left to say.
"""

from __future__ import annotations

from typing import Any

import yaml

from curation.report.account import biases, limits, repetition, steps
from curation.report.facts import TO_SAY, Facts, phases, splits, title
from curation.report.formats import code_to_load
from curation.report.header import header
from curation.report.markdown import block, code, counted, listed, table

#: What the columns that a run makes mean; others come from the sources.
COLUMNS = {
    "text": "the document",
    "doc_id": "its number in the sources, from 0",
    "domain": "the domain that its source belongs to",
    "cluster": "the cluster that it is in",
    "repetition": "how often it was drawn before",
    "sample_weight": "how often it counts; it is written once",
    "id": "its own id, from the source",
}

#: What a reader should know of the columns of a format.
LAYOUTS = {
    "jsonl": "A line is an object: `id`, `text`, `source` (the domain) and `metadata`, which holds the other columns.",
    "megatron": "The files hold token ids, a sequence a document, and a prefix a domain; the columns are not in them.",
    "index": "The shards hold no text: each row says in which source file and row the document lies.",
}

#: Uses of a document from which on they are counted together in the table.
MOST_USES = 10

LEFT_TO_SAY = (
    ("Who made it, and whom to ask", "creator, contact"),
    ("What it is for, and what it is not for", "intended and out-of-scope uses"),
    ("Licence of the whole", "the licences above are those declared for the sources"),
    ("How the sources were collected", "by whom, when, how, on which legal basis, with which opt-outs"),
    ("Personal and sensitive data", "what is in it, and what was done about it"),
    ("Social impact", "who may be affected, and how"),
    ("Maintenance", "versions, corrections, removal on request"),
    ("Citation", "how to cite it"),
)


def dataset_card(facts: Facts) -> str:
    """The card, header and body: Markdown that ends with a line feed."""
    sections = [
        ("", _what_it_is(facts)),
        ("Sources", _sources(facts)),
        ("How it was made", listed(steps(facts, code), numbered=True) + _weights(facts)),
        ("Repetition and balance", _repetition(facts)),
        ("How to load it", _loading(facts.index)),
        ("Limits", listed(limits(facts, code))),
        ("How to make it again", _again(facts)),
        (
            "Left to say",
            table(("what", "", "that is"), ((what, TO_SAY, which) for what, which in LEFT_TO_SAY), words=3),
        ),
    ]
    return header(facts) + "".join(f"\n## {name}\n\n{text}\n" if name else f"\n{text}\n" for name, text in sections)


def _what_it_is(facts: Facts) -> str:
    index = facts.index
    train, *validation = splits(index)
    totals = ("rows", "tokens", "text_bytes", "bytes")
    parts = [train, *phases(index), *validation]
    rows = ((code(part.name), len(part.shards), *map(part.total, totals)) for part in parts)
    columns = (
        (code(name), code(kind), COLUMNS.get(name, "kept from the sources")) for name, kind in index["columns"].items()
    )
    return "\n\n".join(
        [
            f"# {title(facts, code)}",
            f"Text for training language models, drawn from {counted(len(facts.domains), 'domain')} by Curation "
            f"{facts.version}. This card was written from the figures of the run. What only a person can say stands as "
            f"{TO_SAY}.",
            table(("part", "shards", "rows", "tokens", "bytes of text", "bytes on disk"), rows),
            f"Format: `{index['format']}`. Size and sha256 of every shard are in `croissant.json`. "
            + LAYOUTS.get(index["format"], ""),
            table(("column", "type", "meaning"), columns, words=3),
        ]
    )


def _sources(facts: Facts) -> str:
    """What the job file declares and the files hold, by source; what was there and what was drawn, by domain."""
    declared = []
    for row in facts.sources:
        licence = code(row["licence"]) if row["licence"] else TO_SAY
        figures = (row["files"], row["bytes"], row["documents"])
        declared.append((code(row["domain"]), licence, _declared(row["facts"]), *figures))
    used = {row["domain"]: row for row in facts.summary["plan"]["domains"]}
    drawn = []
    for row in facts.summary["domains"]:
        use = used[row["domain"]]
        there = (row["documents"], row["tokens_before"], use["used_documents"], use["unique_tokens"])
        drawn.append((code(row["domain"]), *there, use["draws"], row["tokens_after"], f"{row['share_after']:.2%}"))
    without = "unusable rows, copies and validation" if facts.validation else "unusable rows and copies"
    head = ("domain", "licence, as declared", "other facts, as declared", "files", "bytes", "documents")
    names = ("domain", "documents to draw from", "their tokens", "different documents drawn", "their tokens", "draws")
    return "\n\n".join(
        [
            table(head, declared, words=3),
            f"What could be drawn ({without} left out) and what was, by domain:",
            table((*names, "tokens drawn", "share of them"), drawn),
        ]
    )


def _declared(facts: dict[str, str]) -> str:
    return ", ".join(f"{code(key)}: {code(str(value))}" for key, value in sorted(facts.items()))


def _weights(facts: Facts) -> str:
    """Domain weights asked for and got, where the job asked for some."""
    weighed = [phase for phase in facts.summary["weights"] if phase["strategy"] != "none"]
    if not weighed:
        return ""
    rows = (
        (code(phase["phase"] or "all"), code(domain), f"{weight['wanted']:.2%}", f"{weight['realised']:.2%}")
        for phase in weighed
        for domain, weight in phase["weights"].items()
    )
    return "\n\nDomain weights, of the tokens:\n\n" + table(("phase", "domain", "wanted", "realised"), rows, words=2)


def _repetition(facts: Facts) -> str:
    counts = facts.summary["plan"]["repetitions"]
    uses = [(str(times), count) for times, count in enumerate(counts[:MOST_USES])]
    if len(counts) > MOST_USES:
        uses.append((f"{MOST_USES} and more", sum(counts[MOST_USES:])))
    weighted = "sample_weight" in facts.index["columns"]
    written = " Each is written once a phase, with its uses as `sample_weight`." if weighted else ""
    told = listed(biases(facts, code))
    return f"{repetition(facts)}{written}\n\n{table(('times used', 'documents'), uses)}\n\n{told}"


def _loading(index: dict[str, Any]) -> str:
    language, text = code_to_load(index)
    order = "" if index["format"] == "megatron" else " The shards are in the order in which they are to be read."
    return f"{block(text, language)}\n\nA loader that shuffles gives up the order.{order}"


def _again(facts: Facts) -> str:
    """The command, and the job without what is this machine's own."""
    recipe = yaml.safe_dump(facts.recipe, sort_keys=False, allow_unicode=True, width=10**6)
    told = (
        f"Curation {facts.version}, the same texts and a job file with the keys below give the same shards. Paths are "
        f"given by their last part. The sha256 of these keys, as JSON in canonical form, is `{facts.recipe_sha256}`."
    )
    if facts.encoder["kind"] not in ("lexical", "given"):
        told += " On other hardware a neural model's vectors can differ in their last bits, and with them some draws."
    if facts.index["format"] in ("parquet", "index"):
        told += " The bytes of Parquet files also hang on the version of pyarrow, which each file names (`created_by`)."
    keys = f"<details><summary>The keys</summary>\n\n{block(recipe, 'yaml')}\n\n</details>"
    return f"{block('curation run JOB.yaml', 'sh')}\n\n{told}\n\n{keys}"
