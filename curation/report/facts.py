"""What the cards say of a run, as plain data, and what follows from it for both of them.

The dataset card and the Croissant file are pure functions of `Facts`: dictionaries as the run's files have them, with
nothing of the machine or of the time in them, so that the same run gives the same cards everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from curation.report.markdown import counted

#: What only a person can say.
TO_SAY = "TO BE PROVIDED"

#: Domains that a title names.
_NAMED = 3

#: What `datasets` and mlcroissant call the parts of the output.
TRAIN, VALIDATION = "train", "validation"

#: License identifiers of the Hugging Face hub: SPDX's in lower case, but for families, which have no version there.
_HUB_LICENSE = re.compile(
    r"(apache|artistic|ecl|etalab|mpl|epl)-2\.0|(afl|osl)-3\.0|(bsl|epl)-1\.0|bsd-[23]-clause|bsd-3-clause-clear|c-uda|"
    r"cc0-1\.0|cc-by-(2\.[05]|[34]\.0)|cc-by-nc-[234]\.0|cc-by-nd-4\.0|cc-by-sa-[34]\.0|cc-by-nc-nd-[34]\.0|"
    r"cc-by-nc-sa-[234]\.0|cdla-(sharing|permissive)-1\.0|cdla-permissive-2\.0|eupl-1\.[12]|(agpl|gpl|lgpl)-3\.0|gpl-2\.0|"
    r"lgpl-2\.1|gfdl|isc|lppl-1\.3c|mit|ms-pl|ncsa|odbl|odc-by|ofl-1\.1|pddl|postgresql|unlicense|wtfpl|zlib"
)
_FAMILY = re.compile(r"(odc-by|odbl|pddl|gfdl)-1\.\d")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True)
class Facts:
    """A finished run.

    Attributes:
        index: the index of the shards.
        summary: the figures of the run, as `report/summary.json` has them.
        sources: a row a source of the job file: domain, licence (or None), facts (a dict), files, bytes, documents.
        recipe: the job without what does not decide the shards: where files lie, how work is spread.
        recipe_sha256: its hash.
        encoder: what made the vectors: kind, name, dimensions, precision, weights_sha256.
        version: of Curation.
    """

    index: dict[str, Any]
    summary: dict[str, Any]
    sources: list[dict[str, Any]]
    recipe: dict[str, Any]
    recipe_sha256: str
    encoder: dict[str, Any]
    version: str

    @property
    def domains(self) -> list[str]:
        """The domains, in the order of the job file."""
        return list(dict.fromkeys(source["domain"] for source in self.sources))

    @property
    def validation(self) -> dict[str, Any] | None:
        """Totals and shards of the validation split; None where there is none."""
        return self.index.get(VALIDATION)

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        validation: int = self.validation["rows"] if self.validation else 0
        return int(self.index["rows"]) + validation


def title(facts: Facts, shown: Callable[[str], str] = str) -> str:
    """A name for what was made, from its domains, each as `shown` gives it."""
    names = [shown(name) for name in facts.domains[:_NAMED]]
    more = len(facts.domains) - len(names)
    if more:
        names.append(counted(more, "more domain"))
    first = ", ".join(names[:-1])
    return f"Training text from {first} and {names[-1]}" if first else f"Training text from {names[-1]}"


def declared_licences(sources: Iterable[dict[str, Any]]) -> list[str]:
    """The licences that the job file declares, each once, as they stand there."""
    return list(dict.fromkeys(source["licence"] for source in sources if source["licence"]))


def hub_licenses(sources: Iterable[dict[str, Any]]) -> list[str]:
    """The sources' licences by the hub's identifiers: `other` for one it has no name for, `unknown` for none."""
    found = {_hub_license(source["licence"]) for source in sources}
    return sorted(found, key=lambda name: (name in {"other", "unknown"}, name))


def _hub_license(licence: str | None) -> str:
    if not licence or not licence.strip():
        return "unknown"
    name = re.sub(r"-(only|or-later)$", "", licence.strip().lower())
    family = _FAMILY.fullmatch(name)
    name = family[1] if family else name
    return name if _HUB_LICENSE.fullmatch(name) else "other"


def languages(sources: Iterable[dict[str, Any]]) -> list[str]:
    """The language codes that the job file declares in `facts.language`, sorted; nothing is guessed."""
    said = [str(source["facts"].get("language", "")) for source in sources]
    return sorted({word for text in said for word in re.split(r"[\s,;]+", text) if _LANGUAGE.fullmatch(word)})


@dataclass(frozen=True)
class Part:
    """Shards that belong together: a phase, or all of a split.

    `folder` is theirs below the shards' folder, empty for that itself; `patterns` are globs of their files.
    """

    name: str
    folder: str
    shards: list[dict[str, Any]]

    @property
    def patterns(self) -> list[str]:
        """Globs below the shards' folder, in the order in which the shards are to be read."""
        globs = (re.sub(r"-\d+(?=\.)", "-*", shard["file"]) for shard in self.shards)
        return list(dict.fromkeys(globs))

    def total(self, key: str) -> int:
        """Sum of a figure over the shards."""
        return sum(shard[key] for shard in self.shards)


def phases(index: dict[str, Any]) -> list[Part]:
    """The phases of the training shards; none where the job names none."""
    found, start = [], 0
    for phase in index.get("phases", []):
        stop = start + phase["shards"]
        found.append(Part(phase["folder"], phase["folder"], index["shards"][start:stop]))
        start = stop
    return found


def splits(index: dict[str, Any]) -> list[Part]:
    """The training shards, and the validation shards where there are any."""
    found = [Part(TRAIN, "", index["shards"])]
    return found + ([Part(VALIDATION, VALIDATION, index[VALIDATION]["shards"])] if VALIDATION in index else [])
