"""What only people can say of a run: the questions of the record, and their answers.

Everything here is `TO BE PROVIDED` until somebody says it in the file of answers; nothing is guessed from the data, and
a question for yes or no has that third state too. The classes are the shape of the file of answers, and the blocks of
the record are built on them, so a question stands in one place. The docstring under a question is what is asked.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from curation.report.facts import TO_SAY


class Block(BaseModel):
    """A part of the record or of the answers. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _as_text(value: Any) -> Any:
    """YAML reads dates and numbers as such; they are meant as they look."""
    return value if isinstance(value, str | bool | list | dict) or value is None else str(value)


def _as_word(value: Any) -> Any:
    """YAML 1.1 reads yes and no as truth values."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=20_000)]
YesNo = Annotated[Literal["yes", "no", "TO BE PROVIDED"], BeforeValidator(_as_word)]
Category = Literal["public", "licensed", "private", "crawled", "user", "synthetic", "other", "TO BE PROVIDED"]


class IdentityAnswers(Block):
    """Who stands for the data set."""

    owner: Text = TO_SAY
    """Who owns the data set and answers for it."""
    reviewer: Text = TO_SAY
    """Who reviewed this record."""
    approved_on: Text = TO_SAY
    """When it was approved."""


class PurposeAnswers(Block):
    """What the data set is for."""

    intended_use: Text = TO_SAY
    """What it is meant to be used for."""
    out_of_scope_use: Text = TO_SAY
    """What it must not be used for."""
    rationale: Text = TO_SAY
    """Why it was put together in this way."""


class SourceAnswers(Block):
    """Where the documents of a domain come from."""

    name: Text = TO_SAY
    """The name under which it is known."""
    link: Text = TO_SAY
    """Where it can be had."""
    category: Category = "TO BE PROVIDED"
    """Public data set (section 2.1 of the public summary), commercially licensed (2.2.1), other private (2.2.2),
    crawled (2.3), from users (2.4), synthetic (2.5) or other (2.6)."""
    collection_process: Text = TO_SAY
    """How it was collected or made, and by whom."""
    original_purpose: Text = TO_SAY
    """Of personal data: the purpose for which it was collected."""
    legal_basis: Text = TO_SAY
    """On which legal basis it is used."""
    collection_period: Text = TO_SAY
    """From when to when it was collected."""
    crawler: Text = TO_SAY
    """Of crawled data: name, purpose and behaviour of the crawler (robots.txt, captchas, paywalls)."""
    opt_outs: Text = TO_SAY
    """How reservations of rights and requests for removal were honoured."""


class PersonalDataAnswers(Block):
    """Personal, sensitive and illegal content."""

    contains_personal_data: YesNo = "TO BE PROVIDED"
    """Whether there is personal data in it."""
    contains_special_categories: YesNo = "TO BE PROVIDED"
    """Whether there are special categories of personal data in it."""
    personal_data_measures: Text = TO_SAY
    """What was done about personal data."""
    illegal_content_measures: Text = TO_SAY
    """What was done to find and remove illegal content."""


class AssumptionAnswers(Block):
    """What the data are taken to stand for."""

    represents: Text = TO_SAY
    """What the data are meant to measure and represent."""
    geographical_setting: Text = TO_SAY
    """Where the system will be used, as far as the data must reflect it."""
    contextual_setting: Text = TO_SAY
    """In which context."""
    behavioural_setting: Text = TO_SAY
    """By whom, behaving how."""
    functional_setting: Text = TO_SAY
    """For which functions."""


class JudgementAnswers(Block):
    """What people conclude from the audit."""

    suitability: Text = TO_SAY
    """Whether the data are available, enough and suited for the purpose."""
    errors: Text = TO_SAY
    """How far the data are free of errors and complete in view of the purpose."""
    bias_measures: Text = TO_SAY
    """What was done to detect, prevent and mitigate biases, beyond what the steps say."""
    known_gaps: Text = TO_SAY
    """Gaps and shortcomings that are known, and how they are to be addressed."""
    accepted_risks: Text = TO_SAY
    """Findings that were accepted, and why."""


class PublicSummaryAnswers(Block):
    """What the public summary of training content asks beyond the data set itself."""

    provider: Text = TO_SAY
    """Name and contact of the provider of the model."""
    authorised_representative: Text = TO_SAY
    """Name and contact of the authorised representative."""
    models: Text = TO_SAY
    """Names and versions of the models, and what they depend on."""
    placed_on_market: Text = TO_SAY
    """When the model was placed on the market."""
    latest_acquisition: Text = TO_SAY
    """Month and year in which data was acquired last."""
    other_characteristics: Text = TO_SAY
    """Other characteristics of the training data."""
    public_datasets: YesNo = "TO BE PROVIDED"
    """2.1: whether public data sets were used."""
    licensed_data: YesNo = "TO BE PROVIDED"
    """2.2.1: whether data was licensed commercially."""
    private_data: YesNo = "TO BE PROVIDED"
    """2.2.2: whether other private data was used."""
    crawled_data: YesNo = "TO BE PROVIDED"
    """2.3: whether data was crawled."""
    user_data: YesNo = "TO BE PROVIDED"
    """2.4: whether data from users of the provider's services was used."""
    synthetic_data: YesNo = "TO BE PROVIDED"
    """2.5: whether data made by AI was used."""
    synthetic_generators: Text = TO_SAY
    """2.5: the models that made it."""
    other_data: YesNo = "TO BE PROVIDED"
    """2.6: whether data from other sources was used."""
    code_of_practice: YesNo = "TO BE PROVIDED"
    """3.1: whether the provider has signed the code of practice."""
    text_and_data_mining: Text = TO_SAY
    """3.1: measures to respect reservations of rights."""
    other_information: Text = TO_SAY
    """3.3: other information on how the data was processed."""


