"""How tables for a terminal look."""

from __future__ import annotations

from rich import box
from rich.table import Table


def new_table(title: str, *columns: str) -> Table:
    """An empty table with these columns; the first, `terms` and the one without a name are words, others figures."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        left, last = index == 0 or name in {"terms", " "}, name == "terms"
        width = None if last else len(name) + (index == 0 and name != "cluster") * 14
        table.add_column(name, justify="left" if left else "right", no_wrap=True, overflow="ellipsis", min_width=width)
    return table
