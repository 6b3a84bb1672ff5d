"""What is drawn, worked out from the figures of a run. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.report.page.data import Flow, Lorenz

#: Points of a Lorenz curve: more than a screen can tell apart.
POINTS = 200
#: Names that a mixture is split into; what is beyond them is summed up.
NAMES = 12
#: Bands of clusters by size: the share of the clusters, largest first, that each ends at, and its name.
BANDS = ((0.01, "the largest 1 %"), (0.1, "the next 9 %"), (0.5, "the next 40 %"), (1.0, "the smaller half"))


def lorenz(before: NDArray[np.int64], after: NDArray[np.int64]) -> Lorenz:
    """The Lorenz curves of the clusters' tokens: each from (0, 0) to (1, 1), the nearer to the diagonal the more even.

    Args:
        before: int64[K], at least 0.
        after: int64[K], likewise.

    Returns:
        The same up to POINTS + 1 places for both.
    """
    count = len(before)
    at = np.unique(np.round(np.linspace(0, count, min(count, POINTS) + 1)).astype(np.int64))

    def curve(tokens: NDArray[np.int64]) -> list[float]:
        sums = np.concatenate([[0], np.cumsum(np.sort(tokens))])
        found: list[float] = np.round(sums[at] / max(1, sums[-1]), 5).tolist()
        return found

    shares: list[float] = np.round(at / max(1, count), 5).tolist()
    return Lorenz(clusters=shares, before=curve(before), after=curve(after))


def flow(summary: dict[str, Any]) -> list[Flow]:
    """What went in and what came out, line by line, as `curation show` has it."""
    documents, plan, shards = summary["documents"], summary["plan"], summary["shards"]
    files = summary["sources"]["input_files"]
    found = [_line("read", documents["documents"], documents["tokens"], f"{files:,} files")]
    if documents["rejected"]:
        found.append(_line("rejected", documents["rejected"], None, "rows that could not be used"))
    found.append(_line("copies dropped", summary["duplicates"]["dropped"], None, "the same text a second time"))
    if plan.get("validation"):
        held = plan["validation"]
        found.append(_line("held out for validation", held["documents"], held["tokens"], "in no training shard"))
    tokens = sum(row["tokens_before"] for row in summary["domains"])
    found.append(_line("to draw from", plan["documents"], tokens, ""))
    for row in summary["left_out"]:
        found.append(_line("left out", row["documents"], row["tokens"], row["reason"]))
    share = plan["used_documents"] / max(1, plan["documents"])
    found.append(
        _line("used at least once", plan["used_documents"], plan["unique_tokens"], f"{share:.1%} of documents")
    )
    found.append(_line("drawn", plan["draws"], plan["tokens"], "repetitions counted"))
    if plan["rows"] < plan["draws"]:
        found.append(_line("written", plan["rows"], plan["row_tokens"], "once each, with a weight"))
    found[-1]["note"] += f"; {shards['shards']:,} shards"
    return found


def _line(step: str, documents: int, tokens: int | None, note: str) -> Flow:
    return Flow(step=step, documents=documents, tokens=tokens, note=note)


def size_bands(tokens: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int32]]:
    """Clusters in bands by size: the names of the bands, and the band of each cluster.

    Args:
        tokens: int64[K]; clusters of the same size go by their number.

    Returns:
        Names, the largest clusters first, and int32[K]. Bands that hold no cluster are left out.
    """
    count = len(tokens)
    ends = np.array([max(1, round(share * count)) for share, _ in BANDS])
    place = np.empty(count, np.int64)
    place[np.argsort(-tokens, kind="stable")] = np.arange(count)
    sizes = np.diff(ends, prepend=0)
    kept = np.flatnonzero(sizes > 0)
    names = [f"{BANDS[band][1]} ({sizes[band]:,} {'cluster' if sizes[band] == 1 else 'clusters'})" for band in kept]
    return names, np.searchsorted(ends[kept], place, side="right").astype(np.int32)


def largest_names(names: list[str], tokens: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int32]]:
    """At most NAMES names with most tokens, what is beyond them under one more; and where each of the n names went.

    Args:
        names: n names.
        tokens: int64[n].

    Returns:
        Names, most tokens first, and int32[n].
    """
    order = np.argsort(-tokens, kind="stable")
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    if len(names) <= NAMES + 1:
        return [names[index] for index in order], place
    kept = [names[index] for index in order[:NAMES]]
    return [*kept, f"{len(names) - NAMES:,} others"], np.minimum(place, NAMES).astype(np.int32)
