"""The commands: what each does with its options, and the exit status it ends with.

A command imports what it needs when it is called, so that none waits for the libraries of the others. Results go to
stdout; what a person must mend is raised, and `cli` prints it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from math import prod
from pathlib import Path

from rich.console import Console
from rich.text import Text

from curation.config import Job
from curation.errors import JobError

#: Keys that `plan --sweep` takes (all below those that end in a dot): what decides after the embeddings.
SWEPT = ("sampling.", "blending.", "quality.curve.", "phases.", "clustering.", "seed")
MOST_COMBINATIONS = 1000


def run_command(options: argparse.Namespace) -> int:
    """`curation run`."""
    from curation.job_file import load_job

    return run_and_show(load_job(options.job, options.set), options.set or [])


def run_and_show(job: Job, overrides: Sequence[str]) -> int:
    """Does a job and prints its summary."""
    from curation.pipeline import run_job
    from curation.progress import Reporter

    run_job(job, Reporter(), overrides)
    return _show(job.run_dir)


def audit_command(options: argparse.Namespace) -> int:
    """`curation audit`."""
    from curation.job_file import load_job
    from curation.pipeline import audit_job
    from curation.progress import Reporter
    from curation.report.audit_text import print_audit

    found = audit_job(load_job(options.job, options.set), Reporter(), options.set or [])
    print_audit(found, Console(highlight=False, width=None if sys.stdout.isatty() else 140))
    return 0


def plan_command(options: argparse.Namespace) -> int:
    """`curation plan`."""
    from curation.estimate.plan import estimate
    from curation.estimate.text import print_estimate
    from curation.job_file import load_job

    if options.sweep:
        return _sweep(options)
    found = estimate(load_job(options.job, options.set), options.hardware, options.nodes, options.deadline)
    print_estimate(found, Console(highlight=False, width=None if sys.stdout.isatty() else 140))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    from curation.pipeline import STAGES, stage_fingerprint
    from curation.progress import Reporter
    from curation.report.sweep_text import print_sweep
    from curation.stages.sweep import sweep

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    swept = swept_values(options.sweep)
    print_sweep(sweep(options.job, options.set or [], swept, STAGES, stage_fingerprint, Reporter()), console)
    return 0


def swept_values(options: Sequence[str]) -> dict[str, list[str]]:
    """The values of each key, as they were written, from `KEY=A,B,C` options.

    Raises:
        JobError: an option is not written so or names a key that can't be swept, or there are too many combinations.
    """
    from curation.job_file import check_key, parse_yaml

    swept: dict[str, list[str]] = {}
    for option in options:
        key, _, rest = (part.strip() for part in option.partition("="))
        values = [value.strip() for value in rest.split(",")]
        if not key or not all(values):
            raise JobError(f"--sweep {option}: write it as KEY=A,B,C, for example sampling.clip=1,3,5")
        if not any(key == name or (name.endswith(".") and key.startswith(name)) for name in SWEPT):
            names = ", ".join(name + "*" * name.endswith(".") for name in SWEPT)
            raise JobError(f"--sweep {option}: {key} can't be swept; these keys can: {names}")
        check_key(key, f"--sweep {option}")
        if key in swept:
            raise JobError(f"--sweep {option}: {key} is swept twice; give all its values at once")
        if any(isinstance(parse_yaml(value, f"--sweep {option}"), list | dict) for value in values):
            raise JobError(f"--sweep {option}: a value must be a number or a word")
        swept[key] = values
    budgets = [key.rpartition(".")[0] for key in swept if key.endswith((".budget.epochs", ".budget.tokens"))]
    if len(set(budgets)) < len(budgets):
        raise JobError("--sweep: epochs and tokens of one budget exclude each other; sweep one of them")
    if (number := prod(map(len, swept.values()))) > MOST_COMBINATIONS:
        raise JobError(f"--sweep: {number:,} combinations are more than {MOST_COMBINATIONS:,}; give fewer values")
    return swept


def show_command(options: argparse.Namespace) -> int:
    """`curation show`."""
    return _show(options.run_dir)


def _show(run_dir: str) -> int:
    from curation.pipeline import current_markers
    from curation.report.live import print_live
    from curation.report.text import print_summary
    from curation.stages.page import PAGE
    from curation.stages.report import SUMMARY
    from curation.storage.store import Store
    from curation.watch import watch

    store = Store.open(run_dir)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    markers = current_markers(store)
    if markers["report"] is None:
        print_live(watch(store, markers), console)
    else:
        seconds = {name: marker.seconds for name, marker in markers.items() if marker}
        print_summary(store.read_json(SUMMARY), seconds, console)
        console.print(Text(f"The same to look at: {store.shown(PAGE)}"), soft_wrap=True)
    return 0


def report_command(options: argparse.Namespace) -> int:
    """`curation report`."""
    from curation.page_again import page_again
    from curation.stages.page import PAGE
    from curation.storage.store import Store

    store = Store.open(options.run_dir)
    page = page_again(store)
    if page is None:
        raise JobError(f"{store.shown()}: the run has no report; `curation run` with its job file finishes it")
    if options.output:
        Path(options.output).write_bytes(page)
    else:
        store.write_bytes(PAGE, page)
    print(options.output or store.shown(PAGE))
    return 0


def verify_command(options: argparse.Namespace) -> int:
    """`curation verify`."""
    from curation.pipeline import STAGES, stage_fingerprint
    from curation.storage.store import Store
    from curation.verify import verify

    checks = 0
    faults = []
    store, inputs = Store.open(options.run_dir), not options.without_inputs
    for fault in verify(store, STAGES, stage_fingerprint, sample=options.sample, inputs=inputs):
        checks += 1
        if fault is not None:
            faults.append(fault)
            print(fault)
    print(f"{checks} checks, {len(faults)} failed")
    return 1 if faults else 0


def demo_command(options: argparse.Namespace) -> int:
    """`curation demo`."""
    from curation.demo import build_corpus, demo_job
    from curation.job_file import load_job

    run_dir = Path(options.run_dir)
    corpus = run_dir.with_name(run_dir.name + "-corpus")
    built = build_corpus(corpus)
    path = corpus.with_suffix(".yaml")
    path.write_text(demo_job(corpus, run_dir), encoding="utf-8")
    total = f"{sum(built.documents.values()):,} documents in {len(built.documents)} domains"
    print(f"corpus: {corpus} ({total}); job file: {path}", file=sys.stderr)
    return run_and_show(load_job(str(path), options.set), options.set or [])


def record_command(options: argparse.Namespace) -> int:
    """`curation record`."""
    from curation.record_again import asked, record_again

    if options.questions:
        print(asked(options.run_dir), end="")
        return 0
    open_questions = record_again(options.run_dir, options.answers)
    print(f"{options.run_dir}/record: made; {open_questions} questions are open")
    return 0


def schema_command(options: argparse.Namespace) -> int:
    """`curation schema`."""
    from curation.report.record.model import record_schema

    print(json.dumps(record_schema() if options.record else Job.model_json_schema(), indent=1))
    return 0


def features_command(options: argparse.Namespace) -> int:
    """`curation features`."""
    from curation.text.features import describe_features
    from curation.text.heuristics import describe_rules

    print(describe_features())
    print(describe_rules())
    return 0
