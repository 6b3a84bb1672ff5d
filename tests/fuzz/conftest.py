"""One reading process for all fuzzers of a session."""

from __future__ import annotations

import pytest

from tests.fuzz.child import Reader


@pytest.fixture(scope="session")
def reader():
    reader = Reader()
    yield reader
    reader.close()
