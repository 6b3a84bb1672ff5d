"""The fits run on one thread, libraries that they themselves load included: so it takes a fresh process to see."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FIT = """
import sys
import threadpoolctl

class Watched(threadpoolctl.threadpool_limits):
    def __exit__(self, *error):
        print(*(one["num_threads"] for one in threadpoolctl.threadpool_info()))
        return super().__exit__(*error)

threadpoolctl.threadpool_limits = Watched
from curation.config import Embedding
from curation.embedding.lexical import fit_lexical
from curation.embedding.style import fit_style

texts = [f"the {a} of a {b}" for a in ("hat", "cat", "rat") for b in ("house", "mouse")]
{"words": fit_lexical, "style": fit_style}[sys.argv[1]](texts, Embedding(model="lexical", dimensions=4), 0)
"""


@pytest.mark.parametrize("features", ["words", "style"])
def test_a_fit_has_one_thread(features: str) -> None:
    asked = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", FIT, features], env=os.environ | asked, check=True, capture_output=True, text=True
    )
    assert set(done.stdout.split()) == {"1"}
