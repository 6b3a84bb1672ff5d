"""The YAML header of the dataset card: what the Hugging Face hub and `datasets` read.

`configs` names the files of each split, so that `load_dataset` on the folder gives `train` and `validation`, and a
phase by its name. Columns are named where a file does not tell their types itself: in JSON lines, a key that is null
in the first file would have no type. `language` and `license` repeat what the job file declares.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from curation.report.facts import TRAIN, Facts, Part, hub_licenses, languages, phases, splits, title
from curation.report.formats import BY_DATASETS, jsonl_schema

#: Upper ends of the hub's size categories, and their names.
SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
SIZES |= {10**8: "10M<n<100M", 10**9: "100M<n<1B", 10**10: "1B<n<10B", 10**11: "10B<n<100B", 10**12: "100B<n<1T"}

#: Arrow types that stand in JSON lines as they are, by what `datasets` calls them, and those that are strings there.
_AS_THEY_ARE = re.compile(r"u?int(?:8|16|32|64)|bool|float|double")
_STRINGS = re.compile(r"(?:large_)?(?:string|binary)|(?:date|time|timestamp|decimal)\d*[\[(].*")
_DTYPES = {"float": "float32", "double": "float64"}


def header(facts: Facts) -> str:
    """The header, with the lines of dashes around it."""
    index = facts.index
    tree: dict[str, Any] = {
        "pretty_name": title(facts),
        "language": languages(facts.sources),
        "license": hub_licenses(facts.sources),
        "task_categories": ["text-generation"],
        "size_categories": [size_category(facts.rows)],
        "tags": ["pretraining", "curation", *(["deduplicated"] if facts.recipe["dedup"]["exact"] else [])],
        "configs": configs(index) if index["format"] in BY_DATASETS else [],
        "dataset_info": json_features(index) if index["format"] == "jsonl" else [],
    }
    if not tree["configs"]:
        tree["viewer"] = False  # else the hub would take the indexes for data
    tree = {key: value for key, value in tree.items() if value != []}
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=10**6)
    return f"---\n{text}---\n"


def size_category(rows: int) -> str:
    """The hub's name for a number of rows."""
    return next((name for end, name in SIZES.items() if rows < end), "n>1T")


def configs(index: dict[str, Any]) -> list[dict[str, Any]]:
    """`default` with all training shards in their order and the validation split, and a configuration a phase."""
    found = [{"config_name": "default", "data_files": [_data_files(part, part.name) for part in splits(index)]}]
    return found + [{"config_name": part.name, "data_files": [_data_files(part, TRAIN)]} for part in phases(index)]


def _data_files(part: Part, split: str) -> dict[str, Any]:
    patterns = part.patterns
    return {"split": split, "path": patterns[0] if len(patterns) == 1 else patterns}


def json_features(index: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns and types of the lines, by configuration; none where a kept column is nested."""
    if None in map(_dtype, index["columns"].values()):
        return []
    names = ["default", *(part.name for part in phases(index))]
    return [{"config_name": name, "features": _line_features(index["columns"])} for name in names]


def _line_features(columns: dict[str, str]) -> list[dict[str, Any]]:
    keys, inside = jsonl_schema(columns)
    metadata = [{"name": name, "dtype": _dtype(columns[name])} for name in inside]
    return [*({"name": name, "dtype": "string"} for name in keys), {"name": "metadata", "struct": metadata}]


def _dtype(arrow: str) -> str | None:
    """What `datasets` calls an Arrow type as it stands in JSON lines; None for nested ones."""
    if _AS_THEY_ARE.fullmatch(arrow):
        return _DTYPES.get(arrow, arrow)
    return "string" if _STRINGS.fullmatch(arrow) else None
