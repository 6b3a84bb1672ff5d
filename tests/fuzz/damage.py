"""Random damage to bytes, and how long the fuzzers run.

Damage is a list of operations that hypothesis draws and shrinks: change a byte, cut a piece out, insert bytes, repeat
a piece. Places are drawn as fractions, so that an operation means something for a file of any size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

#: Seconds that each fuzzer runs in the slow tests.
SECONDS = float(os.environ.get("CURATION_FUZZ_SECONDS", "60"))
QUICK = 200

#: Nothing here is a matter of milliseconds, and a failing example goes into the report, not into a folder.
RELAXED = settings(
    deadline=None, database=None, max_examples=QUICK, suppress_health_check=list(HealthCheck), print_blob=True
)

_PLACE = st.floats(0, 1, exclude_max=True)
_INTERESTING = [b"", b"\0", b"\xff", b"\n", b'"', b"\\", b"{", b"[", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x80" * 4]

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), _PLACE, st.integers(0, 7)),
        st.tuples(st.just("set"), _PLACE, st.integers(0, 255)),
        st.tuples(st.just("cut"), _PLACE, st.floats(0, 0.3)),
        st.tuples(st.just("insert"), _PLACE, st.one_of(st.sampled_from(_INTERESTING), st.binary(max_size=40))),
        st.tuples(st.just("repeat"), _PLACE, st.floats(0, 0.2)),
        st.tuples(st.just("end"), _PLACE, st.none()),
    ),
    min_size=1,
    max_size=5,
)


def damaged(raw: bytes, operations: list, near_end: bool = False) -> bytes:
    """The bytes after each of the operations; `near_end`: in the last kilobyte, where Parquet has its footer."""
    for kind, place, value in operations:
        first = max(0, len(raw) - 1024) if near_end else 0
        at = first + int(place * (len(raw) - first))
        if kind == "flip" and raw:
            raw = raw[:at] + bytes([raw[at] ^ 1 << value]) + raw[at + 1 :]
        elif kind == "set":
            raw = raw[:at] + bytes([value]) + raw[at + 1 :]
        elif kind == "cut":
            raw = raw[:at] + raw[at + 1 + int(value * (len(raw) - at)) :]
        elif kind == "insert":
            raw = raw[:at] + value + raw[at:]
        elif kind == "repeat":
            raw = raw[:at] + raw[at : at + 1 + int(value * (len(raw) - at))] + raw[at:]
        elif kind == "end":
            raw = raw[:at]
    return raw


def run_for(seconds: float, check: Callable[..., None], *arguments: object) -> int:
    """Runs a hypothesis test again and again with other seeds; returns how often."""
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        seed(rounds)(check)(*arguments)
        rounds += 1
    return rounds
