"""The command line.

Exit status: 0 done, 1 the run failed or a promise does not hold, 2 the job file or the command is wrong. Messages for
a person go to stderr, one or two lines, without a traceback (`--debug` shows it); results go to stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

from rich.console import Console
from rich.text import Text

from curation import __version__
from curation.config import Job
from curation.diff.command import add_diff_arguments, diff_command
from curation.errors import CurationError, JobError
from curation.estimate.options import add_options
from curation.termination import terminate
from curation.trace.command import add_trace_arguments, trace_command

INTERRUPTED = 130

#: Keys that `plan --sweep` takes (all below those that end in a dot): what decides after the embeddings.
SWEPT = ("sampling.", "blending.", "quality.curve.", "phases.", "clustering.", "seed")
MOST_COMBINATIONS = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    options = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    signal.signal(signal.SIGTERM, terminate)
    try:
        return command(options)
    except CurationError as error:
        if options.debug:
            traceback.print_exc()
        print(f"curation: {error}", file=sys.stderr)
        return error.exit_status
    except SystemExit as stopped:
        if stopped.code == signal.SIGTERM:  # from Ray's handler, which stands in for ours while Ray starts
            terminate(signal.SIGTERM, None)
        raise
    except KeyboardInterrupt:
        print("\ncuration: stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output is gone; what was asked for may not have been done
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        print(f"curation: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser("curation", description="Balanced training shards for language models.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = _command(commands, "run", run_command, "do the job; go on where it stopped; do nothing if it is done")
    _job_arguments(run)
    plan = _command(
        commands, "plan", plan_command, "what would be done: documents, tokens, time, disk and cost by stage"
    )
    _job_arguments(plan)
    add_options(plan)
    text = "instead, what each combination of these values would give; needs a run that has its clusters"
    plan.add_argument("--sweep", action="append", metavar="KEY=A,B,C", help=text)
    text = "what is in the corpus and how unbalanced it is, before anything is drawn; `run` goes on from there"
    _job_arguments(_command(commands, "audit", audit_command, text))
    show = _command(commands, "show", show_command, "what went in and what came out; of a run at work, how far it is")
    show.add_argument("run_dir", metavar="RUN_DIR")
    report = _command(commands, "report", report_command, "make the page of a finished run anew: report/index.html")
    report.add_argument("run_dir", metavar="RUN_DIR")
    report.add_argument("--output", metavar="FILE", help="write it here instead")
    verify = _command(commands, "verify", verify_command, "read every table and shard back and check what they promise")
    verify.add_argument("run_dir", metavar="RUN_DIR")
    text = "hash only this share of the files, and read only this share of the vectors and shards, e.g. 0.01"
    verify.add_argument("--sample", type=_share, default=1.0, metavar="SHARE", help=text)
    verify.add_argument("--without-inputs", action="store_true", help="don't ask whether the input files changed")
    trace = _command(commands, "trace", trace_command, "documents that a text may come from, and where they were drawn")
    add_trace_arguments(trace)
    diff = _command(commands, "diff", diff_command, "two runs side by side: what changed and what it did")
    add_diff_arguments(diff)
    demo = _command(commands, "demo", demo_command, "build a corpus of real text from this installation and run it")
    demo.add_argument("run_dir", metavar="RUN_DIR", nargs="?", default="runs/demo")
    demo.add_argument("--set", action="append", metavar="KEY=VALUE", help="override a key of the demo's job file")
    text = "make the record of a finished run anew, with a file of answers to what only people can say"
    record = _command(commands, "record", record_command, text)
    record.add_argument("run_dir", metavar="RUN_DIR")
    record.add_argument("--answers", metavar="FILE", help="YAML; it stays with the run")
    text = "print what is asked, as a file of answers with those that are there, and change nothing"
    record.add_argument("--questions", action="store_true", help=text)
    schema = _command(commands, "schema", schema_command, "the JSON schema of the job file, for editors")
    schema.add_argument("--record", action="store_true", help="that of the record instead")
    features = "the text features of `weights: auto` and the rules of `scorer: heuristics`, with units and formulas"
    _command(commands, "features", features_command, features)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    parser.set_defaults(command=command)
    return parser


def _job_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB.yaml")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="override a key, e.g. sampling.clip=3")


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError("a share is above 0 and at most 1")
    return share


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
    from curation.job_file import parse_job, parse_yaml
    from curation.pipeline import current_markers
    from curation.report.page.render import page_html
    from curation.stages.context import JOB
    from curation.stages.page import PAGE, page_data
    from curation.stages.report import SUMMARY
    from curation.storage.store import Store

    store = Store.open(options.run_dir)
    markers = current_markers(store)
    if markers["report"] is None:
        raise JobError(f"{store.shown()}: the run has no report; `curation run` with its job file finishes it")
    job = parse_job(parse_yaml(store.read_bytes(JOB).decode(), JOB), JOB)
    seconds = {name: marker.seconds for name, marker in markers.items() if marker}
    page = page_html(page_data(store, job, store.read_json(SUMMARY), seconds)).encode()
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


if __name__ == "__main__":
    raise SystemExit(main())
