"""The tables for a terminal."""

from __future__ import annotations

import re

from curation.probe.text import probe_text
from tests.probe.made import EFFECTS, made_results


def lines_of(text, title):
    """The lines of a table from its title to the empty line after it, those of its head left out."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(title))
    end = next(number for number in range(start + 4, len(lines)) if not lines[number].strip())
    return [line.split() for line in lines[start + 4 : end]]


def test_strategies_come_by_their_loss_with_every_figure():
    results = made_results(noise=0.001)
    text = probe_text(results)
    rows = lines_of(text, "By the n-gram model, 5 seeds")
    assert [row[0] for row in rows][:2] == ["groups_30", "cluster_clip_5"]
    assert rows[-1][0] == "uniform"
    losses = [float(row[1]) for row in rows]
    assert losses == sorted(losses)
    [best] = [
        row for row in results["comparisons"] if (row["strategy"], row["metric"]) == ("groups_30", "macro_domain")
    ]
    difference = f"{best['difference']:+.3f} ({best['low']:+.3f} to {best['high']:+.3f})"
    assert rows[0][2:10] == [*difference.split(), "5", "of", "5", "0.0625"]
    assert rows[0][10] == "helps"
    assert rows[0][-2:] == ["15%", "2.1M"]
    [baseline] = [row for row in rows if row[0] == "random"]
    assert baseline[2] == "baseline"


def test_each_model_has_a_table_and_the_one_that_judges_comes_first():
    text = probe_text(made_results(gpt=EFFECTS))
    assert text.index("By the n-gram model, 5 seeds") < text.index("By the small GPT, 3 seeds")
    assert len(lines_of(text, "By the small GPT")) == len(EFFECTS)


def test_the_sweep_over_the_clip_marks_the_one_to_take():
    results = made_results()
    text = probe_text(results)
    rows = lines_of(text, "Clip")
    assert [row[0] for row in rows] == ["1", "3", "5", "10", "20"]
    assert [row[0] for row in rows if "*" in row] == [str(results["clip"]["recommended"])]
    assert f"Take sampling.clip={results['clip']['recommended']}: {results['clip']['why'][:40]}" in text
    alone = made_results({"random": (0, 0, 0), "uniform": (0.1, 0, 0)})
    assert "Clip" not in probe_text(alone)


def test_where_no_clip_is_recommended_none_is_marked():
    results = made_results()
    results["clip"] |= {"recommended": None, "why": "nothing is repeated."}
    text = probe_text(results)
    assert "No clip to take: nothing is repeated." in text
    assert not [row for row in lines_of(text, "Clip") if "*" in row]


def test_the_pilot_and_what_was_held_back_are_told():
    results = made_results()
    assert "pilot" not in probe_text(results)
    results["pilot"] = {"fraction": 0.1, "whole_key": "0", "rank_correlation": 0.834, "strategies": ["a", "b", "c"]}
    results["settings"]["held_back"] = ["law", "news"]
    text = " ".join(probe_text(results).split())
    assert "A pilot on 10% of the documents put 3 strategies in an order that has a rank correlation of 0.83" in text
    assert "Held back from training: law, news." in text
    results["pilot"]["rank_correlation"] = None
    assert "can't be compared with the whole: 3 strategies are in no order" in " ".join(probe_text(results).split())


def test_names_from_a_job_file_can_not_steer_a_terminal():
    effects = {"random": (0, 0, 0), "bad\x1b[2J\nname": (-0.1, 0, 0)}
    results = made_results(effects, domains=("a", "b\x1b[31m"))
    text = probe_text(results)
    assert "\x1b" not in text
    assert re.search(r"bad\S* ?\[2J name", text)


def test_a_narrow_terminal_has_fewer_columns_and_the_same_figures_in_them():
    results = made_results()
    wide, narrow = (lines_of(probe_text(results, width), "By the n-gram model") for width in (140, 110))
    shown = slice(0, 11)  # up to the verdict: an interval is three words, and so is what was won
    for row, short_row in zip(wide, narrow, strict=True):
        if row[0] != "random":
            assert short_row == [*row[shown], *row[-3:-1]] or "can't" in row
    for width in (110, 140, 200):
        assert max(map(len, probe_text(results, width).splitlines())) <= width


def test_strategies_that_a_model_has_no_loss_of_come_last():
    results = made_results()
    for cell in results["cells"]:
        if cell["strategy"] == "groups_30":
            cell["losses"]["macro_domain"] = float("nan")
    results["comparisons"] = [row for row in results["comparisons"] if row["strategy"] != "groups_30"]
    rows = lines_of(probe_text(results), "By the n-gram model")
    assert rows[-1][:2] == ["groups_30", "-"]
