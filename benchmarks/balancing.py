"""How much of what balancing the true kinds of text wins do clusters win, that know nothing of the kinds?

Runs a job on a corpus that `benchmarks/labelled.py` built, with vectors of style, and probes it: the loss averaged over
the true domains, against the corpus as it is. The oracle is `unimax`: even true domains, no document more than five
times. Labels are used to score, and by the oracle alone. One setting for every corpus. A strategy's share of the
oracle's gain is told with the reach of its 95 % interval over the seeds; all of them have the same validation text.

    python benchmarks/balancing.py FOLDER/languages --seeds 10
    python benchmarks/balancing.py FOLDER/kinds --seeds 10 --evaluator both
    python benchmarks/balancing.py FOLDER/kinds-balanced --alarms 20

With `--alarms N` it asks N times what helps on a corpus whose domains are even already: by chance alone at most one in
twenty may say so. Each time it looks at a random half of the documents, with other seeds. Two of the halves have half
of their documents in common, so N rounds tell less than N corpora would.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from curation.probe.strategies import STRATEGIES as KNOWN

STRATEGIES = "clusters_30,clusters_100,clusters_300,clusters_1000,groups_30,groups_kmeans,levels,unimax"
#: Share of the documents that a round of `--alarms` looks at.
ALARM_SHARE = 0.5
METRIC = "macro_domain"


def setting() -> dict[str, dict[str, Any]]:
    """Sections of the job: those of the probe's strategy `levels`, with vectors that tell kinds of text apart."""
    sections: dict[str, dict[str, Any]] = {
        "embedding": {"model": "lexical", "features": "style", "dimensions": 64},
        "clustering": {"max_iterations": 20},
        "sampling": {"budget": {"tokens": 2_500_000}},
    }
    for key, value in KNOWN["levels"].parameters.items():
        section, _, name = key.partition(".")
        sections[section][name] = value
    return sections


def finished_run(corpus: Path, run_dir: Path) -> Path:
    """The run of the corpus with the setting, done where it is not yet."""
    sources = [{"domain": path.stem, "path": str(path)} for path in sorted(corpus.glob("*.parquet"))]
    job = run_dir.with_suffix(".yaml")
    job.write_text(
        json.dumps({"run_dir": str(run_dir), "sources": sources, **setting()}), encoding="utf-8"
    )  # JSON is YAML
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
        rows = [one for one in results["comparisons"] if (one["evaluator"], one["metric"]) == (evaluator, METRIC)]
        gained = gains(results["cells"], evaluator)
        oracle = gained["unimax"]
        print(f"{evaluator}: the oracle wins {oracle.mean():.3f} nats")
        for one in sorted(rows, key=lambda row: float(row["difference"])):
            share, reach = share_of_oracle(gained[one["strategy"]], oracle)
            seeds = f"{one['wins']} of {one['seeds']} seeds"
            print(f"  {one['strategy']:16} {one['difference']:+.3f}   {share:+5.0%} (+-{reach:.0%})   {seeds}")


def gains(cells: list[dict[str, Any]], evaluator: str) -> dict[str, NDArray[np.float64]]:
    """What each strategy wins against the corpus as it is, nats, float64[seeds]."""
    losses: dict[str, dict[int, float]] = {}
    for cell in cells:
        if cell["evaluator"] == evaluator:
            losses.setdefault(cell["strategy"], {})[cell["seed"]] = cell["losses"][METRIC]
    base = losses.pop("random")
    return {name: np.array([base[seed] - own[seed] for seed in sorted(base)]) for name, own in losses.items()}


def share_of_oracle(gain: NDArray[np.float64], oracle: NDArray[np.float64]) -> tuple[float, float]:
    """The mean gain as a share of the oracle's, and how far its 95 % interval over the seeds reaches to either side.

    Both gains of a seed go together, so the error of the share is that of gain - share * oracle (the ratio estimator:
    Cochran, Sampling Techniques, 1977, chapter 6), by Student's t for so few seeds. The share is nan where the oracle
    wins nothing; the reach is inf where there is one seed.
    """
    won, seeds = float(oracle.mean()), len(oracle)
    if won <= 0:
        return math.nan, math.nan
    share = float(gain.mean()) / won
    if seeds < 2:
        return share, math.inf
    error = float((gain - share * oracle).std(ddof=1)) / math.sqrt(seeds) / won
    return share, float(student.ppf(0.975, seeds - 1)) * error


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
            options = ["--seed", str(seed), "--fraction", str(ALARM_SHARE)]
            results = probed(run_dir, *options, "--strategies", STRATEGIES.replace(",unimax", ""))
            target = [one for one in results["comparisons"] if one["metric"] == METRIC]
            false += any(one["verdict"] == "helps" for one in target)
            print(f"{seed}: {results['sentence']}", flush=True)
        print(f"something helps in {false} of {asked.alarms}")
        return
    options = ["--seeds", str(asked.seeds), "--evaluator", asked.evaluator, "--pool-tokens", str(asked.pool_tokens)]
    print_shares(probed(run_dir, "--strategies", STRATEGIES, *options))


if __name__ == "__main__":
    main()
