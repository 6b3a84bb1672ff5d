"""A process that reads input files for the fuzzers, so that a crash of pyarrow's C++ is seen as one.

Reads lines of JSON from stdin, the arguments of `read_all`. Answers each with a line: what the reader gave, or which
of our errors. Anything else is a finding. Its memory is limited, so that eating it is one too.
"""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
import traceback
from itertools import groupby
from pathlib import Path
from typing import Any

#: Seconds for one file, and bytes of address space for the process.
MOST_SECONDS, MOST_MEMORY = 30, 8 << 30


def read_all(path: str, text: str, split_bytes: int, truncated: bool, most_bytes: int) -> dict[str, Any]:
    """The texts, rejected rows and split count of a file, by what the stages call."""
    from curation.config import Source
    from curation.sources.count import count_file
    from curation.sources.find import find_files
    from curation.sources.read import Columns, Split, read_splits

    source = Source(domain="d", path=path, text_column=text)
    [file] = find_files(source, 0)
    count = count_file(file, split_bytes, source, {}, truncated)
    splits = [
        Split(number, 0, cut.group, cut.first_row, cut.rows, 0, cut.start, cut.stop)
        for number, cut in enumerate(count.cuts)
    ]
    texts: list[str | None] = []
    rejected: dict[int, str] = {}
    for _, group in groupby(splits, key=lambda split: split.read_group):
        columns = Columns(text, most_bytes=most_bytes)
        for split, rows in read_splits(
            file.path, file.format, list(group), columns, etag=file.etag, truncated=count.truncated
        ):
            assert split.first_row == len(texts), "splits are not dense"
            texts += rows.table["text"].to_pylist()
            rejected |= {split.first_row + offset: reason for offset, reason in rows.rejected.items()}
    assert len(texts) == count.rows, "rows counted and rows read differ"
    assert {row for row, one in enumerate(texts) if one is None} == set(rejected), "a null text without a reason"
    return {"texts": texts, "rejected": rejected, "splits": len(splits)}


class Reader:
    """Reads files in a child that is started again after it died."""

    def __init__(self) -> None:
        self._child: Any = None
        self.deaths = 0

    def __call__(self, path: Path, text: str = "text", truncated: bool = False, **options: int) -> dict[str, Any]:
        """What `read_all` gives, or {"error": message} for one of our errors.

        pyarrow ends the process over some damaged footers. A run names such a file after its tries (`map_items`), so
        that is an error as good as ours here, and is counted.

        Raises:
            AssertionError: the reader hung, raised something else, or died of something else.
        """
        request = {
            "path": str(path),
            "text": text,
            "truncated": truncated,
            "split_bytes": 1 << 16,
            "most_bytes": 1 << 20,
        }
        answer, said = self._ask(json.dumps(request | options) + "\n")
        if answer is None:
            assert "parquet::" in said, said
            self.deaths += 1
            return {"error": f"{path}: {said}"}
        assert "crash" not in answer, answer["crash"]
        return answer

    def _ask(self, line: str) -> tuple[dict[str, Any] | None, str]:
        """The child's answer; None and its last words if it died."""
        if self._child is None:
            command = [sys.executable, "-m", "tests.fuzz.child"]
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            assert self._child.stdout.readline() == "ready\n"
        self._child.stdin.write(line)
        self._child.stdin.flush()
        if not select.select([self._child.stdout], [], [], MOST_SECONDS)[0]:
            self.close()
            raise AssertionError(f"hangs: nothing for {MOST_SECONDS} s")
        answered = self._child.stdout.readline()
        if answered:
            return json.loads(answered), ""
        said = f"status {self._child.wait()}: {self._child.stderr.read()[-500:]}"
        self.close()
        return None, said

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def main() -> None:
    from curation.errors import CurationError

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = read_all(**asked)
        except CurationError as error:
            answer = {"error": str(error)}
        except BaseException:  # noqa: BLE001  (that is what is looked for)
            answer = {"crash": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
