"""Storage behind URIs: one place that opens s3://, gs://, hdfs:// and what else pyarrow knows.

Files are read and listed through pyarrow, which reads Parquet without the interpreter's lock. Objects are put by
obstore, for two things that pyarrow lacks: an upload that breaks off is aborted (pyarrow *completes* it when an
exception closes the stream, and half a file stands under the final name), and a put on a condition, which locks need.

Both retry what a retry can mend (a reset, a timeout, 429, 5xx, a body that breaks off) with growing pauses, and what
they let through is tried again by `patient`; after about half a minute it is an error. Both take credentials from
the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws/credentials, a web identity, the
role of the instance; for Google, GOOGLE_APPLICATION_CREDENTIALS or the machine's account. AWS_ENDPOINT_URL, or
`?endpoint_override=HOST:PORT&scheme=http` in the URI, names another server that speaks S3.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

import pyarrow.fs as pafs

from curation.storage.patient import PatientHandler, patiently
from curation.storage.uris import Uri, split_uri

#: Times that pyarrow tries a request, each of TRIES times; seconds that obstore does.
ATTEMPTS, PATIENCE = 3, 5.0
#: Seconds without a byte after which a request is tried again; seconds for one request in all.
STALLED, REQUEST = 20, 60
#: Bytes of a part of a multipart upload, and how many are under way at a time.
PART_BYTES, PARTS_AT_ONCE = 16 << 20, 4

_S3, _GCS = ("s3", "s3a"), ("gs", "gcs")
_S3_OPTIONS = ("region", "scheme", "endpoint_override")


def is_object_store(root: str) -> bool:
    """True where files are put whole and conditions can be set: s3:// and gs://."""
    uri = split_uri(root)
    return uri is not None and uri.scheme in _S3 + _GCS


def filesystem(root: str) -> tuple[pafs.FileSystem, str]:
    """The pyarrow file system of a URI, and the path on it; kept, because a client takes long to make.

    A forked process gets its own: it would share the connections of its parent's.

    Raises:
        ValueError: the URI can't be understood.
        OSError: the place can't be reached.
    """
    return filesystem_of(root, os.getpid())


@lru_cache(maxsize=64)
def filesystem_of(root: str, process: int) -> tuple[pafs.FileSystem, str]:
    """What `filesystem` gives in a process. What was inherited stays, as closing it would speak on its connections."""
    uri = split_uri(root)
    if uri is None or uri.scheme not in _S3:
        opened, path = pafs.FileSystem.from_uri(root)
    else:
        retry = pafs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
        limits = {"request_timeout": STALLED, "connect_timeout": 10}
        opened = pafs.S3FileSystem(**_s3_options(uri), **limits, retry_strategy=retry)
        path = f"{uri.authority}/{uri.path}".rstrip("/")
    return pafs.PyFileSystem(PatientHandler(opened)), path


def _s3_options(uri: Uri) -> dict[str, str]:
    """Region, scheme and endpoint_override of an s3:// URI."""
    unknown = set(uri.query) - set(_S3_OPTIONS)
    if unknown:
        raise ValueError(f"unknown option {min(unknown)} in the URI; s3:// takes {', '.join(_S3_OPTIONS)}")
    if not re.fullmatch(r"[\w.-]+", uri.authority):
        raise ValueError(f"{uri.authority!r} is not the name of a bucket: write s3://BUCKET/FOLDER")
    options = dict(uri.query)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if "endpoint_override" not in options and endpoint:
        options["scheme"], _, options["endpoint_override"] = endpoint.rstrip("/").rpartition("://")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if "region" not in options:
        elsewhere = "endpoint_override" in options
        options["region"] = region or ("us-east-1" if elsewhere else pafs.resolve_s3_region(uri.authority))
    return {"scheme": "https"} | {key: value for key, value in options.items() if value}


@lru_cache(maxsize=64)
def objects(root: str, patience: float | None = None) -> tuple[Any, str]:
    """The obstore client of an object store's URI, and the key that the URI names, `/` at its end if it is not empty.

    Args:
        root: an s3:// or gs:// URI.
        patience: seconds for a request, and after which it is not tried again; None: REQUEST and PATIENCE.
    """
    from obstore.store import GCSStore, S3Store

    uri = split_uri(root)
    assert uri is not None
    longest = timedelta(seconds=REQUEST if patience is None else patience)
    patience = PATIENCE if patience is None else patience
    client: dict[str, Any] = {"timeout": longest, "connect_timeout": timedelta(seconds=min(10.0, patience))}
    first, most = timedelta(seconds=min(0.5, patience / 10)), timedelta(seconds=10)
    pause = {"init_backoff": first, "max_backoff": most, "base": 2}
    retry = {"max_retries": 20, "retry_timeout": timedelta(seconds=patience), "backoff": pause}
    key = f"{uri.path}/" if uri.path else ""
    if uri.scheme in _GCS:
        return GCSStore(uri.authority, client_options=client, retry_config=retry), key
    options = _s3_options(uri)
    more: dict[str, Any] = _profile_keys()
    if "endpoint_override" in options:
        more["endpoint"] = f"{options['scheme']}://{options['endpoint_override']}"
    client["allow_http"] = options["scheme"] == "http"
    store = S3Store(uri.authority, region=options["region"], client_options=client, retry_config=retry, **more)
    return store, key


def _profile_keys() -> dict[str, str]:
    """The keys of AWS_PROFILE in the shared credentials file, which obstore doesn't read; empty without any."""
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(Path.home() / ".aws/credentials")
    if os.environ.get("AWS_ACCESS_KEY_ID") or not Path(file).is_file():
        return {}
    profiles = configparser.RawConfigParser()
    profiles.read(file, encoding="utf-8")
    profile = os.environ.get("AWS_PROFILE", "default")
    found = dict(profiles[profile]) if profiles.has_section(profile) else {}
    names = ("access_key_id", "secret_access_key", "session_token")
    return {name: found[f"aws_{name}"] for name in names if f"aws_{name}" in found}


def put_object(root: str, name: str, data: IO[bytes]) -> None:
    """Puts an object under its final name: in one request, or in parts of which the last request makes an object."""
    import obstore

    client, key = objects(root)

    def put() -> None:
        data.seek(0)
        obstore.put(client, key + name, data, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)

    patiently(put)


def delete_objects(root: str, names: Iterable[str]) -> None:
    """Deletes objects; those that are gone already don't matter."""
    import obstore

    client, key = objects(root)
    keys = [key + name for name in names]
    if keys and split_uri(root).scheme in _S3:  # type: ignore[union-attr]
        patiently(lambda: obstore.delete(client, keys))
        return
    for one in keys:
        with suppress(FileNotFoundError):
            patiently(partial(obstore.delete, client, one))