class Answers(Block):
    """The file of answers. Every key may be left out."""

    identity: IdentityAnswers = IdentityAnswers()
    """Who stands for the data set."""
    purpose: PurposeAnswers = PurposeAnswers()
    """What it is for."""
    sources: dict[str, SourceAnswers] = {}
    """Where the documents come from, by domain."""
    personal_data: PersonalDataAnswers = PersonalDataAnswers()
    """Personal, sensitive and illegal content."""
    assumptions: AssumptionAnswers = AssumptionAnswers()
    """What the data are taken to stand for."""
    judgement: JudgementAnswers = JudgementAnswers()
    """What people conclude from the audit."""
    public_summary: PublicSummaryAnswers = PublicSummaryAnswers()
    """What the public summary asks beyond the data set."""


def questions(answers: Answers, domains: list[str]) -> str:
    """The file of answers as far as it is filled in, every question with its meaning as a comment: YAML.

    Args:
        answers: as far as they are given.
        domains: of the job.
    """
    lines = ["# What only people can say of this run. Leave TO BE PROVIDED where nobody has said it yet."]
    for name, field in Answers.model_fields.items():
        lines.append(f"{name}:  # {field.description}")
        if name == "sources":
            for domain in domains:
                lines.append(f"  {_quoted(domain)}:")
                lines += _asked(answers.sources.get(domain, SourceAnswers()), "    ")
        else:
            lines += _asked(getattr(answers, name), "  ")
    return "\n".join(lines) + "\n"


def _asked(block: Block, indent: str) -> list[str]:
    lines = []
    for name, field in type(block).model_fields.items():
        lines.append(f"{indent}# {' '.join(str(field.description).split())}")
        lines.append(f"{indent}{name}: {_quoted(getattr(block, name))}")
    return lines


def _quoted(text: str) -> str:
    """A text as a YAML scalar in one line, in quotes."""
    quoted: str = yaml.safe_dump(text, default_style='"', width=10**6, allow_unicode=True)
    return quoted.strip()
