"""What a model's folder holds, read from its files alone: hashes, vector length, longest input.

A folder is what `SentenceTransformer.save` writes (modules.json) or a bare transformer (config.json). Reading a few
JSON files and the headers of the weights takes milliseconds where loading a model takes seconds and its memory, and
it finds what would otherwise surface in an actor hours later. Weights are taken from safetensors files only: they
hold numbers and nothing else, where a pickle (pytorch_model.bin) can run code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import JobError

#: Files that decide what a model computes, besides its weights. data_config.json lists what it was trained on.
_SETTINGS = {".json", ".txt", ".model"}
_NOT_SETTINGS = {"data_config.json", "requirements.txt"}
_KEEP_LENGTH = {"Normalize", "Dropout", "LayerNorm"}
#: Models that number positions from behind the padding token's id: two positions are never used.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl", "longformer"}
_NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class ModelFolder:
    """What a folder holds.

    Attributes:
        path: the folder.
        weights_sha256: of the safetensors file, or of the sorted names and hashes of several.
        files_sha256: of the sorted names and hashes of the tokenizer and configuration files.
        dimensions: length of a vector; None where only loading the model tells.
        most_tokens: longest input; None where there is no limit.
        is_transformer: whether the first module is one; otherwise there is no number format to choose.
    """

    path: Path
    weights_sha256: str
    files_sha256: str
    dimensions: int | None
    most_tokens: int | None
    is_transformer: bool


def inspect_folder(path: Path, trust_remote_code: bool = False) -> ModelFolder:
    """Reads a folder.

    Raises:
        JobError: it holds no model, only pickled weights, a damaged file, or code that is not trusted.
    """
    if not (path / "modules.json").is_file() and not (path / "config.json").is_file():
        raise _unusable(path, "it has neither modules.json nor config.json; name the folder of a saved model")
    modules = _modules(path)
    _refuse_code(path, modules, trust_remote_code)
    files = _files(path, modules)
    weights = sorted(file for file in files if file.suffix == ".safetensors")
    _refuse_pickles(path, files, weights)
    shapes = {file: _shapes(path, file) for file in weights}
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    return ModelFolder(
        path=path,
        weights_sha256=file_sha256(weights[0]) if len(weights) == 1 else _joint_sha256(path, weights),
        files_sha256=_joint_sha256(path, _settings(files, trust_remote_code)),
        dimensions=_known_dimensions(path, modules, shapes),
        most_tokens=_most_tokens(path / modules[0]["path"]) if kinds[0] == "Transformer" else None,
        is_transformer=kinds[0] == "Transformer",
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises JobError if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unusable(path.parent, f"{path.name} can't be read ({error.strerror})") from error


def _joint_sha256(folder: Path, files: list[Path]) -> str:
    named = sorted((file.relative_to(folder).as_posix(), file_sha256(file)) for file in files)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _files(folder: Path, modules: list[dict[str, str]]) -> list[Path]:
    """The files in the folder and in those of its modules; not those of an ONNX export that lies beside them."""
    places = [folder.glob("*"), *((folder / module["path"]).rglob("*") for module in modules if module["path"])]
    return sorted({file for place in places for file in place if file.is_file()})


def _settings(files: list[Path], with_code: bool) -> list[Path]:
    suffixes = _SETTINGS | ({".py"} if with_code else set())
    return [file for file in files if file.suffix in suffixes and file.name not in _NOT_SETTINGS]


def _modules(folder: Path) -> list[dict[str, str]]:
    """The modules in their order; a bare transformer is read as one with mean pooling."""
    if not (folder / "modules.json").is_file():
        return [{"type": "Transformer", "path": ""}]
    modules = _json(folder, folder / "modules.json", list)
    if not modules:
        raise _unusable(folder, "modules.json lists no modules")
    try:
        found = [{"type": str(module["type"]), "path": str(module["path"])} for module in modules]
    except (TypeError, KeyError) as error:
        raise _unusable(folder, "modules.json is not a list of modules with type and path") from error
    outside = [
        module["path"] for module in found if module["path"].startswith("/") or ".." in module["path"].split("/")
    ]
    if outside:
        raise _unusable(folder, f"modules.json names {outside[0]!r}, a folder outside of it")
    return found


def _refuse_code(folder: Path, modules: list[dict[str, str]], trusted: bool) -> None:
    foreign = [m["type"] for m in modules if not _is_known_class(m["type"])]
    if foreign and not trusted:
        raise _unusable(
            folder, f"it needs code of its own ({foreign[0]}); read it, then set embedding.trust_remote_code to true"
        )


def _is_known_class(type_: str) -> bool:
    """Whether the type of a module is a class of sentence-transformers, and no function that can be reached there."""
    *package, name = type_.split(".")
    return name[:1].isupper() and package[:1] in ([], ["sentence_transformers"])


def _refuse_pickles(folder: Path, files: list[Path], weights: list[Path]) -> None:
    """Every folder with pickled weights must also have them as safetensors, and there must be weights at all.

    Under the very names that the loader looks for first: beside others it would take the pickle.
    """
    safe = {file.parent for file in weights if file.name == "model.safetensors"}
    safe |= {file.parent for file in files if file.name == "model.safetensors.index.json"}
    pickles = [file for file in files if file.match("pytorch_model*.bin*") and file.parent not in safe]
    if pickles:
        raise _unusable(
            folder,
            f"it has weights only as {pickles[0].relative_to(folder)}, a pickle, which can run code; load it once "
            "where you trust it and save it with SentenceTransformer.save, which writes model.safetensors",
        )
    adapters = [file for file in files if file.name.startswith("adapter_")]
    if adapters:
        raise _unusable(
            folder,
            f"{adapters[0].relative_to(folder)} belongs to an adapter, whose base model is elsewhere: merge the two",
        )
    if not weights:
        raise _unusable(folder, "it holds no weights (*.safetensors)")


def _shapes(folder: Path, file: Path) -> dict[str, list[int]]:
    """The shape of every tensor of a safetensors file, from its header, whose length and offsets are checked."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="np") as tensors:
            return {name: list(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _unusable(folder, f"{file.relative_to(folder)} is damaged ({error})") from error


def _known_dimensions(
    folder: Path, modules: list[dict[str, str]], shapes: dict[Path, dict[str, list[int]]]
) -> int | None:
    try:
        return _dimensions(folder, modules, shapes)
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise _unusable(folder, f"a config.json gives no length of vectors ({error})") from error


def _dimensions(folder: Path, modules: list[dict[str, str]], shapes: dict[Path, dict[str, list[int]]]) -> int | None:
    """The length of a vector after the last module; None after a module that is not known here."""
    length: int | None = None
    for module in modules:
        kind, place = module["type"].rpartition(".")[2], folder / module["path"]
        if kind == "Transformer":
            config = _json(folder, place / "config.json")
            length = config.get("hidden_size") or config.get("text_config", {}).get("hidden_size")
        elif kind == "Pooling":
            length = _pooled_length(_json(folder, place / "config.json"))
        elif kind == "Dense":
            length = _json(folder, place / "config.json").get("out_features")
        elif kind == "StaticEmbedding":
            table = next((t for file, t in shapes.items() if file.parent == place), {})
            length = table.get("embedding.weight", [0, 0])[1] or None
        elif kind not in _KEEP_LENGTH:
            length = None
    return length


def _pooled_length(config: dict[str, Any]) -> int | None:
    """Pooling joins the vectors of its modes: sentence-transformers 6 lists them, before that each had a switch."""
    length = config.get("embedding_dimension") or config.get("word_embedding_dimension")
    modes = config.get("pooling_mode")
    if modes is None:
        count = sum(value is True for key, value in config.items() if key.startswith("pooling_mode_"))
    else:
        count = 1 if isinstance(modes, str) else len(modes)
    return int(length) * max(1, count) if length else None


def _most_tokens(folder: Path) -> int | None:
    """The longest input: what the position embeddings hold, or less where the tokenizer says so."""
    config = _json(folder, folder / "config.json")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and config.get("model_type") in _OFFSET_POSITIONS:
        positions -= 2
    tokenizer = folder / "tokenizer_config.json"
    declared = _json(folder, tokenizer).get("model_max_length") if tokenizer.is_file() else None
    limits = [n for n in (positions, declared) if isinstance(n, int) and 0 < n < _NO_LIMIT]
    return min(limits, default=None)


def _json(folder: Path, file: Path, kind: type = dict) -> Any:
    """A JSON file that holds an object (or a list). Raises JobError if it doesn't."""
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(folder, f"{file.relative_to(folder)} can't be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(folder, f"{file.relative_to(folder)} is not valid JSON") from error
    if not isinstance(tree, kind):
        raise _unusable(folder, f"{file.relative_to(folder)} does not hold what a model's should")
    return tree


def _unusable(folder: Path, why: str) -> JobError:
    return JobError(f"embedding.model: {folder} can't be used: {why}")
