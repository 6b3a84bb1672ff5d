"""`curation probe`: its arguments, and what it does with them."""

from __future__ import annotations

import argparse
import json
import math

from curation.errors import JobError
from curation.probe.asked import EPOCHS, GPT_SEEDS, MOST_TOKENS, POOL_TOKENS, SEEDS, Asked
from curation.probe.debt_command import add_debt_arguments, debt_command


def add_probe_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    # None stands for every default, so that --pattern can refuse what was given.
    parser.add_argument("run_dir", metavar="RUN_DIR")
    text = "these instead of the default ones, by name; `list` prints them all"
    parser.add_argument("--strategies", type=_names, metavar="A,B,C", help=text)
    text = f"of clustering, sampling and training ({SEEDS}; fewer than 5 never make a verdict)"
    parser.add_argument("--seeds", type=_count, metavar="N", help=text)
    text = "n-gram model (seconds a strategy; the default), small GPT (minutes), or both"
    parser.add_argument("--evaluator", choices=("ngram", "gpt", "both"), help=text)
    text = f"seeds of the small GPT ({GPT_SEEDS})"
    parser.add_argument("--gpt-seeds", type=_count, metavar="N", help=text)
    drawn = parser.add_mutually_exclusive_group()
    text = f"tokens that each strategy draws (a quarter of the pool, at most {MOST_TOKENS:,})"
    drawn.add_argument("--tokens", type=_count, metavar="N", help=text)
    text = f"instead, as a multiple of the pool's ({EPOCHS}); that of your job repeats documents as often as it does"
    drawn.add_argument("--epochs", type=_epochs, metavar="E", help=text)
    text = f"tokens of the random sample of documents that they draw from ({POOL_TOKENS:,}, or fewer with --epochs)"
    parser.add_argument("--pool-tokens", type=_count, metavar="N", help=text)
    text = "look at this share of the corpus only, as a pilot before a large run, e.g. 0.1"
    parser.add_argument("--fraction", type=_share, metavar="SHARE", help=text)
    text = "train without these domains and judge by them alone; `each`: each domain, or family of domains, in turn"
    parser.add_argument("--hold-back", type=_names, metavar="A,B", help=text)
    text = "whose mean loss is judged (domain where there are several, else cluster)"
    parser.add_argument("--target", choices=("domain", "cluster", "language"), help=text)
    parser.add_argument("--seed", type=int, metavar="N", help="other documents, clusters and draws (0)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    add_debt_arguments(parser)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _count(text: str) -> int:
    try:
        count = int(text.replace("_", ""))
    except ValueError:
        count = 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, at least 1")
    return count


def _epochs(text: str) -> float:
    epochs = _number(text)
    if not 0 < epochs <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 100")
    return epochs


def _share(text: str) -> float:
    share = _number(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: a number above 0 and at most 1")
    return share


def _number(text: str) -> float:
    """A number; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def probe_command(options: argparse.Namespace) -> int:
    """`curation probe`."""
    if any(text is not None for text in (options.pattern, options.old, options.new)):
        return debt_command(options)
    if options.one_in is not None:
        raise JobError(
            "--one-in: it is about a curation debt: name one with --pattern, --from and --to, or leave it out"
        )
    from curation.page_again import renew_page
    from curation.pipeline import current_markers
    from curation.probe.run import probe, probed_job
    from curation.probe.strategies import OWN, OWN_WORDS, STRATEGIES
    from curation.probe.text import probe_text
    from curation.progress import Reporter
    from curation.storage.store import Store

    if options.strategies == ["list"]:
        words = {strategy.name: strategy.words for strategy in STRATEGIES.values()}
        for name, told in (words | {OWN: OWN_WORDS}).items():
            print(f"{name:<30} {told}")
        return 0
    store = Store.open(options.run_dir)
    markers = current_markers(store)
    results = probe(store, probed_job(store, markers), markers, _asked(options), Reporter())
    print(json.dumps(results, indent=1, ensure_ascii=False) if options.json else probe_text(results).rstrip("\n"))
    renew_page(store)  # after the results, which took long and do not hang on it
    return 0


def _asked(options: argparse.Namespace) -> Asked:
    seeds, evaluator = {}, options.evaluator or "ngram"
    if evaluator in ("ngram", "both"):
        seeds["ngram"] = options.seeds or SEEDS
    if evaluator in ("gpt", "both"):
        seeds["gpt"] = options.gpt_seeds or GPT_SEEDS
    return Asked(
        strategies=options.strategies,
        seeds=seeds,
        tokens=options.tokens,
        epochs=options.epochs,
        pool_tokens=options.pool_tokens,
        fraction=options.fraction or 1.0,
        hold_back=options.hold_back,
        target=options.target,
        seed=options.seed or 0,
    )
