"""The trainer's tokenizer, a Hugging Face `tokenizer.json`: found, read, and put to work on columns of texts.

`find_tokenizer` gives the bytes of the file, from a path, an object store or the hub; `Tokenizer` counts the tokens of
texts or gives their ids. What a trainer gets is `encode(text, add_special_tokens=False)`, with the token that ends a
document behind it if there is one. Truncation, padding and dropout that the file may ask for are left out: they are a
trainer's business, or chance.

The library keeps some 300 bytes a token until it has the whole text, so texts go in by batches, and one of more than
`PIECE` characters in pieces, cut before a space. For tokenizers that split at spaces first, as nearly all do, that
changes nothing; with others a token may be more or fewer there, the same in counts and ids. One thread works at a time:
a task has one CPU, and there are as many tasks as CPUs.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
from numpy.typing import NDArray

from curation.errors import JobError
from curation.storage import remote
from curation.storage.errors import first_words, told
from curation.storage.uris import split_uri

FILE = "tokenizer.json"

#: Characters of the longest piece that is tokenised in one go, and of a batch of pieces.
PIECE, BATCH = 1 << 18, 1 << 19
#: Where a text may be cut, and in how many characters before a piece's end that is looked for.
_SEAM, _SEAM_WITHIN = re.compile(r"(?<=\w) (?=\w)"), 4096
#: Texts that are turned into Python strings at a time.
_ROWS = 1024
#: Token ids below this are written in 16 bits, as Megatron-LM does it.
_MOST_IN_16_BITS = 65_500
#: Seconds to wait for the hub.
_PATIENCE = 10.0


def find_tokenizer(name: str) -> bytes:
    """The bytes of a `tokenizer.json`.

    Args:
        name: the file, or a folder that holds it, local or behind a URI; else the name of a model on the hub, whose
            cache is looked at first.

    Raises:
        JobError: there is none.
        StorageError: the storage can't be reached.
    """
    if split_uri(name) is None:
        path = Path(name).expanduser()
        if not path.exists() and not name.startswith(("/", ".", "~")) and name.count("/") <= 1:
            return _from_hub(name)
        filesystem, inner = pafs.LocalFileSystem(), str(path.absolute())
    else:
        with told(name):
            filesystem, inner = _reached(name)
    with told(name):
        found = filesystem.get_file_info(inner)
        if found.type == pafs.FileType.Directory:
            inner = f"{inner}/{FILE}"
            found = filesystem.get_file_info(inner)
        if found.type != pafs.FileType.File:
            raise JobError(f"tokens.tokenizer: {name}: there is no file {inner}: name a {FILE} or its folder")
        with filesystem.open_input_file(inner) as file:
            data: bytes = file.read()
    return data


def _reached(uri: str) -> tuple[Any, str]:
    try:
        return remote.filesystem(uri)
    except (ValueError, ImportError) as error:
        raise JobError(f"tokens.tokenizer: {uri}: {first_words(str(error))}") from error


def _from_hub(name: str) -> bytes:
    """The file of a hub model: from the cache if it is there, else downloaded."""
    from huggingface_hub import hf_hub_download

    for from_cache in (True, False):
        try:
            path = hf_hub_download(name, FILE, etag_timeout=_PATIENCE, local_files_only=from_cache)
        except (OSError, ValueError) as error:  # all of the hub's errors are one or the other
            if not from_cache:
                raise JobError(
                    f"tokens.tokenizer: {name} is no file or folder here, and the model hub does not give its {FILE} "
                    f"({first_words(str(error))}): check the name and the connection, or name a local file"
                ) from error
        else:
            return Path(path).read_bytes()
    raise AssertionError("unreachable: the second round returns or raises")


class Tokenizer:
    """A tokenizer at work. Made once a process, since reading the file takes up to seconds.

    Args:
        data: the bytes of the file.
        name: of the tokenizer, for messages.
        end_of_document: the token that comes after each document; None: nothing does.

    Attributes:
        sha256: of the file, in hex.
        vocabulary: one more than the highest token id.
        dtype: of token ids: uint16 where `vocabulary` is below 65,500, else int32.
        end: id of the token that comes after each document, if there is one.

    Raises:
        JobError: the file can't be used, or has no such token.
    """

    def __init__(self, data: bytes, name: str, end_of_document: str | None = None) -> None:
        import tokenizers

        self.sha256 = hashlib.sha256(data).hexdigest()
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(data)
        except Exception as error:  # the library raises whatever the file makes it trip over
            raise JobError(
                f"tokens.tokenizer: {name} is no {FILE} of Hugging Face's tokenizers ({first_words(str(error))}): save "
                "one with `tokenizer.save_pretrained`, or name another"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        if getattr(self._tokenizer.model, "dropout", None):
            self._tokenizer.model.dropout = None
        self.vocabulary = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
        self.dtype: np.dtype[Any] = np.dtype(np.uint16 if self.vocabulary < _MOST_IN_16_BITS else np.int32)
        self.end: int | None = None
        if end_of_document is not None:
            self.end = self._tokenizer.token_to_id(end_of_document)
            if self.end is None:
                raise JobError(f"tokens.end_of_document: {name} has no token {end_of_document!r}: see its added_tokens")

    def count(self, texts: pa.Array) -> NDArray[np.int64]:
        """Tokens of each text, int64[n], the end of the document included; 0 where the text is null.

        Args:
            texts: an array of strings.
        """
        counts = self._ends(texts)
        for rows, encodings in self._encoded(texts):
            np.add.at(counts, rows, [len(encoding) for encoding in encodings])
        return counts

    def tokenize(self, texts: pa.Array) -> pa.Array:
        """The token ids of each text, the end of the document included, as large_binary[n]: ids of `dtype`, in bytes.

        Bytes, because Arrow takes rows of them ten times as fast as rows of lists. Null where the text is null.

        Args:
            texts: an array of strings.
        """
        valid, ends = texts.is_valid().to_numpy(zero_copy_only=False), self._ends(texts)
        parts = [np.empty(0, self.dtype)]
        counts = np.zeros(len(texts), np.int64)
        for rows, encodings in self._encoded(texts):
            lengths = [len(encoding) for encoding in encodings]
            np.add.at(counts, rows, lengths)
            parts.append(np.fromiter(chain.from_iterable(one.ids for one in encodings), self.dtype, sum(lengths)))
        ids = np.concatenate(parts)
        if self.end is not None:
            ids = np.insert(ids, np.cumsum(counts)[ends > 0], self.end)
        offsets = np.concatenate([[0], np.cumsum(counts + ends)]) * self.dtype.itemsize
        known = pa.array(valid).buffers()[1]
        return pa.Array.from_buffers(pa.large_binary(), len(texts), [known, pa.py_buffer(offsets), pa.py_buffer(ids)])

    def _ends(self, texts: pa.Array) -> NDArray[np.int64]:
        """Tokens that come after each text: int64[n], 0 or 1."""
        valid = texts.is_valid().to_numpy(zero_copy_only=False)
        ends: NDArray[np.int64] = (valid & (self.end is not None)).astype(np.int64)
        return ends

    def _encoded(self, texts: pa.Array) -> Iterator[tuple[list[int], list[Any]]]:
        """Batches of pieces of the texts, in order: the row of each, and its encoding."""
        rows: list[int] = []
        pieces: list[str] = []
        size = 0
        for row, piece in _pieces(texts):
            if size + len(piece) > BATCH and pieces:
                yield rows, self._encode(pieces)
                rows, pieces, size = [], [], 0
            rows.append(row)
            pieces.append(piece)
            size += len(piece)
        if pieces:
            yield rows, self._encode(pieces)

    def _encode(self, pieces: list[str]) -> list[Any]:
        with one_thread():
            encodings: list[Any] = self._tokenizer.encode_batch_fast(pieces, add_special_tokens=False)
        return encodings


def _pieces(texts: pa.Array) -> Iterator[tuple[int, str]]:
    """The pieces of all texts, in order, each with its row."""
    for first in range(0, len(texts), _ROWS):
        for row, text in enumerate(texts.slice(first, _ROWS).to_pylist(), first):
            start = 0
            while text and start < len(text):
                stop = _stop(text, start)
                yield row, text[start:stop]
                start = stop


def _stop(text: str, start: int) -> int:
    """Where the piece of a text that begins at `start` ends: before the last space between two words, if there is."""
    stop = start + PIECE
    if stop >= len(text):
        return len(text)
    seams = [seam.start() for seam in _SEAM.finditer(text, stop - min(PIECE, _SEAM_WITHIN), stop + 1)]
    return seams[-1] if seams else stop


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps the library to the calling thread. It looks at the environment each time that it is called."""
    name = "TOKENIZERS_PARALLELISM"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)  # another thread may have done it
        else:
            os.environ[name] = before
