"""The lease on a run directory in an object store, against a server over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter

import obstore
import pytest

from curation.errors import RunError
from curation.storage import lease, remote
from curation.storage.lock import locked
from curation.storage.store import Store
from curation.termination import make_last_calls


@pytest.fixture
def elsewhere(monkeypatch):
    """Every acquisition comes from a machine of its own, so that leases are watched and not looked up."""
    machines = iter(range(10**9))
    monkeypatch.setattr(lease, "_machine", lambda: f"machine {next(machines)}")


def rounds(name):
    return f"lease/{name}-{time.monotonic_ns()}"


CONTEND = """
import sys
from curation.errors import RunError
from curation.storage.lock import locked
from curation.storage.store import Store
from curation.termination import make_last_calls
for root in sys.stdin:
    try:
        with locked(Store.open(root.strip())):
            print("held", flush=True)
            sys.stdin.readline()
            print("done", flush=True)
    except RunError as error:
        print(f"refused {error}", flush=True)
        sys.stdin.readline()
"""


def test_of_two_processes_at_the_same_instant_exactly_one_runs_fifty_times(s3):
    both = [
        subprocess.Popen([sys.executable, "-c", CONTEND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    def tell(text):
        for process in both:
            process.stdin.write(text + "\n")
            process.stdin.flush()

    winners = Counter()
    try:
        for number in range(50):
            tell(s3.uri(f"lease/pair-{number}"))
            said = [process.stdout.readline() for process in both]
            assert sorted(line.split()[0] for line in said) == ["held", "refused"]
            winner, loser = (0, 1) if said[0].startswith("held") else (1, 0)
            assert f"in use by process {both[winner].pid} on" in said[loser]
            assert "its lease is good until 20" in said[loser]
            winners[winner] += 1
            tell("go on")
            assert both[winner].stdout.readline() == "done\n"
    finally:
        for process in both:
            process.kill()
            process.wait()
    assert sum(winners.values()) == 50


def test_of_two_machines_at_the_same_instant_exactly_one_runs_fifty_times(s3, elsewhere):
    """All fifty pairs at once, since the one that is refused watches the other until it renews."""
    start, held, refused = threading.Barrier(100), [], []
    stop = threading.Event()

    def contend(number):
        start.wait()
        try:
            found = lease.acquire(s3.uri(f"lease/fifty-{number}"), 16)
        except RunError:
            refused.append(number)
            if len(refused) == 50:
                stop.set()
            return
        held.append(number)
        stop.wait(60)
        found.release()

    threads = [threading.Thread(target=contend, args=(number % 50,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held) == sorted(refused) == list(range(50))


def test_a_lease_that_was_given_back_is_taken_at_once(s3, elsewhere):
    root = s3.uri(rounds("back"))
    lease.acquire(root, 60).release()
    begun = time.monotonic()
    lease.acquire(root, 60).release()
    assert time.monotonic() - begun < 10


def test_a_job_that_was_told_to_end_is_followed_at_once_from_another_machine(s3, elsewhere):
    root = s3.uri(rounds("told"))
    with locked(Store.open(root)) as held:
        make_last_calls(20.0)
        with pytest.raises(RunError, match="the job of this worker has ended"):
            held.write_bytes("after", b"is")
        begun = time.monotonic()
        with locked(Store.open(root)):
            assert time.monotonic() - begun < 10


def test_a_dead_holder_on_another_machine_is_followed_after_the_length_of_its_lease(s3, elsewhere):
    root, notes = s3.uri(rounds("dead")), []
    first = lease.acquire(root, 2)
    first._over.set()  # its thread stops renewing
    begun = time.monotonic()
    second = lease.acquire(root, 2, notes.append)
    assert time.monotonic() - begun >= 2
    assert f"process {os.getpid()} on" in notes[0]
    with pytest.raises(RunError, match="has taken the run directory over"):
        lease.check(root, first.terms.token)
    lease.check(root, second.terms.token)
    second.release()
    with pytest.raises(RunError, match="the job of this worker has ended"):
        lease.check(root, second.terms.token)


def test_a_job_killed_on_this_machine_is_followed_at_once(s3):
    root = s3.uri(rounds("killed"))
    holder = subprocess.Popen([sys.executable, "-c", CONTEND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write(root + "\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RunError, match=f"process {holder.pid} on"), locked(Store.open(root)):
        pass
    holder.kill()
    holder.wait()
    begun = time.monotonic()
    with locked(Store.open(root)):
        assert time.monotonic() - begun < 10


def test_a_lost_lease_stops_the_run_and_nothing_is_written_any_more(s3, monkeypatch):
    monkeypatch.setattr(lease, "SECONDS", 2.0)
    store = Store.open(s3.uri(rounds("lost")))
    client, key = remote.objects(store.root)
    with pytest.raises(RunError, match="lease on the run directory is lost: another job has taken it over"):
        hold_until_robbed(store, client, key)
    assert store.list("") == {"_lock": store.list("")["_lock"], "before": 3}


def hold_until_robbed(store, client, key):
    with locked(store) as held:
        held.write_bytes("before", b"was")
        theirs = json.loads(bytes(obstore.get(client, key + lease.LOCK).bytes())) | {"token": "theirs", "host": "thief"}
        obstore.put(client, key + lease.LOCK, json.dumps(theirs).encode())
        with pytest.raises(RunError, match="on thief has taken the run directory over"):
            held.write_bytes("after", b"is")
        with pytest.raises(RunError, match="on thief has taken the run directory over"):
            held.remove(["before"])
        time.sleep(30)  # the renewal finds out, and interrupts


def test_a_store_that_stays_away_loses_the_lease_before_its_end(s3, elsewhere):
    root = s3.uri(rounds("away"))
    held = lease.acquire(root, 4)
    held._holder = -1  # this test is not to be interrupted
    s3.faults({"match": "PUT .*_lock", "times": 10**6, "status": 503, "code": "SlowDown"})
    begun = time.monotonic()
    while not held.lost and time.monotonic() - begun < 20:
        time.sleep(0.05)
    s3.faults()
    assert "could not be renewed" in held.lost
    held.release()
    assert not held.desk.read()[0].released


def test_an_answer_that_got_lost_does_not_lose_the_lease(s3, elsewhere):
    root = s3.uri(rounds("answer"))
    s3.faults({"match": "PUT .*_lock", "lose": True}, {"match": "PUT .*_lock", "lose": True, "every": 2})
    held = lease.acquire(root, 4)
    held._holder = -1
    time.sleep(2.5)
    s3.faults()
    assert not held.lost
    assert held.terms.renewals >= 1
    lease.check(root, held.terms.token)
    held.release()


def test_what_is_no_lease_is_told(s3):
    key = rounds("odd")
    s3.ask(f"/bucket/{key}/_lock", b"process 1 on x\n", "PUT")
    with pytest.raises(RunError, match="not a lease; delete it"):
        lease.acquire(s3.uri(key))
