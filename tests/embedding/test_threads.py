"""The fits run on one thread, libraries that they themselves load included: so it takes a fresh process to see."""

from __future__ import annotations

import os
import subprocess
import sys

FIT = """
import threadpoolctl

class Watched(threadpoolctl.threadpool_limits):
    def __exit__(self, *error):
        print(*(one["num_threads"] for one in threadpoolctl.threadpool_info()))
        return super().__exit__(*error)

threadpoolctl.threadpool_limits = Watched
import numpy as np
from scipy.sparse import csr_matrix
from curation.embedding.lexical import strongest

strongest(csr_matrix(np.eye(4, dtype=np.float32)), 4, 0, "test")
"""


def test_the_fit_of_either_model_has_one_thread() -> None:
    asked = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", FIT], env=os.environ | asked, check=True, capture_output=True, text=True
    )
    assert set(done.stdout.split()) == {"1"}
