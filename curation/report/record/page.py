"""`record.md`: the record for people.

A pure function of the record and the map. Every text that comes from outside (domains, terms, reasons, answers) stands
in a code span or a block, so nothing of it is read as Markdown. Long lists are cut, and say so: the JSON has them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from curation.report.facts import TO_SAY
from curation.report.markdown import block, code, listed, table
from curation.report.record.build import LIMITS, UNSEEN

#: Rows of a long table that are shown, and characters of a value.
SHOWN, WIDTH = 40, 200

Record = dict[str, Any]


def record_page(record: Record, law: dict[str, Any]) -> str:
    """The page: Markdown that ends with a line feed.

    Args:
        record: the record.
        law: the map that `ai_act_map` makes of it.
    """
    sections: list[tuple[str, Callable[[Record], str]]] = [
        ("Who and what for", _identity),
        ("In short", _short),
        ("Sources", _sources),
        ("What was done", _steps),
        ("What was taken out", _removals),
        ("Clusters", _clusters),
        ("What was drawn", _sampling),
        ("Before and after", _audit),
        ("Findings", _findings),
        ("What only people can say", _said),
        ("Choices of design", _config),
        ("Output", _outputs),
        ("Limits", _limits),
        ("How to make it again", _again),
        ("What the law asks", lambda _: _law(law)),
        ("When and where", _made),
    ]
    head = f"# Record of the curation of {code(record['identity']['name'])}\n\n**{record['notice']}**\n"
    return head + "".join(f"\n## {name}\n\n{write(record)}\n" for name, write in sections)


def _identity(record: Record) -> str:
    identity, rows = record["identity"], []
    for name in ("owner", "reviewer", "approved_on"):
        rows.append((name.replace("_", " "), _said_or_open(identity[name])))
    for name, text in record["purpose"].items():
        rows.append((name.replace("_", " "), _said_or_open(text)))
    for name in ("tool_version", "job_sha256", "recipe_sha256"):
        rows.append((name.replace("_", " "), code(identity[name])))
    return table(("", ""), rows, words=2)


def _short(record: Record) -> str:
    outputs, coverage, balance = record["outputs"], record["audit"]["coverage"], record["audit"]["balance"]
    read = [sum(source["available"][key] for source in record["sources"]) for key in ("documents", "tokens")]
    effective = balance["effective_clusters"]
    told = [
        f"{read[0]:,} documents with {read[1]:,} tokens could be read in {len(record['sources'])} sources.",
        f"{coverage['documents']:,} may be drawn; {coverage['used_documents']:,} "
        f"({coverage['share_of_documents']:.1%}) are used at least once, {coverage['never_used_documents']:,} never.",
        f"{outputs['rows']:,} rows with {outputs['tokens']:,} tokens were written, and "
        f"{outputs['validation_rows']:,} rows for validation.",
        f"Effective number of clusters: {effective['before']:.1f} before, {effective['after']:.1f} after.",
        f"{len(record['findings'])} findings; {len(record['open'])} questions are open.",
    ]
    return listed(told)


def _sources(record: Record) -> str:
    kinds = ("available", "kept", "validation", "unique_used", "used_with_repeats")
    head = ("source", "licence", "files", *(kind.replace("_", " ") for kind in kinds), "share used", "above 3 %")
    counted, said = [], []
    for row in record["sources"]:
        name = f"{row['number']}: {code(row['domain'])}"
        amounts = [f"{row[kind]['documents']:,} ({row[kind]['tokens']:,})" for kind in kinds]
        large = "yes" if row["large"] else "no"
        licence = _said_or_open(row["licence"])
        counted.append((name, licence, row["files"], *amounts, f"{row['share_used']:.2%}", large))
        facts = ", ".join(f"{code(key)}: {code(value)}" for key, value in row["facts"].items())
        said.append((name, facts, *(_said_or_open(row[key]) for key in ("name", "link", "category", "legal_basis"))))
    return "\n\n".join(
        [
            "Documents, and their tokens in brackets.",
            _cut(head, counted, words=2),
            _cut(("source", "declared", "name", "link", "category", "legal basis"), said, words=6),
            record["web_domains"]["why"],
        ]
    )


def _steps(record: Record) -> str:
    rows = []
    for one in record["steps"]:
        counts = ", ".join(f"{name} {_short_value(value)}" for name, value in one["counts"].items())
        rows.append(
            (code(one["what"]), code(counts) if counts else "", one["files"], one["bytes"], code(one["result"][:12]))
        )
    note = "Parameters, and what each step reads, are in the JSON."
    return table(("step", "counts", "files", "bytes", "result"), rows, words=2) + f"\n\n{note}"


def _removals(record: Record) -> str:
    rows = [
        (code(row["step"]), code(row["reason"]), row["documents"], row["tokens"], code(str(row["examples"])))
        for row in record["removals"]
    ]
    near = record["dedup"]["near"]
    told = f"Copies: {record['dedup']['method']}; kept is {record['dedup']['kept_which']}."
    told += f" Near duplicates, measured and not removed: {code(json.dumps(near))}." if near else ""
    head = ("step", "reason", "documents", "tokens", "some doc_ids")
    return f"{told}\n\n{_cut(head, rows, words=2) if rows else 'Nothing was taken out.'}"


def _clusters(record: Record) -> str:
    clustering = record["clustering"]
    encoder = clustering["encoder"]
    figures = clustering["figures"] | {name: clustering["fit"][name] for name in clustering["fit"] if name != "inertia"}
    about = f"Vectors: {code(encoder['name'])}, {encoder['dimensions']} dimensions, {encoder['precision']}"
    weights = f", weights {code(encoder['weights_sha256'])}" if encoder["weights_sha256"] else ""
    rows = [(code(name), code(_short_value(value))) for name, value in figures.items()]
    warned = [
        (one["cluster"], code(" ".join(one["terms"])), code(one["warning"]))
        for one in clustering["clusters"]
        if one["warning"]
    ]
    junk = _cut(("cluster", "terms", "warning"), warned, words=3) if warned else "No cluster looks like junk."
    return f"{about}{weights}. {clustering['algorithm']}.\n\n{table(('', ''), rows, words=2)}\n\n{junk}"


def _sampling(record: Record) -> str:
    sampling = record["sampling"]
    phases = [
        (
            code(row["folder"] or "all"),
            row["order"].replace("_", " "),
            row["budget"],
            row["target"],
            row["tokens"],
            row["draws"],
        )
        for row in sampling["phases"]
    ]
    terms = {one["cluster"]: " ".join(one["terms"][:6]) for one in record["clustering"]["clusters"]}
    rows = [
        (
            one["cluster"],
            code(terms[one["cluster"]]),
            f"{one['share_before']:.2%}",
            f"{one['realised_share']:.2%}",
            f"{one['epochs']:.2f}",
            "yes" if one["at_cap"] else "no",
            one["never_used_documents"],
        )
        for one in sorted(sampling["clusters"], key=lambda one: (-one["tokens"], one["cluster"]))
    ]
    head = ("cluster", "terms", "before", "after", "epochs", "at the clip", "never used")
    uses = ", ".join(f"{times}x: {count:,}" for times, count in enumerate(sampling["uses"]) if count)
    parts = [
        f"No document is used more than {sampling['clip']:,} times. Documents by uses: {uses}.",
        table(("phase", "order", "budget", "target", "tokens", "draws"), phases, words=2),
        listed(code(text) for text in sampling["shortfalls"]),
        _cut(head, rows, words=2),
    ]
    return "\n\n".join(part for part in parts if part)


def _audit(record: Record) -> str:
    balance = [
        (name.replace("_", " "), f"{value['before']:.3f}", f"{value['after']:.3f}")
        for name, value in record["audit"]["balance"].items()
    ]
    domains = [
        (code(row["domain"]), row["documents"], f"{row['share_before']:.2%}", f"{row['share_after']:.2%}")
        for row in record["audit"]["domains"]
    ]
    return "\n\n".join(
        [
            table(("", "before", "after"), balance),
            _cut(("domain", "documents", "share before", "share after"), domains),
        ]
    )


def _findings(record: Record) -> str:
    rows = [(code(row["verdict"]), code(str(row["subject"])), code(row["words"])) for row in record["findings"]]
    told = f"{record['findings_clear']:,} more were looked at and are clear."
    return f"{_cut(('verdict', 'of', 'finding'), rows, words=3)}\n\n{told}" if rows else f"None. {told}"


def _said(record: Record) -> str:
    blocks = ("personal_data", "assumptions", "judgement", "public_summary")
    rows = [
        (f"{name.replace('_', ' ')}: {key.replace('_', ' ')}", _said_or_open(value))
        for name in blocks
        for key, value in record[name].items()
    ]
    return table(("question", "answer"), rows, words=2)


def _config(record: Record) -> str:
    rows = [
        (code(row["key"]), code(_short_value(row["value"])), code(_short_value(row["default"])), code(row["reason"]))
        for row in record["config"]
        if row["changed"]
    ]
    same = sum(not row["changed"] for row in record["config"])
    return f"{table(('key', 'value', 'default', 'why'), rows, words=4)}\n\n{same} more keys have their default."


def _outputs(record: Record) -> str:
    outputs = record["outputs"]
    rows = [
        (code(one["file"]), code(one["part"]), one["rows"], one["tokens"], one["bytes"], code(one["sha256"]))
        for one in outputs["files"]
    ]
    return _cut(("file", "part", "rows", "tokens", "bytes", "sha256"), rows, words=2)


def _limits(record: Record) -> str:
    """Our own sentences as they are; those that name something of the run as code."""
    own = (*LIMITS, *UNSEEN.values())
    return listed(text if text in own else code(text) for text in record["limits"])


def _again(record: Record) -> str:
    again = record["reproduce"]
    return f"{block(chr(10).join(again['commands']), 'sh')}\n\n{listed(again['notes'])}"


def _law(law: dict[str, Any]) -> str:
    rows = [
        (one["law"], one["item"], one["about"], len(one["open"]), ", ".join(map(code, one["pointers"][:4])))
        for one in law["items"]
    ]
    return table(("", "item", "about", "open", "where (the map has all)"), rows, words=3)


def _made(record: Record) -> str:
    made = record["made"]
    decisions = made["decisions"]
    told = [
        f"Made {code(made['at'])} on Python {code(made['python'])}.",
        f"sha256 of the record without this part: {code(made['content_sha256'])}; the same job and files have it.",
        f"Decisions: {decisions['lines']:,} lines in {code(decisions['file'])}, the last with the hash "
        f"{code(decisions['head_sha256'])}.",
    ]
    return listed(told)


def _cut(head: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """A table of the first rows."""
    found = list(rows)
    more = f"\n\n{len(found) - SHOWN:,} more are in the JSON." if len(found) > SHOWN else ""
    return table(head, found[:SHOWN], words) + more


def _said_or_open(text: str) -> str:
    return TO_SAY if text == TO_SAY else code(text)


def _short_value(value: Any) -> str:
    """A value of the job or a figure, as JSON; cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
