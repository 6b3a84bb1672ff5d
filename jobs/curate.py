"""`python -m jobs.curate --job JOB.yaml [--set KEY=VALUE ...]`: the same as `curation run`, for `ray job submit`."""

from __future__ import annotations

import argparse

from curation.cli import main


def parse() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser("python -m jobs.curate", description="Do a job; go on where it stopped.")
    parser.add_argument("--job", required=True, metavar="JOB.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    overrides = [argument for override in options.set for argument in ("--set", override)]
    raise SystemExit(main([*(["--debug"] if options.debug else []), "run", options.job, *overrides]))
