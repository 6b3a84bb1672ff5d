"""Ray is started once a test session, on two CPUs, and only when a test asks for it."""

from __future__ import annotations

import os

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
# Ray's workers get the environment as it is when Ray starts: the keys of the tests' own S3 server, which takes any.
os.environ["AWS_ACCESS_KEY_ID"] = "AKIA-OF-THE-TESTS"
os.environ["AWS_SECRET_ACCESS_KEY"] = "the-secret-key-of-the-tests"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import pytest


@pytest.fixture(scope="session")
def ray_session():
    import logging

    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=300_000_000,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def s3_server():
    from tests import s3_server

    server = s3_server.start()
    yield server
    server.process.terminate()
    server.process.wait()


@pytest.fixture
def s3(s3_server):
    """The S3 server, without faults."""
    s3_server.faults()
    yield s3_server
    s3_server.faults()
