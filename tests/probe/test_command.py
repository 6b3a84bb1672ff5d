"""`curation probe` on the command line: what it takes, refuses and prints, without a run."""

from __future__ import annotations

import json

import pytest

from curation.cli import main
from curation.errors import JobError, RunError
from curation.page_again import renew_page
from curation.probe.strategies import STRATEGIES, check_names
from curation.storage.lock import locked
from curation.storage.store import Store
from tests.probe.made import made_results
from tests.probe.pools import made_job


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "1e3"], "--seeds: '1e3' is not a whole number, at least 1"),
        (["--tokens", "0"], "--tokens: '0' is not a whole number, at least 1"),
        (["--epochs", "two"], "--epochs: 'two' is not a number above 0 and at most 100"),
        (["--fraction", "nan"], "--fraction: 'nan' is not a share"),
        (["--one-in", "10,1e2"], "--one-in: '10,1e2' is not whole numbers, at least 1"),
        (["--one-in", "10,"], "--one-in: '10,' is not whole numbers"),
        (["--one-in", "0,5"], "--one-in: '0,5' is not whole numbers"),
    ],
)
def test_numbers_that_can_t_be_are_refused_in_words(arguments, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["probe", str(tmp_path), *arguments])
    assert left.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        ["--strategies", "random"],
        ["--evaluator", "ngram"],
        ["--gpt-seeds", "3"],
        ["--epochs", "0.25"],
        ["--pool-tokens", "1000"],
        ["--fraction", "1"],
        ["--hold-back", "web"],
        ["--target", "domain"],
        ["--seed", "0"],
    ],
)
def test_what_says_nothing_to_a_debt_is_refused_beside_it(option, tmp_path, capsys):
    assert main(["probe", str(tmp_path), "--pattern", "x is", "--from", "a", "--to", "b", *option]) == 2
    assert f"{option[0]}: it is about a comparison of strategies" in capsys.readouterr().err


def test_what_says_nothing_to_a_comparison_is_refused(tmp_path, capsys):
    assert main(["probe", str(tmp_path), "--one-in", "10"]) == 2
    assert "--one-in: it is about a curation debt" in capsys.readouterr().err


def test_the_list_has_every_name_that_can_be_asked_for(capsys):
    assert main(["probe", "nowhere", "--strategies", "list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == [*STRATEGIES, "job"]
    with pytest.raises(JobError, match=f"There are: {', '.join(listed)}$"):
        check_names(["jobs"])


def test_results_are_printed_even_where_the_page_can_t_be_made(tmp_path, monkeypatch, capsys):
    def failing(store):
        raise RunError("the page can't be made")

    debt = {"pattern": "x is", "rows": []}
    monkeypatch.setattr("curation.page_again.renew_page", failing)
    monkeypatch.setattr("curation.probe.run.probed_job", lambda *_: made_job())
    monkeypatch.setattr("curation.probe.run.probe", lambda *_: made_results())
    monkeypatch.setattr("curation.probe.debt_command.run_debt", lambda *_, **__: debt)
    for options, printed in (([], made_results()), (["--pattern", "x is", "--from", "a", "--to", "b"], debt)):
        assert main(["probe", str(tmp_path), "--json", *options]) == 1
        found = capsys.readouterr()
        assert json.loads(found.out) == printed
        assert "the page can't be made" in found.err


def test_the_page_is_not_written_while_another_process_works_on_the_run(tmp_path):
    store = Store.open(str(tmp_path))
    with locked(store), pytest.raises(RunError, match="is in use by"):
        renew_page(store)
