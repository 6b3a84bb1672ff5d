"""What goes wrong with storage, in one clear sentence.

By the time an error comes here, what a retry can mend was retried (`remote`). What is left a person must mend: a full
disk, a quota, a permission, a bucket that isn't there, a server that stays away. `told` turns such an error into a
`StorageError` with the place, the reason and the remedy; every other error passes, also a file that is not there
and a file that is damaged, which callers handle.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from curation.errors import StorageError
from curation.storage.uris import redacted

_AGAIN = "what is committed stays, and the same command goes on from there"

#: Numbers that the system gives to errors which a person must mend.
_NUMBERS = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk quota is used up: make room or ask for more",
    errno.EFBIG: "the file grew beyond the limit of the file system or of the process (ulimit -f): raise it",
    errno.EROFS: "the file system is read-only: mount it for writing or choose another run_dir",
    errno.EACCES: "permission denied: change the permissions of the file and its folder, or choose another place",
    errno.EPERM: "operation not permitted: change the owner or attributes of the folder, or choose another place",
    errno.EIO: "the disk reports an input/output error: check it",
    errno.ESTALE: "the network file system lost the file: mount it anew",
    errno.ETIMEDOUT: "the storage did not answer in time: check the network",
    errno.ENOTCONN: "the storage is not connected: check the network and the mount",
    errno.EMFILE: "too many open files (ulimit -n): raise the limit",
}

#: What a message of a client of object stores holds.
_NETWORK = r"AWS Error|^obstore|google::cloud|GcsFileSystem|HDFS"

#: What the messages of servers and their clients say, and what it means; the first that fits.
_WORDS = (
    (r"NoSuchBucket|NO_SUCH_BUCKET|bucket does not exist", "there is no such bucket: make it, or correct the URI"),
    (
        r"AccessDenied|ACCESS_DENIED|InvalidAccessKeyId|INVALID_ACCESS_KEY_ID|SignatureDoesNotMatch|SIGNATURE_DOES_NOT"
        r"|UnauthenticatedError|PermissionDeniedError|ExpiredToken|\b40[13] |HTTP status 40[13]|PERMISSION_DENIED",
        "the object store refuses access: check the credentials in the environment and the policy of the bucket",
    ),
    (
        r"metadata endpoint|169\.254\.169\.254|CredentialsNotLoaded|No credentials|NoCredentials",
        "no credentials: put them into the environment (AWS_ACCESS_KEY_ID, or GOOGLE_APPLICATION_CREDENTIALS)",
    ),
    (_NETWORK, "the object store fails or can't be reached, after several tries: check the network and the server"),
)


def trouble(error: BaseException) -> str | None:
    """What is wrong with the storage and what would mend it; None for an error that says nothing of the kind."""
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return f"{_NUMBERS[error.errno]}; {_AGAIN}"
    found = _in_words(error)
    return found and f"{found[1]}; {_AGAIN} ({first_words(str(error))})"


def is_passing(error: BaseException) -> bool:
    """Whether an error may be gone when the same is tried again: that of a network, or of a server that is busy."""
    if isinstance(error, OSError) and error.errno in (errno.ETIMEDOUT, errno.ECONNRESET, errno.EAGAIN):
        return True
    found = _in_words(error)
    return found is not None and found[0] == _NETWORK


def _in_words(error: BaseException) -> tuple[str, str] | None:
    """The pair of `_WORDS` that fits what a client of an object store says; None for other errors."""
    kind = type(error)
    if not (isinstance(error, OSError) or kind.__module__.startswith("obstore")):
        return None
    said = f"{kind.__module__}.{kind.__name__}: {error}"
    known = _WORDS[:1] if isinstance(error, FileNotFoundError) else _WORDS
    return next((pair for pair in known if re.search(pair[0], said)), None)


def first_words(text: str) -> str:
    """The beginning of a message in one line, without what a client adds for its own developers."""
    line = " ".join(redacted(text.partition("Debug source")[0]).split())
    return line if len(line) <= 300 else f"{line[:297]}..."


@contextmanager
def told(where: str) -> Iterator[None]:
    """Raises StorageError, which names `where`, for the errors of storage that a person must mend."""
    try:
        yield
    except Exception as error:
        text = trouble(error)
        if text is None:
            raise
        raise StorageError(f"{where}: {text}") from error
