"""Reads the job file: YAML, overrides from the command line, and messages that name the key at fault.

A job file may come from someone else, so nothing in it can run code, unfold into gigabytes or keep the parser busy
for minutes: it is at most 1 MiB of plain YAML, without aliases, merge keys and tags of its own.
"""

from __future__ import annotations

import difflib
import re
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from curation.config import Job
from curation.config.plan import METHODS
from curation.errors import JobError
from curation.storage.uris import redacted

#: PyYAML takes some 5 seconds for so much.
MAX_BYTES = 1 << 20
#: Characters of a number: Python refuses to print longer ones, some only when a message is to name them.
MAX_NUMBER = 100
#: Faults that are named at once.
MAX_FAULTS = 20

Model = typing.TypeVar("Model", bound=BaseModel)

_MERGE = "tag:yaml.org,2002:merge"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_SURROGATE = re.compile("[\ud800-\udfff]")

#: Overrides of this key set all that the method stands for, whatever the file says.
METHOD_KEY = "sampling.method="


def load_job(path: str, overrides: list[str] | None = None) -> Job:
    """Reads, overrides and checks a job file.

    Args:
        path: YAML file.
        overrides: `key=value` strings; the key is dotted (`sampling.clip`, `sources.0.weight`), the value is YAML.

    Raises:
        JobError: the file or an override can't be read, or a key or value is wrong; every fault is named.
    """
    tree = parse_yaml(read_yaml(path, "job file"), path)
    if not isinstance(tree, dict):
        raise JobError(f"{path}: a job file is a mapping of keys to values, and this is not; see `curation schema`")
    for override in sorted(overrides or [], key=lambda one: not one.startswith(METHOD_KEY)):  # it sets other keys
        _override(tree, override)
    return parse_job(tree, path)


def read_yaml(path: str, what: str) -> str:
    """The text of a job file, or what it is, of which no more is read than one may hold: it may be a device or a pipe.

    Raises:
        JobError: it can't be read, is no UTF-8, or is too long.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode()
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL in the path
        raise JobError(f"{path}: can't read the {what}: {getattr(error, 'strerror', None) or error}") from error
    if len(raw) > MAX_BYTES:
        raise JobError(
            f"{path}: a {what} has at most {MAX_BYTES:,} bytes, and this has more"
            + ": name folders or globs instead of thousands of files" * (what == "job file")
        )
    return text


def parse_yaml(text: str, where: str) -> Any:
    """YAML to Python values; refuses aliases (a short file can unfold into gigabytes), merge and doubled keys."""
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError as error:
        raise JobError(f"{where}: nested too deeply") from error
    except yaml.YAMLError as error:
        raise JobError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error
    # PyYAML's constructors trip like this over what doesn't fit its tag: 2024-99-99, !!bool x, !!int ''
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
        raise JobError(f"{where}: not valid YAML: {error or type(error).__name__}") from error


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"aliases (*name) are not allowed, line {mark.line + 1}")
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        line = node.start_mark.line + 1
        if _SURROGATE.search(value):
            raise yaml.YAMLError(f"half of a surrogate pair is no character, line {line}")
        if node.tag in _NUMBERS and len(value) > MAX_NUMBER:
            raise yaml.YAMLError(f"a number of more than {MAX_NUMBER} characters, line {line}")
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"a key must be a word, line {key.start_mark.line + 1}")
            if key.tag == _MERGE:
                raise yaml.YAMLError(f"merge keys (<<) are not allowed, line {key.start_mark.line + 1}")
            if key.value in seen:
                raise yaml.YAMLError(f"the key {key.value!r} stands twice, line {key.start_mark.line + 1}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _override(tree: dict[str, Any], override: str) -> None:
    """Sets one dotted key in place."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise JobError(f"--set {override}: write it as KEY=VALUE, for example sampling.clip=3")
    *parents, last = key.strip().split(".")
    node: Any = tree
    try:
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
        if isinstance(node, list):
            node[int(last)] = parse_yaml(value, f"--set {override}")
        elif parents[-1:] == ["budget"]:
            node.clear()  # epochs and tokens exclude each other: the one that is set replaces the other
            node[last] = parse_yaml(value, f"--set {override}")
        else:
            node[last] = parse_yaml(value, f"--set {override}")
        if override.startswith(METHOD_KEY):
            for section, values in METHODS.get(value.strip(), {}).items():
                tree.setdefault(section, {}).update(values)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise JobError(f"--set {override}: there is no such key in the job file") from error


