"""The job file's keys of token caps: how many of the documents drawn may carry a word or a phrase.

Where a crawl has one celebrity's name in every tenth page, evening out clusters does not mend it: the name is in all of
them. A cap says how many draws may carry it. The docstring under a key is its description in `curation schema`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated
from unicodedata import normalize

from pydantic import AfterValidator, Field, field_validator

from curation.config.section import PRINTABLE, Section

if TYPE_CHECKING:
    from curation.config.plan import Sampling

#: Most tokens that a job caps: a document's are bits of a number of 32.
MOST_CAPS = 32


class TokenCap(Section):
    """A token, and the largest share of the draws that may carry it."""

    token: Annotated[str, Field(max_length=200, pattern=PRINTABLE)]
    """A word, or several in a row, as they stand in the texts: only whole words count, and any white space between
    them. In scripts without spaces between words, such as Chinese, it may stand anywhere."""
    max_share: Annotated[float, Field(gt=0, lt=1)]
    """Of the documents drawn, those that carry the token, repetitions counted, at most: of the whole output, and where
    there are phases of each. What is held out for validation does not count."""
    case: bool = False
    """Whether upper and lower case are told apart."""

    @field_validator("token")
    @classmethod
    def _in_one_form(cls, value: str) -> str:
        words = normalize("NFC", value).split()
        if not words:
            raise ValueError("a token needs a character that is not white space")
        return " ".join(words)

    @property
    def key(self) -> tuple[str, bool]:
        """What two caps of the same token have in common."""
        return (self.token if self.case else self.token.casefold()), self.case


def _each_once(caps: list[TokenCap]) -> list[TokenCap]:
    known: set[tuple[str, bool]] = set()
    for cap in caps:
        if cap.key in known:
            raise ValueError(f"the token {cap.token!r} is there twice; give it one cap")
        known.add(cap.key)
    return caps


#: A list of caps, each of another token.
TokenCaps = Annotated[list[TokenCap], Field(max_length=MOST_CAPS), AfterValidator(_each_once)]


def distinct(lists: Iterable[list[TokenCap]]) -> list[TokenCap]:
    """The caps of each token that is capped anywhere, the first of each, in order: a token's place is its bit.

    Raises:
        ValueError: there are more than MOST_CAPS.
    """
    found: dict[tuple[str, bool], TokenCap] = {}
    for caps in lists:
        for cap in caps:
            found.setdefault(cap.key, cap)
    if len(found) > MOST_CAPS:
        raise ValueError(f"sampling and phases cap {len(found)} tokens; {MOST_CAPS} can be capped")
    return list(found.values())


def caps_fault(caps: list[TokenCap], sampling: Sampling) -> str | None:
    """What else a job file with these caps asks for that can't be had together with them."""
    if caps and sampling.interleave == "random":
        return "sampling.interleave is random, which keeps no token cap: set it to even, or cap nothing"
    if caps and (sampling.min_cluster_share or sampling.max_cluster_share < 1):
        return "sampling.min_cluster_share and max_cluster_share can't be kept together with token_caps: take out one"
    return None
