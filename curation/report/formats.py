"""What each shard format is to those who load it: media types, which library, and how.

`datasets` reads Parquet and JSON lines; MDS and Megatron files have loaders of their own, and shards of the format
`index` hold no text, but where it lies.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from curation.report.facts import phases, splits

#: Media types by suffix, the innermost first; a format that has none is named by where it is described.
MEDIA_TYPES = {
    ".parquet": ["application/x-parquet"],
    ".jsonl": ["application/jsonlines"],
    ".jsonl.gz": ["application/jsonlines", "application/gzip"],
    ".jsonl.zst": ["application/jsonlines", "application/zstd"],
    ".mds": ["https://github.com/mosaicml/streaming"],
    ".bin": ["https://github.com/NVIDIA/Megatron-LM"],
    ".idx": ["https://github.com/NVIDIA/Megatron-LM"],
}

#: Formats that `datasets` loads by the card's `configs`.
BY_DATASETS = ("parquet", "jsonl", "index")

#: Where the reader puts the folder that the card lies in.
FOLDER = "path/to/this/folder"


def media_types(file: str) -> list[str]:
    """The media types of a shard, by its name."""
    suffix = re.sub(r"^[^.]*", "", file.rpartition("/")[2])
    return MEDIA_TYPES.get(suffix, ["application/octet-stream"])


def jsonl_schema(columns: dict[str, str]) -> tuple[list[str], list[str]]:
    """Keys of a line, and of its `metadata`: columns of the shards but those that have a key of their own."""
    return ["id", "text", "source"], [name for name in columns if name not in {"id", "text", "domain"}]


def code_to_load(index: dict[str, Any]) -> tuple[str, str]:
    """How shards of this format are loaded: language and text of a block of code."""
    return LOADERS[index["format"]](index)


def _by_datasets(index: dict[str, Any]) -> tuple[str, str]:
    lines = ["from datasets import load_dataset", "", f'train = load_dataset("{FOLDER}", split="train")']
    if "validation" in index:
        lines.append(f'validation = load_dataset("{FOLDER}", split="validation")')
    parts = phases(index)
    if parts:
        lines.append(f'first = load_dataset("{FOLDER}", "{parts[0].name}", split="train")  # a phase')
    lines.append(f'rows = load_dataset("{FOLDER}", split="train", streaming=True)  # without loading it first')
    return "python", "\n".join(lines)


def _by_streaming(index: dict[str, Any]) -> tuple[str, str]:
    train, *validation = splits(index)
    lines = ["from streaming import StreamingDataset", ""]
    for part in [*(phases(index) or [train]), *validation]:
        folder = f"{FOLDER}/{part.folder}".rstrip("/")
        name = "train" if not part.folder else "validation" if part in validation else "phase"
        lines.append(f'{name} = StreamingDataset(local="{folder}", shuffle=False, batch_size=8)')
    lines.append("# shuffle=True gives up the order of the shards")
    return "python", "\n".join(lines)


def _by_megatron(index: dict[str, Any]) -> tuple[str, str]:
    prefixes: dict[str, int] = {}
    for shard in index["shards"]:
        prefix = re.sub(r"\.(bin|idx)$", "", shard["file"])
        prefixes[prefix] = max(prefixes.get(prefix, 0), shard["tokens"])
    blend = " \\\n    ".join(f"{tokens} {shlex.quote(f'{FOLDER}/{prefix}')}" for prefix, tokens in prefixes.items())
    return "sh", f"# tokens as weights, and a prefix a domain\n--data-path \\\n    {blend}"


def _by_index(index: dict[str, Any]) -> tuple[str, str]:
    return "python", (
        "from curation.training.random_access import IndexDataset  # the sources must be where they were\n\n"
        f'data = IndexDataset("{FOLDER}")\ndata[0]["text"]'
    )


LOADERS = {
    "parquet": _by_datasets,
    "jsonl": _by_datasets,
    "mds": _by_streaming,
    "megatron": _by_megatron,
    "index": _by_index,
}
