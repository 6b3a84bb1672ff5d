"""An estimate as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.estimate.cluster import Cluster, total_cost
from curation.estimate.plan import Estimate
from curation.estimate.work import StageTime
from curation.progress import clock, short

#: Clusters that are named for a deadline.
NAMED = 3


def print_estimate(estimate: Estimate, console: Console) -> None:
    """Prints what a run would do, and which machines would meet the deadline."""
    console.print(_domains(estimate))
    console.print(_stages(estimate))
    console.print(Text(estimate.note))
    if estimate.deadline is not None:
        for line in deadline_lines(estimate, estimate.deadline):
            console.print(Text(line))


def span(seconds: float) -> str:
    """A duration for people, with a decimal below ten seconds."""
    return f"{seconds:.1f}s" if seconds < 9.95 else clock(seconds)


def deadline_lines(estimate: Estimate, deadline: float) -> list[str]:
    """What meets the deadline, or what is in the way, in sentences."""
    if not estimate.options:
        longest = max(estimate.ideal, key=lambda time: time.seconds)
        least = span(sum(time.seconds for time in estimate.ideal))
        return [
            f"No number of nodes is done in {clock(deadline)}: on any number of them it takes {least} or more. In the "
            f"way is {longest.stage}, of which {span(longest.seconds)} can't be shared out ({longest.note})."
        ]
    lines: list[str] = []
    for cluster, times in estimate.options[:NAMED]:
        start = f"In {clock(deadline)}" if not lines else "Or"
        lines.append(
            f"{start}: {cluster}: {span(sum(time.seconds for time in times))}{_priced(times, cluster, estimate)}."
        )
    low, high = (sum(getattr(time, end) for time in estimate.options[0][1]) for end in ("low", "high"))
    lines.append(f"The first may take {span(low)} to {span(high)}: the deadline is met by the time that is expected.")
    return lines


def _priced(times: Sequence[StageTime], cluster: Cluster, estimate: Estimate) -> str:
    return f", {estimate.currency} {total_cost(times, cluster):,.2f}" if cluster.priced else ""


def _table(title: str, left: Sequence[str], *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=name != " ")
    return table


def _domains(estimate: Estimate) -> Table:
    table = _table("What the sources hold", ("domain",), "domain", "files", "bytes", "documents", "tokens")
    for domain in estimate.domains:
        about = "" if domain.exact else "~"
        counts = (f"{domain.files:,}", f"{short(domain.bytes)}B", f"{about}{short(domain.documents)}")
        table.add_row(Text(domain.name), *counts, f"~{short(domain.tokens)}")
    return table


def _stages(estimate: Estimate) -> Table:
    cluster, times = estimate.cluster, estimate.times
    title = f"What would be done, on {estimate.machines}"
    columns = ["stage", "time", "range", "GPU hours", "disk", estimate.currency, " "]
    if not cluster.priced:
        columns.remove(estimate.currency)
    table = _table(title, ("stage", " "), *columns)
    for time in times:
        table.add_row(time.stage, *_figures([time], cluster), Text(time.note))
    table.add_section()
    table.add_row("all", *_figures(times, cluster), Text("and some seconds for Ray to start"))
    return table


def _figures(times: Sequence[StageTime], cluster: Cluster) -> list[str]:
    """The cells of one stage, or of all."""
    seconds, low, high = (sum(getattr(time, name) for time in times) for name in ("seconds", "low", "high"))
    hours, disk = (sum(getattr(time, name) for time in times) for name in ("gpu_hours", "disk"))
    cells = [f"~{span(seconds)}", f"{span(low)} - {span(high)}", f"{hours:,.1f}" if hours else "-"]
    cells.append(f"~{short(disk)}B" if disk else "-")
    return [*cells, f"{total_cost(times, cluster):,.2f}"] if cluster.priced else cells
