"""`python jobs/curate.py JOB.yaml [--set KEY=VALUE ...]`: `curation run` as an entry point for `ray job submit`."""

from __future__ import annotations

import sys

from curation.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["run", *sys.argv[1:]]))
