"""URIs of storage: taken apart, and kept free of credentials.

A run directory's URI and those of the sources are written into the job's copy, tables, events and messages. So a URI
that holds a password, a key or a token is refused where the job is read, in words that don't repeat it. What other
people's programs say (a server's answer in an error, say) goes through `redacted` before it is shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/?#]*)([^?]*)(?:\?(.*))?", re.DOTALL)

#: A key of a query whose value is a secret: access_key, X-Amz-Signature, sas_token, sig, ...
_SECRET = r"[\w.-]*(?:access_?key|secret|token|passw|signature|credential|\bsas\b|\bsig\b)[\w.-]*"
_SECRET_KEY = re.compile(_SECRET, re.IGNORECASE)
_SECRET_VALUE = re.compile(rf"({_SECRET})(\s*[=:]\s*)[^\s&;,'\"<>]+", re.IGNORECASE)
_USER = re.compile(r"://[^/@\s'\"]*@")
#: Environment variables whose values must never be shown.
_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY")

NO_CREDENTIALS = (
    "a URI must not hold credentials, since it is written into tables and messages; put them into the environment "
    "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS)"
)


@dataclass(frozen=True)
class Uri:
    """A URI in parts. `path` is decoded and has no `/` at its ends."""

    scheme: str
    authority: str
    path: str
    query: dict[str, str]

    @property
    def plain(self) -> str:
        """Without the query: for messages, and to compare places by."""
        return f"{self.scheme}://{self.authority}/{self.path}".rstrip("/")


def split_uri(text: str) -> Uri | None:
    """The parts of a URI; None for a local path."""
    match = _URI.fullmatch(text)
    if match is None:
        return None
    scheme, authority, path, query = (part or "" for part in match.groups())
    return Uri(scheme.lower(), authority, unquote(path).strip("/"), dict(parse_qsl(query)))


def has_credentials(text: str) -> bool:
    """Whether a URI holds a password or a key, before its host or in its query; False for other texts."""
    uri = split_uri(text)
    if uri is None:
        return False
    user, at, _ = uri.authority.rpartition("@")
    secret_user = bool(at) and (":" in user or uri.scheme in ("s3", "s3a", "gs", "gcs")) and user != "anonymous"
    return secret_user or any(_SECRET_KEY.fullmatch(key) for key in uri.query)


def texts_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of every text in a tree of dicts and lists; the key of a part is its way down, with dots."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict | list | tuple):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts_in(part, f"{key}.{name}" if key else str(name))


def redacted(text: str) -> str:
    """A text without the user part of URIs, without the values of secret keys and without those of the environment."""
    text = _SECRET_VALUE.sub(r"\1\2***", _USER.sub("://***@", text))
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= 8:
            text = text.replace(value, "***")
    return text