def parse_job(tree: dict[str, Any], where: str) -> Job:
    """Checks a tree of values. Raises JobError with one line a fault."""
    job = parse_tree(Job, tree, where)
    for key in job.reasons:
        check_key(key, f"{where}: reasons.{key}")
    return job


def parse_tree(model: type[Model], tree: Any, where: str) -> Model:
    """A tree of values as a model says what it must be. Raises JobError with one line a fault."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        items = error.errors()
        faults: dict[str, str] = {}
        # A union says what each of its branches would have liked: the first will do, of those that the value is for.
        for item in sorted(items[:MAX_FAULTS], key=_is_of_another_type):
            fault = _fault(item, model)
            faults.setdefault(fault.partition(":")[0], fault)
        more = [f"and {len(items) - MAX_FAULTS} faults more"] if len(items) > MAX_FAULTS else []
        raise JobError("\n".join(f"{where}: {fault}" for fault in [*faults.values(), *more])) from error


def _is_of_another_type(item: Any) -> bool:
    """Whether a pydantic fault is that the value is no number, no list, no word of a choice."""
    return bool(item["type"].endswith("_type") or item["type"] == "literal_error")


def _fault(item: Any, root: type[BaseModel]) -> str:
    """One pydantic fault as a sentence that names the key."""
    *before, last = item["loc"] or ("job",)
    named = item["type"] in {"extra_forbidden", "missing"}  # then the last part is a key, whatever it looks like
    location = [part for part in before if not _is_type_tag(part)] + [last] * (named or not _is_type_tag(last))
    key = ".".join(map(str, location)) or "job"
    if item["type"] == "extra_forbidden":
        known = _keys_beside(location, root)
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.0)
        return f"{key}: unknown key; did you mean {near[0]!r}?" if near else f"{key}: unknown key"
    if item["type"] == "missing":
        return f"{key}: missing"
    message = item["msg"].removeprefix("Value error, ")
    shown = redacted(repr(item["input"]))
    if key == "job" or len(shown) > 80 or isinstance(item["input"], BaseModel):
        return message if key == "job" else f"{key}: {message}"
    return f"{key}: {message[0].lower()}{message[1:]} (it is {shown})"


def check_key(key: str, where: str) -> None:
    """Raises JobError where no key of a job file is written so; list indices are taken as they are."""
    location: list[Any] = [int(part) if part.isdigit() else part for part in key.split(".")]
    for end in range(1, len(location) + 1):
        known = [] if isinstance(location[end - 1], int) else _keys_beside(location[:end], Job)
        if known and location[end - 1] not in known:
            near = difflib.get_close_matches(str(location[end - 1]), known, n=1, cutoff=0.0)
            raise JobError(f"{where}: unknown key; did you mean {'.'.join([*map(str, location[: end - 1]), *near])!r}?")


def _is_type_tag(part: Any) -> bool:
    """True for the parts that pydantic adds to a location to name the branch of a union."""
    return isinstance(part, str) and (part in {"str", "int", "float"} or "[" in part or part.startswith("constrained-"))


def _keys_beside(location: list[Any], root: type[BaseModel]) -> list[str]:
    """The keys that the section at a location's parent knows; none where keys are free, or there is no section."""
    model: Any = root
    free = False  # whether the next part is any key of a mapping
    for part in location[:-1]:
        if isinstance(part, int) or free:
            free = False
            continue
        field = model.model_fields.get(part)
        model = _section_of(field.annotation) if field else None
        if field is None or model is None:
            return []
        free = typing.get_origin(field.annotation) is dict
    return [] if free else list(model.model_fields)


def _section_of(annotation: Any) -> Any:
    """The model inside an annotation such as `list[Source]`, or None."""
    arguments = typing.get_args(annotation)
    if not arguments:
        return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return next((found for argument in arguments if (found := _section_of(argument))), None)


def dump_job(job: Job) -> str:
    """The job as YAML, every default written out."""
    return yaml.safe_dump(job.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
