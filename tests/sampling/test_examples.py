"""The examples in the docstrings are true."""

import doctest
from importlib import import_module

import pytest

NAMES = [
    "allocation",
    "balance",
    "cells",
    "copies",
    "grouping",
    "preference",
    "schedule",
    "validation",
    "water_filling",
]


@pytest.mark.parametrize("name", NAMES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(import_module(f"curation.sampling.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
