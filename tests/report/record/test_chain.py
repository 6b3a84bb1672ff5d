"""The chain of decisions: whatever is done to its lines is found."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.report.record.chain import FIELDS, NOTHING, appended, break_after, fault_of, head, latest, news, said

texts = st.text(max_size=20)
lines = st.lists(st.builds(said, texts, texts, texts, texts, texts, st.lists(texts, max_size=2)), max_size=6)


def chain(count=6):
    found = [said("job file", "job", f"k{number} = {number}", "why", f"job.yaml#k{number}") for number in range(count)]
    return appended("", found, "2026-01-01T00:00:00Z")


@given(lines, lines)
def test_appending_twice_is_appending_once(first, second):
    at_once = appended("", [*first, *second], "t")
    text = appended("", first, "t")
    assert appended(text, second, "t") == at_once
    assert at_once.startswith(text)
    assert fault_of(at_once) is None
    assert len(at_once.splitlines()) == head(at_once)[0] == len(first) + len(second)
    assert break_after(at_once, *head(text)) is None


def test_a_line_has_its_fields_and_the_hash_of_the_one_before():
    one, two = (json.loads(line) for line in chain(2).splitlines())
    assert tuple(one) == FIELDS
    assert (one["seq"], one["prev_sha256"], two["prev_sha256"]) == (0, NOTHING, one["sha256"])
    assert head("") == (0, NOTHING)


@given(st.data())
def test_every_changed_byte_is_found(data):
    raw = chain().encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    bit = data.draw(st.integers(0, 6))
    changed = (raw[:place] + bytes([raw[place] ^ (1 << bit)]) + raw[place + 1 :]).decode()
    assert fault_of(changed) is not None


@pytest.mark.parametrize("number", range(6))
def test_a_line_that_is_changed_removed_or_moved_is_found(number):
    rows = chain().splitlines(keepends=True)
    changed = [*rows]
    changed[number] = changed[number].replace("why", "because")
    assert fault_of("".join(changed)) == f"line {number + 1} was changed"
    if number < 5:  # without the last one it is a chain, which is why the record names the end
        assert f"line {number + 1}" in fault_of("".join(rows[:number] + rows[number + 1 :]))
        swapped = [*rows]
        swapped[number], swapped[number + 1] = swapped[number + 1], swapped[number]
        assert f"line {number + 1}" in fault_of("".join(swapped))
    assert f"line {number + 2}" in fault_of("".join([*rows[: number + 1], *rows[number:]]))
    cut = "".join(rows[:number])
    assert fault_of(cut) is None
    assert break_after(cut, *head("".join(rows))) == f"it has {number} lines, and 6 when the record was made"


def test_a_line_that_was_changed_with_its_hash_breaks_the_next_one():
    rows = chain().splitlines(keepends=True)
    other = appended("".join(rows[:2]), [said("job file", "job", "k2 = 7", "why", "job.yaml#k2")], "t").splitlines(
        True
    )[2]
    assert fault_of("".join([*rows[:2], other, *rows[3:]])) == "line 4 does not follow from the one before it"
    assert break_after("".join([*rows[:2], other]), 3, json.loads(rows[2])["sha256"]) is not None


@pytest.mark.parametrize("text", ["x\n", "[]\n", "{}\n", '{"seq": 0}\n', chain()[:-1], chain() + "\n", "\n"])
def test_what_is_no_chain_is_told(text):
    assert fault_of(text) is not None


def test_only_what_changed_is_said_again():
    text = chain(3)
    same = said("job file", "job", "k1 = 1", "why", "job.yaml#k1")
    other = same | {"decision": "k1 = 2"}
    assert news(text, [same]) == []
    assert news(text, [other]) == [other]
    later = appended(text, [other], "t")
    assert news(later, [other]) == []
    assert news(later, [same]) == [same]
    assert latest(later)["job", "job.yaml#k1"] == other
