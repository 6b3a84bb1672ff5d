"""How much of what balancing the true kinds of text wins do clusters win, that know nothing of the kinds?

Runs a job on a corpus that `benchmarks/labelled.py` built, with vectors of style, and probes it: the loss averaged over
the true domains, against the corpus as it is. The oracle is `unimax`: even true domains, no document more than five
times. Labels are used to score, and by the oracle alone. One setting for every corpus.

    python benchmarks/balancing.py FOLDER/languages --seeds 10
    python benchmarks/balancing.py FOLDER/kinds --seeds 10 --evaluator both
    python benchmarks/balancing.py FOLDER/kinds-balanced --alarms 20

With `--alarms N` it asks N times, each time about other documents and with other seeds, what helps on a corpus whose
domains are even already: by chance alone one in twenty may say so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STRATEGIES = "clusters_30,clusters_100,clusters_300,clusters_1000,groups_30,groups_kmeans,levels,unimax"
#: The setting: what the probe's strategy `levels` stands for, with vectors that tell kinds of text apart.
JOB = {
    "embedding": {"model": "lexical", "features": "style", "dimensions": 64},
    "clustering": {"clusters": [300, 45, 30, 20, 15], "grouping": "spectral", "max_iterations": 20},
    "sampling": {
        "balance": "levels",
        "group_exponent": 0.15,
        "cluster_exponent": 1.0,
        "budget": {"tokens": 2_500_000},
    },
}


def finished_run(corpus: Path, run_dir: Path) -> Path:
    """The run of the corpus with the setting, done where it is not yet."""
    sources = [{"domain": path.stem, "path": str(path)} for path in sorted(corpus.glob("*.parquet"))]
    job = run_dir.with_suffix(".yaml")
    job.write_text(json.dumps({"run_dir": str(run_dir), "sources": sources, **JOB}), encoding="utf-8")  # JSON is YAML
    subprocess.run([sys.executable, "-m", "curation.cli", "run", str(job)], check=True, stdout=subprocess.DEVNULL)
    return run_dir


def probed(run_dir: Path, *options: str) -> dict[str, Any]:
    """The results of a probe."""
    command = [sys.executable, "-m", "curation.cli", "probe", str(run_dir), "--json", *options]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def print_shares(results: dict[str, Any]) -> None:
    """What each strategy wins of the oracle's gain, by each model."""
    for evaluator in results["settings"]["evaluators"]:
        rows = [
            one for one in results["comparisons"] if one["evaluator"] == evaluator and one["metric"] == "macro_domain"
        ]
        won = {one["strategy"]: one for one in rows}
        oracle = won["unimax"]["difference"]
        print(f"{evaluator}: the oracle wins {-oracle:.3f} nats")
        for name, one in sorted(won.items(), key=lambda item: item[1]["difference"]):
            share, low, high = (one[key] / oracle for key in ("difference", "high", "low"))
            seeds = f"{one['wins']} of {one['seeds']} seeds"
            print(f"  {name:16} {one['difference']:+.3f}   {share:+5.0%} ({low:+.0%} to {high:+.0%})   {seeds}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluator", choices=["ngram", "gpt", "both"], default="ngram")
    parser.add_argument("--pool-tokens", type=int, default=25_000_000)
    parser.add_argument("--alarms", type=int, default=0)
    asked = parser.parse_args()
    run_dir = finished_run(asked.corpus, asked.corpus.with_name(f"run-{asked.corpus.name}"))
    if asked.alarms:
        false = 0
        for seed in range(asked.alarms):
            results = probed(run_dir, "--seed", str(seed), "--strategies", STRATEGIES.replace(",unimax", ""))
            target = [one for one in results["comparisons"] if one["metric"] == "macro_domain"]
            false += any(one["verdict"] == "helps" for one in target)
            print(f"{seed}: {results['sentence']}", flush=True)
        print(f"something helps in {false} of {asked.alarms}")
        return
    options = ["--seeds", str(asked.seeds), "--evaluator", asked.evaluator, "--pool-tokens", str(asked.pool_tokens)]
    print_shares(probed(run_dir, "--strategies", STRATEGIES, *options))


if __name__ == "__main__":
    main()
