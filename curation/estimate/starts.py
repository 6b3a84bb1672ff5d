"""How long processes take to start and import here: measured on a fresh one, as Ray's workers are.

Small jobs are mostly this. A process of its own imports what the stages' processes import, in their order, and says how
long each step took. Files that it reads are in the page cache by then, as in a run: this process has imported most of
them before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from curation.errors import RunError
from curation.estimate.rates import Starts

#: What is imported, step by step.
STEPS = {
    "ray": ("ray",),
    "code": ("curation.stages.documents", "curation.stages.shards", "pandas"),  # which Arrow imports when first used
    "planning": ("curation.stages.plan",),
    "torch": ("torch",),
    "data": ("ray.data",),
    "metrics": ("sklearn.metrics",),
    "models": ("sentence_transformers",),  # which imports those of `metrics` too
}
#: Seconds that a new process takes to join Ray once it has imported it.
JOINING = 0.2

_CHILD = """
import importlib, json, sys, time
said = {"begun": time.time()}
for step, modules in json.loads(sys.argv[1]).items():
    begun = time.perf_counter()
    for module in modules:
        importlib.import_module(module)
    said[step] = time.perf_counter() - begun
print(json.dumps(said))
"""


def measured_starts(load: float, neural: bool) -> Starts:
    """The seconds of each step on this machine.

    Args:
        load: seconds to load the encoder, measured by the caller.
        neural: whether what loads a neural encoder is to be imported too.

    Raises:
        RunError: the process did not come to its end.
    """
    steps = {name: modules for name, modules in STEPS.items() if neural or name != "models"}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _CHILD, json.dumps(steps)]
    begun = time.time()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"a process that was to measure how long imports take ended with {done.returncode}: {last}")
    said = json.loads(done.stdout.splitlines()[-1])
    process = max(0.0, said["begun"] - begun) + said["ray"] + JOINING
    named = {name: float(said.get(name, 0.0)) for name in ("code", "planning", "torch", "data", "models", "metrics")}
    named["models"] += named["metrics"] * neural
    return Starts(process=process, load=load, **named)
