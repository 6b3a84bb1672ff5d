"""`python jobs/verify.py RUN_DIR [--sample SHARE]`: `curation verify` as an entry point for `ray job submit`."""

from __future__ import annotations

import sys

from curation.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["verify", *sys.argv[1:]]))
