"""`curation diff`: its arguments, and what it does with them."""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console


def add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("run_a", metavar="RUN_A")
    parser.add_argument("run_b", metavar="RUN_B")
    parser.add_argument("--json", action="store_true", help="print JSON")


def diff_command(options: argparse.Namespace) -> int:
    """`curation diff`."""
    from curation.diff.compare import Side, diff
    from curation.diff.text import print_diff
    from curation.pipeline import current_markers
    from curation.storage.store import Store

    stores = [Store.open(run_dir) for run_dir in (options.run_a, options.run_b)]
    left, right = (Side.load(store, current_markers(store)) for store in stores)
    found = diff(left, right)
    if options.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_diff(found, Console(highlight=False, width=None if sys.stdout.isatty() else 140))
    return 0
