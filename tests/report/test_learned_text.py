"""Learned weights in words and as a table."""

from __future__ import annotations

import io

from rich.console import Console

from curation.report.learned_text import MOST_ROWS, learned_in_words, learned_table


def because(kept="learned", high=-0.01, units=3):
    columns = ("natural", "fitted", "weight", "lower", "upper")
    told = [{"name": f"unit-{n}"} | dict.fromkeys(columns, (n + 1) / 1000) for n in range(units)]
    check = {"natural": 3.5, "fitted": 3.4, "difference": -0.1, "low": -0.2, "high": high}
    return {
        "of": "clusters",
        "target": "worst_domain",
        "kept": kept,
        "units": told,
        "trials": 27,
        "trial_tokens": 20_000,
        "fit": {"r2": 0.875, "rank_correlation": 0.5},
        "check": check,
    }


def shown(told):
    console = Console(file=io.StringIO(), width=400)
    console.print(learned_table(told))
    return console.file.getvalue()


def caption(told):
    return " ".join(shown(told).split())


def test_words_say_what_was_low_and_what_it_is_worth():
    words = learned_in_words(because())
    assert words.startswith("fitted on 27 trials of 20,000 tokens so that the loss of the worst domain is low; ")
    assert words.endswith(
        "3.400 with them and 3.500 with the natural weights (difference -0.100 nats a token, 95 % -0.200 to -0.010)"
    )


def test_words_say_why_natural_weights_are_taken():
    assert learned_in_words(because("natural", 0.2)).endswith("; that is no gain, so the natural weights are taken")
    few = learned_in_words(because("natural", -0.01))
    assert few.endswith("; those texts are too few to tell, so the natural weights are taken")


def test_the_table_has_the_largest_weights_first_and_says_what_it_leaves_out():
    lines = shown(because(units=MOST_ROWS + 5)).splitlines()
    assert [line.split()[0] for line in lines if line.strip().startswith("unit-")] == [
        f"unit-{n}" for n in range(MOST_ROWS + 4, 4, -1)
    ]
    assert "; 5 more are in learned/weights.json" in caption(because(units=MOST_ROWS + 5))
    assert "more are in" not in caption(because())
    assert "explains 88% of the variance, rank correlation 0.50" in caption(because())
