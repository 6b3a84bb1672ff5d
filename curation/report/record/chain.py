"""The chain of decisions: lines of JSON of which each holds the hash of the one before it.

A line says who decided what, when, between which alternatives, why, and where the evidence is. Its `sha256` is over all
else in it in canonical form, `prev_sha256` included, so a line that is changed, taken out, put in or moved breaks the
chain from there on; and the record names how many lines there are and the last hash, so that none can be cut off at the
end. The first line's `prev_sha256` is 64 zeros.

What a line says comes in as a dictionary of SAID; `ts`, `seq` and the hashes are added when it is appended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

#: What a line says, beside its place in the chain and its time.
SAID = ("actor", "stage", "decision", "alternatives", "reason", "evidence_ref")
FIELDS = ("seq", "ts", *SAID, "prev_sha256", "sha256")
NOTHING = "0" * 64

Line = dict[str, Any]


def said(
    actor: str, stage: str, decision: str, reason: str, evidence_ref: str, alternatives: Iterable[str] = ()
) -> Line:
    """What a line says."""
    line = {"actor": actor, "stage": stage, "decision": decision, "alternatives": list(alternatives)}
    return line | {"reason": reason, "evidence_ref": evidence_ref}


def appended(text: str, lines: Iterable[Line], ts: str) -> str:
    """The text of a chain with lines put to its end; the chain itself must hold.

    Args:
        text: of the chain so far; empty for a new one.
        lines: what they say.
        ts: the time, ISO 8601 in UTC.
    """
    seq, prev = head(text)
    added = []
    for one in lines:
        line = {"seq": seq, "ts": ts, **{name: one[name] for name in SAID}, "prev_sha256": prev}
        prev = line_hash(line)
        added.append(json.dumps(line | {"sha256": prev}) + "\n")
        seq += 1
    return text + "".join(added)


def news(text: str, lines: Iterable[Line]) -> list[Line]:
    """Those lines that the chain does not say already: the last line of the same stage and evidence says otherwise."""
    known = latest(text)
    return [line for line in lines if _content(line) != known.get((line["stage"], line["evidence_ref"]))]


def latest(text: str) -> dict[tuple[str, str], Line]:
    """What was said last of each stage and piece of evidence."""
    return {(line["stage"], line["evidence_ref"]): _content(line) for line in parsed(text)}


def parsed(text: str) -> list[Line]:
    """The lines of a chain that holds."""
    return [json.loads(line) for line in text.splitlines()]


def head(text: str) -> tuple[int, str]:
    """How many lines a chain has, and the hash of the last one."""
    lines = text.splitlines()
    return len(lines), json.loads(lines[-1])["sha256"] if lines else NOTHING


def fault_of(text: str) -> str | None:
    """What is wrong with a chain, and in which line; None where it holds."""
    if text and not text.endswith("\n"):
        return f"line {text.count(chr(10)) + 1} has no end"
    prev = NOTHING
    for number, raw in enumerate(text.split("\n")[:-1]):
        try:
            line = json.loads(raw)
        except ValueError:
            return f"line {number + 1} is not JSON"
        if not isinstance(line, dict) or tuple(line) != FIELDS:
            return f"line {number + 1} has not the keys {', '.join(FIELDS)}"
        if line["seq"] != number:
            return f"line {number + 1} has the number {line['seq']}, and {number} is its place"
        if line["prev_sha256"] != prev:
            return f"line {number + 1} does not follow from the one before it"
        prev = line.pop("sha256")
        if line_hash(line) != prev or json.dumps(line | {"sha256": prev}) != raw:
            return f"line {number + 1} was changed"
    return None


def break_after(text: str, lines: int, last: str) -> str | None:
    """Why a chain does not go on from the `lines` lines, the last with the hash `last`, that a record names.

    None where it does. It may have more lines by now.
    """
    there = text.splitlines()
    if len(there) < lines:
        return f"it has {len(there)} lines, and {lines} when the record was made"
    if lines and json.loads(there[lines - 1])["sha256"] != last:
        return f"line {lines} is not the one that the record names"
    return None


def line_hash(line: Line) -> str:
    """The sha256, in hex, of a line without its own hash, in canonical form."""
    text = json.dumps(line, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _content(line: Line) -> Line:
    return {name: line[name] for name in SAID}
