"""The options of `curation plan` that are about machines."""

from __future__ import annotations

import argparse

import pytest

from curation.estimate.options import HARDWARE, add_options, duration, nodes
from curation.estimate.profiles import NAMES


@pytest.mark.parametrize(("text", "seconds"), [("8h", 28800), ("1h30m", 5400), ("90s", 90), ("1.5d", 129600)])
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "0h", "8 h", "-1h", "8h!", "1e3s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


@pytest.mark.parametrize(("text", "found"), [("4", (4, None)), ("4+2", (4, 2)), ("0+2", (0, 2)), ("3+0", (3, 0))])
def test_nodes(text, found):
    assert nodes(text) == found


@pytest.mark.parametrize("text", ["", "0", "0+0", "4+", "+2", "-1", "x", "4+2+1"])
def test_what_are_no_nodes_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        nodes(text)


def test_every_profile_can_be_asked_for():
    assert ("here", *NAMES) == HARDWARE
    parser = argparse.ArgumentParser()
    add_options(parser)
    found = parser.parse_args(["--hardware", "h100", "--nodes", "2+1", "--deadline", "8h"])
    assert (found.hardware, found.nodes, found.deadline) == ("h100", (2, 1), 28800)
