"""The options of `curation plan` that are about time and machines. Imports nothing heavy, since every command does."""

from __future__ import annotations

import argparse
import re

#: Values of `--hardware`.
HARDWARE = ("here", "cpu", "a100", "h100")

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to the parser of the command."""
    text = "rates: measured here, or of named machines (default: here)"
    parser.add_argument("--hardware", choices=HARDWARE, default="here", help=text)
    text = "so many CPU nodes, or with +M also M GPU nodes; their shapes are those of the job file's `cost`"
    parser.add_argument("--nodes", type=nodes, metavar="N[+M]", help=text)
    text = "how many nodes would be done in that time, e.g. 8h or 1h30m"
    parser.add_argument("--deadline", type=duration, metavar="TIME", help=text)


def nodes(text: str) -> tuple[int, int | None]:
    """CPU nodes and GPU nodes (None: not said) of `4`, `4+2` or `0+2`."""
    found = re.fullmatch(r"(\d{1,6})(?:\+(\d{1,6}))?", text)
    if not found or not any(map(int, filter(None, found.groups()))):
        raise argparse.ArgumentTypeError("write it as 4, or 4+2 for 4 CPU nodes and 2 GPU nodes")
    return int(found[1]), None if found[2] is None else int(found[2])


def duration(text: str) -> float:
    """Seconds of `8h`, `1h30m`, `90s`."""
    if not _DURATION.fullmatch(text):
        raise argparse.ArgumentTypeError("write it as 8h, 1h30m or 90s")
    seconds = sum(float(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[\d.]+[dhms]", text))
    if seconds <= 0:
        raise argparse.ArgumentTypeError("a deadline is later than now")
    return seconds
