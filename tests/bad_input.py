"""A small source, its job file and a run of it, for the tests of bad input."""

from __future__ import annotations

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.parquet import encryption

from curation.cli import main
from tests.corpus import ONE_WORKER, texts

#: With the corpus' own proportions and one epoch, every document is drawn once.
EVERY_DOCUMENT = "sampling: {cluster_exponent: 1.0}"

GOOD = texts(60, 5, ["law", "music"])


def write_lines(folder, lines, name="a.jsonl"):
    path = folder / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    return path


def good_lines(count=60):
    return [json.dumps({"text": text, "id": f"{i:03}", "n": i, "q": 0.5}) for i, text in enumerate(GOOD[:count])]


def job_text(folder, more="", path="a.jsonl", source=""):
    return (
        f"run_dir: {folder}/run\nsources: [{{domain: a, path: '{folder}/{path}'{source}}}]\n"
        f"embedding: {{model: lexical, dimensions: 4}}\nclustering: {{clusters: 3}}\n{more}"
    )


def run(folder, text, *arguments):
    path = folder / "job.yaml"
    path.write_text(text)
    alone = [word for one in ONE_WORKER for word in ("--set", one)]
    return main(["run", str(path), *alone, *arguments])


class _Keys(encryption.KmsClient):
    def __init__(self, configuration):
        super().__init__()

    def wrap_key(self, key, name):
        return base64.b64encode(key)


def encrypt(path, plaintext_footer):
    """Writes GOOD with its text encrypted, and the footer too or not."""
    table = pa.table({"text": GOOD})
    wanted = encryption.EncryptionConfiguration(
        "footer", column_keys={"k": ["text"]}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(_Keys)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), wanted)
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
