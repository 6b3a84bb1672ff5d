"""`curation trace`: its arguments, and what it does with them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from curation.errors import JobError


def add_trace_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("run_dir", metavar="RUN_DIR")
    query = parser.add_mutually_exclusive_group()
    query.add_argument("text", metavar="TEXT", nargs="?", help="the text, or - to read it from standard input")
    query.add_argument("--file", metavar="FILE", help="read the text from a file, or from standard input for -")
    parser.add_argument("--top", type=_count, default=10, metavar="N", help="documents of each kind (10)")
    ways = parser.add_mutually_exclusive_group()
    text = "only the documents that share the longest passages"
    ways.add_argument("--exact", dest="ways", action="store_const", const={"exact"}, help=text)
    text = "only the documents that are nearest in meaning"
    ways.add_argument("--meaning", dest="ways", action="store_const", const={"meaning"}, help=text)
    text = "make the index of passages, which else the first query does; without a text, only that"
    parser.add_argument("--build-index", action="store_true", help=text)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


def trace_command(options: argparse.Namespace) -> int:
    """`curation trace`."""
    from curation.pipeline import current_markers
    from curation.progress import Reporter
    from curation.storage.store import Store
    from curation.trace.answer import ready_index, trace, traced_job
    from curation.trace.text import print_trace

    store, reporter = Store.open(options.run_dir), Reporter()
    markers = current_markers(store)
    job = traced_job(store, markers)
    if options.build_index:
        ready_index(store, job, markers, reporter)
        if options.text is None and options.file is None:
            return 0
    ways = options.ways or ({"exact"} if job.given_vectors else {"exact", "meaning"})
    answer = trace(store, markers, _query(options), ways, options.top, reporter)
    if options.json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        print_trace(answer, Console(highlight=False, width=None if sys.stdout.isatty() else 140))
    return 0


def _query(options: argparse.Namespace) -> str:
    """The text that is asked about."""
    if options.file is None and options.text is None:
        raise JobError('trace: no text: give "some words", --file FILE, or - to read standard input')
    if "-" in (options.file, options.text):
        return sys.stdin.read()
    if options.file is None:
        return str(options.text).encode(errors="replace").decode()  # bytes of the shell that are no UTF-8
    try:
        return Path(options.file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise JobError(f"--file {options.file}: {getattr(error, 'strerror', None) or error}") from error
