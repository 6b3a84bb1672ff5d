"""The file of answers: what people say, and that nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import JobError
from curation.job_file import parse_job, parse_tree, parse_yaml
from curation.report.facts import TO_SAY
from curation.report.record.answers import Answers, questions
from curation.report.record.model import open_pointers
from curation.stages.record import answers_of

JOB = parse_job({"run_dir": "r", "sources": [{"domain": name, "path": "p"} for name in ("web", "books")]}, "job")


def test_nothing_said_is_all_open():
    answers = Answers().model_dump()
    assert len(open_pointers(answers)) == sum(len(block) for name, block in answers.items() if name != "sources")


def test_yes_and_no_have_a_third_state_and_dates_stay_as_they_look():
    text = "personal_data: {contains_personal_data: no}\nidentity: {approved_on: 2026-03-04, owner: 17}\n"
    answers = answers_of(text.encode(), JOB)
    assert answers.personal_data.contains_personal_data == "no"
    assert answers.personal_data.contains_special_categories == TO_SAY
    assert (answers.identity.approved_on, answers.identity.owner) == ("2026-03-04", "17")
    assert answers_of(b"", JOB) == answers_of(None, JOB) == Answers()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("identty: {}", "identty: unknown key; did you mean 'identity'"),
        ("identity: {ownr: x}", "identity.ownr: unknown key; did you mean 'owner'"),
        ("sources: {web: {lnk: x}}", "sources.web.lnk: unknown key; did you mean 'link'"),
        ("sources: {wbe: {link: x}}", "did you mean 'web'"),
        ("sources: {web: {category: stolen}}", "sources.web.category"),
        ("personal_data: {contains_personal_data: perhaps}", "contains_personal_data"),
        ("identity: {owner: ''}", "identity.owner"),
        ("identity: {owner: [a]}", "identity.owner"),
        ("[1]", "answers"),
        ("a: *b", "aliases"),
    ],
)
def test_what_is_wrong_is_named(text, wanted):
    with pytest.raises(JobError) as error:
        answers_of(text.encode(), JOB)
    assert wanted in str(error.value)


@given(st.text(min_size=1), st.sampled_from(["yes", "no", TO_SAY]))
def test_the_questions_are_a_file_of_answers(text, word):
    said = {"identity": {"owner": text}, "sources": {"web": {"link": text}}, "public_summary": {"user_data": word}}
    answers = Answers.model_validate(said)
    asked = questions(answers, JOB.domains)
    read = parse_tree(Answers, parse_yaml(asked, "asked"), "asked")
    assert read.identity.owner == read.sources["web"].link == text
    assert read.public_summary.user_data == word
    assert set(read.sources) == {"web", "books"}
    assert read.sources["books"] == type(read.sources["books"])()
    for field in Answers.model_fields:
        assert f"\n{field}:" in asked
