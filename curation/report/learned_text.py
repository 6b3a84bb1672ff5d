"""Learned weights in words and as a table."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from curation.report.table import new_table

TARGETS = {
    "macro_domain": "the mean loss of the domains",
    "macro_cluster": "the mean loss of the groups of clusters",
    "worst_domain": "the loss of the worst domain",
    "validation": "the loss on the texts that the job names",
}
OF = {"domains": "domains", "clusters": "groups of clusters"}
#: Rows of the table, those of the largest weights.
MOST_ROWS = 40


def learned_in_words(because: dict[str, Any]) -> str:
    """How weights were learned, and what they are worth, in two sentences. `because` is of the weights record."""
    check = because["check"]
    told = (
        f"fitted on {because['trials']} trials of {because['trial_tokens']:,} tokens so that "
        f"{TARGETS[because['target']]} is low"
    )
    worth = (
        f"on texts that they were not fitted on it is {check['fitted']:.3f} with them and {check['natural']:.3f} with "
        f"the natural weights (difference {check['difference']:+.3f} nats a token, 95 % {check['low']:+.3f} to "
        f"{check['high']:+.3f})"
    )
    return f"{told}; {worth}{_kept(because)}"


def _kept(because: dict[str, Any]) -> str:
    """Why the natural weights are taken, where they are."""
    if because["kept"] == "learned":
        return ""
    why = "that is no gain" if because["check"]["high"] >= 0 else "those texts are too few to tell"
    return f"; {why}, so the natural weights are taken"


def learned_table(because: dict[str, Any]) -> Table:
    """The units with their natural and learned weights and bounds, largest weight first."""
    units = sorted(because["units"], key=lambda unit: -unit["weight"])
    title = f"Weights of {OF[because['of']]}, {learned_in_words(because)}"
    table = new_table(title, because["of"][:-1], "natural", "fitted", "weight", "least", "most")
    for unit in units[:MOST_ROWS]:
        shares = (f"{unit[key]:.2%}" for key in ("natural", "fitted", "weight", "lower", "upper"))
        table.add_row(Text(unit["name"]), *shares)
    left = f"; {len(units) - MOST_ROWS} more are in learned/weights.json" if len(units) > MOST_ROWS else ""
    fit = because["fit"]
    table.caption = (
        f"of trials that it had not seen the regression explains {fit['r2']:.0%} of the variance, rank correlation "
        f"{fit['rank_correlation']:.2f}{left}"
    )
    return table
