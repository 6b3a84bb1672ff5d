"""Findings: what a person should look at in a corpus or in what was drawn of it, each with a sentence.

From figures that are there already (`report/summary.json`, `report/audit.json`), so that whoever reads those files can
check each finding. A kind of finding is looked for only where its figures are there. What is held against what:

    low_share           a domain (by tokens), a language (by documents), a group of clusters (by tokens): under 0.5 %
                        or 0.7 %, see `representation`
    under_represented   a domain: drawn less than 95 % of the weight that was asked for. A cluster: drawn less than
                        half of the share that `cluster_exponent` gives it, since the clip forbids more
    unbalanced          the effective number of domains, or of clusters, is less than half their number
    junk_cluster        clusters that look like no subject, as the table `clusters` says it
    duplicates          exact copies among the documents; near_duplicates: documents that repeat others nearly,
                        or one text in many; both above REPEATED
    salient_token       a token in far more documents than in general text, whatever they are about, see `salience`

`value` lies in [`low`, `high`] where it is from a sample. Kinds that warn of too much (the last three) are flagged
above the threshold, the others below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from curation.audit.languages import UNKNOWN
from curation.audit.representation import (
    CLUSTER_TARGET,
    DOMAIN_TARGET,
    UNBALANCED,
    Verdict,
    evenness,
    low_share,
    target_shares,
    verdict,
    wilson,
)
from curation.audit.salience import SALIENT_SHARE, stands_out

#: Share of the documents that repeat others, and of those of one text's group, above which it is told; and documents
#: of such a group, at least.
REPEATED, ONE_TEXT, MASS = 0.05, 0.01, 20
#: Documents of a language below which they may as well be mistakes of the model.
FEW_DOCUMENTS = 5
#: Findings of one kind that are listed one by one.
MOST = 50

Figures = Mapping[str, Any]
Finding = dict[str, Any]


def findings(figures: Figures) -> tuple[list[Finding], int]:
    """What is flagged or undecided, and how many things were looked at and are clear.

    Args:
        figures: rows `domains`, `languages`, `groups`, `clusters` and `salience`, and the counts `near_duplicates`,
            `duplicates` and `documents`, as in the summary; what is missing is not looked at. `targets` has
            `cluster_exponent`, and `domains` with the share asked for of each, where they apply. `salience_sample` is
            the size of the sample, None where all documents were looked at.
    """
    every = [*_shares(figures), *_targets(figures), *_balance(figures), *_junk(figures), *_repeated(figures)]
    every += _tokens(figures)
    told = [finding for finding in every if finding["verdict"] != "clear"]
    return told, len(every) - len(told)


def _finding(
    kind: str,
    of: tuple[str, str],
    value: float,
    threshold: float,
    said: Verdict,
    words: str,
    low: float | None = None,
    high: float | None = None,
) -> Finding:
    return {
        "kind": kind,
        "subject_kind": of[0],
        "subject": of[1],
        "value": float(value),
        "low": low,
        "high": high,
        "threshold": float(threshold),
        "verdict": said,
        "words": words,
    }


def _shares(figures: Figures) -> Iterator[Finding]:
    """Domains, languages and groups that are hardly there."""
    for kind, rows in (("domain", figures.get("domains", [])), ("group", figures.get("groups", []))):
        for row in rows:
            share = row["share_before"]
            threshold, said = low_share(share, share, len(rows))
            name = str(row[kind])
            about = f"The domain {name}" if kind == "domain" else f"Group {name} of clusters ({_terms(row)})"
            words = f"{about} has {share:.2%} of the tokens, under {threshold:.1%}{_after(row)}."
            yield _finding("low_share", (kind, name), share, threshold, said, words)
    spoken = [row for row in figures.get("languages", []) if row["language"] != UNKNOWN]
    for row in spoken:
        if row["documents"] < FEW_DOCUMENTS:
            continue
        threshold, said = low_share(row["low"], row["high"], len(spoken))
        between = "" if row["low"] == row["high"] else f" ({row['low']:.2%} to {row['high']:.2%})"
        under = f"under {threshold:.1%}" if said == "flag" else f"which may be under {threshold:.1%}"
        words = f"The language {row['language']} has {row['share_before']:.2%}{between} of the documents, {under}"
        subject = ("language", row["language"])
        shown = f"{words}{_after(row)}."
        yield _finding("low_share", subject, row["share_before"], threshold, said, shown, row["low"], row["high"])


def _terms(row: Figures) -> str:
    return ", ".join(row["terms"][:3])


def _after(row: Figures) -> str:
    share = row.get("share_after")
    return "" if share is None else f", and {share:.2%} of what is drawn"


def _targets(figures: Figures) -> Iterator[Finding]:
    """Domains and clusters that got less than they were to have."""
    targets = figures.get("targets", {})
    for row in figures.get("domains", []):
        wanted = targets.get("domains", {}).get(row["domain"], 0.0)
        if wanted > 0:
            ratio = row["share_after"] / wanted
            words = f"The domain {row['domain']} is {row['share_after']:.2%} of what is drawn, and {wanted:.2%} was"
            words += f" asked for: {1 - ratio:.0%} too little."
            subject = ("domain", row["domain"])
            said = verdict(ratio, ratio, DOMAIN_TARGET)
            yield _finding("under_represented", subject, ratio, DOMAIN_TARGET, said, words)
    if "cluster_exponent" not in targets:
        return
    rows = figures["clusters"]
    wanted_shares = target_shares(np.array([row["tokens_before"] for row in rows]), targets["cluster_exponent"])
    found = []
    for row, wanted in zip(rows, wanted_shares.tolist(), strict=True):
        if wanted > 0:
            ratio = row["share_after"] / wanted
            words = f"Cluster {row['cluster']} ({_terms(row)}) is {row['share_after']:.3%} of what is drawn, where its"
            words += f" share would be {wanted:.3%}: its documents are not enough for more."
            subject = ("cluster", str(row["cluster"]))
            said = verdict(ratio, ratio, CLUSTER_TARGET)
            found.append(_finding("under_represented", subject, ratio, CLUSTER_TARGET, said, words))
    yield from _worst(found, "clusters have less than half of their share")


def _worst(found: Sequence[Finding], what: str) -> Iterator[Finding]:
    """The clear ones, and the worst MOST of the others; of more, how many they are."""
    told = sorted((finding for finding in found if finding["verdict"] != "clear"), key=lambda each: each["value"])
    yield from (finding for finding in found if finding["verdict"] == "clear")
    yield from told[:MOST]
    if len(told) > MOST:
        first, words = told[0], f"In all {len(told):,} {what}; the {MOST} furthest from it are listed."
        yield first | {"subject_kind": "corpus", "subject": "clusters", "value": float(len(told)), "words": words}


def _balance(figures: Figures) -> Iterator[Finding]:
    """Whether a few domains, or a few clusters, drown the others."""
    for name, key in (("domains", "domain"), ("clusters", "cluster")):
        rows = figures.get(name, [])
        if len(rows) < 2:
            continue
        tokens = np.array([row["tokens_before"] for row in rows], np.int64)
        even, largest = evenness(tokens), rows[int(np.argmax(tokens))]
        share = int(tokens.max()) / max(1, int(tokens.sum()))
        words = f"The {name} are unbalanced: {len(rows):,} are worth {even * len(rows):,.1f} even ones; the largest,"
        words += f" {largest[key]}, has {share:.1%} of the tokens."
        said = verdict(even, even, UNBALANCED)
        yield _finding("unbalanced", ("corpus", name), even, UNBALANCED, said, words)


def _junk(figures: Figures) -> Iterator[Finding]:
    rows = figures.get("clusters", [])
    total = sum(row["documents"] for row in rows)
    for row in rows:
        share, warning = row["documents"] / max(1, total), row["warning"]
        words = f"Cluster {row['cluster']} ({_terms(row)}), {share:.2%} of the documents: {warning}."
        said: Verdict = "clear" if warning is None else "flag"
        yield _finding("junk_cluster", ("cluster", str(row["cluster"])), share, 0.0, said, words)


def _repeated(figures: Figures) -> Iterator[Finding]:
    """Whether much is said twice."""
    if "duplicates" in figures and "documents" in figures:
        documents, dropped = figures["documents"]["documents"], figures["duplicates"]["dropped"]
        rate = dropped / max(1, documents)
        words = f"{dropped:,} of {documents:,} documents, {rate:.1%}, are exact copies of others; they are dropped."
        said = _above(rate, REPEATED)
        yield _finding("duplicates", ("corpus", "exact copies"), rate, REPEATED, said, words)
    near = figures.get("near_duplicates")
    if not near:
        return
    words = f"{near['repeating']:,} of {near['of']:,} documents, {near['rate']:.1%}, nearly repeat another one."
    said = _above(near["rate"], REPEATED)
    yield _finding("near_duplicates", ("corpus", "near-duplicates"), near["rate"], REPEATED, said, words)
    for group in near["largest"]:
        share = group["documents"] / max(1, near["of"])
        words = f"{group['documents']:,} documents, {share:.1%}, say nearly the same as document {group['group']}."
        said = _above(share, ONE_TEXT) if group["documents"] >= MASS else "clear"
        subject = ("corpus", f"near-duplicates of document {group['group']}")
        yield _finding("near_duplicates", subject, share, ONE_TEXT, said, words)


def _above(value: float, threshold: float) -> Verdict:
    return "flag" if value > threshold else "clear"


def _tokens(figures: Figures) -> Iterator[Finding]:
    """Tokens that stand out."""
    rows, sampled = figures.get("salience", []), figures.get("salience_sample") or inf
    names = ("documents", "share", "expected_share", "foretold", "dispersion")
    out = stands_out({name: np.array([row[name] for row in rows], np.float64) for name in names})
    for row, evenly in zip(rows, out.tolist(), strict=True):
        share, expected = row["share"], row["expected_share"]
        low, high = wilson(share, sampled)
        said: Verdict = "clear"
        if evenly:
            said = "flag" if low >= SALIENT_SHARE else "undecided" if high >= SALIENT_SHARE else "clear"
        words = f"“{row['token']}” is in {share:.1%} of the documents, whatever they are about; general text"
        words += f" would have it in {expected:.2%}."
        yield _finding("salient_token", ("token", row["token"]), share, SALIENT_SHARE, said, words, low, high)
