"""A sweep as a table for a terminal: a row a combination of values, and what it would give.

What a combination is refused for is too long for a cell of the table, so the row has a number and the message stands
below it.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import short

#: Weights that differ by no more than this are held.
HELD = 0.01

FIGURES = ("clusters", "Gini", "effective clusters", "used", "worth", "clipped", "ratios", "drawn")
LEGEND = (
    "Gini (0: even) and effective clusters by tokens, before > after. used: tokens drawn at least once, of all. "
    "worth: what the tokens drawn are worth, repetition counted. clipped: clusters that give all that the clip allows. "
    "ratios: held, or the largest difference between a domain's weight asked for and got."
)


@dataclass(frozen=True)
class Figures:
    """What a combination would give. Pairs are before and after; balance is of tokens by cluster."""

    clusters: int
    sampled: bool
    """Clustered on a sample of the documents."""
    gini: tuple[float, float]
    effective_clusters: tuple[float, float]
    unique_share: float
    """Tokens that are drawn at least once, as a share of all."""
    worth: float
    """Effective tokens, as a share of the tokens drawn."""
    clipped: int
    """Clusters in which a cell gives all that the clip allows, in any phase."""
    off: float | None
    """Largest absolute difference between a domain's weight asked for and got, in any phase; None: none asked for."""
    tokens: float
    """Tokens drawn."""


@dataclass(frozen=True)
class Row:
    """A combination: the value of each key as it was written, and its figures or why it is refused."""

    values: tuple[str, ...]
    figures: Figures | None
    message: str = ""


@dataclass(frozen=True)
class Sweep:
    """All combinations, in order."""

    keys: list[str]
    rows: list[Row]
    notes: list[str]


def print_sweep(sweep: Sweep, console: Console) -> None:
    """Prints the table, what the refused combinations are refused for, and the notes."""
    table = Table(title="What each combination gives", title_justify="left", title_style="bold", pad_edge=False)
    table.box = box.SIMPLE_HEAD
    for name in (*sweep.keys, *FIGURES):
        table.add_column(name, justify="right", overflow="fold")
    messages: list[str] = []
    for row in sweep.rows:
        if row.figures is None:
            if row.message not in messages:
                messages.append(row.message)
            cells = [f"refused ({messages.index(row.message) + 1})", *[""] * (len(FIGURES) - 1)]
        else:
            cells = _cells(row.figures)
        table.add_row(*map(Text, (*row.values, *cells)))
    console.print(table)
    for number, message in enumerate(messages, 1):
        console.print(Text(f"({number}) {message}"))
    for note in (LEGEND, *sweep.notes):
        console.print(Text(note, style="dim"))


def _cells(figures: Figures) -> list[str]:
    """The figures as text, in the order of FIGURES."""
    gini, effective, off = figures.gini, figures.effective_clusters, figures.off
    return [
        f"{'~' if figures.sampled else ''}{figures.clusters:,}",
        f"{gini[0]:.3f} > {gini[1]:.3f}",
        f"{effective[0]:.1f} > {effective[1]:.1f}",
        f"{figures.unique_share:.1%}",
        f"{figures.worth:.1%}",
        f"{figures.clipped:,}",
        "-" if off is None else "held" if off <= HELD else f"{off:.1%}",
        short(figures.tokens),
    ]
