"""The command line.

Exit status: 0 done, 1 the run failed or a promise does not hold, 2 the job file or the command is wrong. Messages for
a person go to stderr, one or two lines, without a traceback (`--debug` shows it); results go to stdout.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from curation import __version__
from curation.commands import (
    audit_command,
    demo_command,
    features_command,
    plan_command,
    record_command,
    report_command,
    run_command,
    schema_command,
    show_command,
    verify_command,
)
from curation.diff.command import add_diff_arguments, diff_command
from curation.errors import CurationError
from curation.estimate.options import add_options
from curation.probe.command import add_probe_arguments, probe_command
from curation.termination import terminate
from curation.trace.command import add_trace_arguments, trace_command

INTERRUPTED = 130


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
    text = (
        "whether balance helps on this corpus, and which setting most: small models, trained on a run's own documents"
    )
    add_probe_arguments(_command(commands, "probe", probe_command, text))
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


if __name__ == "__main__":
    raise SystemExit(main())
