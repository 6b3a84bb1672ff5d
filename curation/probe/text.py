"""What a probe found, as tables for a terminal: strategies by model, the sweep over the clip, and the pilot."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.progress import printable, short
from curation.report.probe_results import (
    EVALUATORS,
    METRICS,
    cells_of,
    main_evaluator,
    mean_losses,
    mean_of,
    target_metric,
)

#: Characters of a line from which on every column has room.
WIDE = 130
#: Losses beside the target's, and the names of their columns.
BESIDE = {"worst_domain": "worst", "p90_domain": "p90", "natural": "natural"}
LEGEND = (
    "Nats a token, means over seeds. macro: {metric}; difference: to {baseline}, negative is better, with its 95% "
    "interval. won: seeds with a lower loss; sign: p-value of the exact sign test. verdict: corrected for the number "
    "of strategies. worst, p90: of the domains. repeated: tokens drawn again, of all drawn; different: tokens drawn "
    "once or more."
)


def probe_text(results: dict[str, Any], width: int = 140) -> str:
    """The results as text.

    Args:
        results: results.json.
        width: characters of a line.
    """
    stream = io.StringIO()
    console = Console(file=stream, highlight=False, width=width)
    console.print(Text(_about(results)))
    evaluators = sorted(results["settings"]["evaluators"], key=lambda name: name != main_evaluator(results))
    for evaluator in evaluators:
        console.print(_strategies(results, evaluator, width >= WIDE))
    told = {"metric": METRICS[target_metric(results)], "baseline": printable(results["settings"]["baseline"])}
    console.print(Text(LEGEND.format(**told), style="dim"))
    if results["clip"]:
        _print_clip(results["clip"], console)
    if results["pilot"]:
        console.print(Text(_pilot(results["pilot"])))
    console.print(Text(f"\n{printable(results['sentence'])}", style="bold"))
    return stream.getvalue()


def _about(results: dict[str, Any]) -> str:
    """What was compared, on what."""
    settings = results["settings"]
    held = settings["held_back"]
    held_out = f"{settings['validation_documents']:,} documents with {short(settings['validation_tokens'])} tokens"
    told = (
        f"{short(settings['budget_tokens'])} tokens drawn by each strategy from {settings['pool_documents']:,} "
        f"documents with {short(settings['pool_tokens'])} tokens. Validation text: {held_out}, none of it in training."
    )
    return told + (f" Held back from training: {', '.join(map(printable, held))}." if held else "")


def _strategies(results: dict[str, Any], evaluator: str, wide: bool) -> Table:
    """The strategies by one model, the lowest target loss first; on a narrow terminal without what matters less."""
    metric = target_metric(results)
    compared = {
        row["strategy"]: row
        for row in results["comparisons"]
        if (row["metric"], row["evaluator"]) == (metric, evaluator)
    }
    names = [one["name"] for one in results["strategies"] if cells_of(results, evaluator, one["name"])]
    losses = {name: mean_losses(results, evaluator, name) for name in names}
    seeds = max((len(cells_of(results, evaluator, name)) for name in names), default=0)
    title = f"By {EVALUATORS[evaluator]}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    beside = {key: name for key, name in BESIDE.items() if wide or key == "natural"}
    costs = ("repeated", "different")[: 1 + wide]
    names_of = ("strategy", "macro", "difference (95%)", "won", "sign", "verdict", *beside.values(), *costs)
    table = _new_table(title, *names_of)
    for name in sorted(names, key=lambda name: _last_if_none(losses[name].get(metric))):
        against = _against(compared.get(name), name == results["settings"]["baseline"])
        cells = [printable(name), *(_loss(losses[name].get(key)) for key in (metric, *beside))]
        cells[2:2] = against
        repeated, unique = (mean_of(results, evaluator, name, key) for key in ("repeated_share", "unique_tokens"))
        table.add_row(*map(Text, [*cells, f"{repeated:.0%}", short(unique)][: len(names_of)]))
    worst = Counter(cell["worst_name"] for cell in results["cells"] if cell["evaluator"] == evaluator)
    if worst:
        table.caption = f"the worst domain is most often {printable(worst.most_common(1)[0][0])}"
    return table


def _against(row: dict[str, Any] | None, baseline: bool) -> list[str]:
    """The cells of a comparison; empty ones where there was none."""
    if row is None:
        return ["", "", "", "baseline" if baseline else ""]
    won, sign = f"{row['wins']} of {row['seeds']}", f"{row['p_sign']:.3g}"
    return [_difference(row), won, sign, row["verdict"]]


def _difference(row: dict[str, Any]) -> str:
    """A difference with its interval, where there are any."""
    if row["difference"] is None:
        return ""
    interval = "" if row["low"] is None else f" ({row['low']:+.3f} to {row['high']:+.3f})"
    return f"{row['difference']:+.3f}{interval}"


def _print_clip(clip: dict[str, Any], console: Console) -> None:
    """The sweep over the clip and the value to take."""
    metric = clip["metric"]
    table = _new_table("Clip", "clip", "macro", "difference (95%)", "natural", "repeated", "different")
    for row in clip["rows"]:
        cells = [
            f"{row['clip']}{' *' * (row['clip'] == clip['recommended'])}",
            _loss(row[metric]),
            _difference(row),
            _loss(row["natural"]),
            f"{row['repeated_share']:.0%}",
            short(row["unique_tokens"]),
        ]
        table.add_row(*map(Text, cells))
    console.print(table)
    taken = "No clip to take" if clip["recommended"] is None else f"Take sampling.clip={clip['recommended']}"
    console.print(Text(f"{taken}: {clip['why']}"))


def _pilot(pilot: dict[str, Any]) -> str:
    """How well the pilot foretold the whole, whichever of the two these results are of."""
    told, strategies = f"A pilot on {pilot['fraction']:.0%} of the documents", len(pilot["strategies"])
    if pilot["rank_correlation"] is None:
        return f"{told} can't be compared with the whole: {strategies} strategies are in no order."
    order = f"put {strategies} strategies in an order that has a rank correlation of {pilot['rank_correlation']:.2f}"
    return f"{told} {order} with that of the whole (1: the same, 0: no likeness)."


def _new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.caption_justify = "left"
    for index, name in enumerate(columns):
        left = index == 0 or name == "verdict"
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=index > 0)
    return table


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _last_if_none(value: float | None) -> float:
    return float("inf") if value is None else value
