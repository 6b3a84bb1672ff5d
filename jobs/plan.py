"""`python jobs/plan.py JOB.yaml [--set KEY=VALUE ...]`: `curation plan` as an entry point for `ray job submit`."""

from __future__ import annotations

import sys

from curation.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["plan", *sys.argv[1:]]))
