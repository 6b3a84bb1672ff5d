"""Metrics as a Prometheus would get them: scraped from a Ray node while a job runs on it, and after a second start.

Slow (`make test-slow`): starts a Ray of its own with the agent that exports, and two drivers on it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from curation.stages.metrics import METRICS
from curation.storage.store import Store
from tests.corpus import job
from tests.embedding.conftest import save_tiny_bert

#: A Ray node that exports every second, until its stdin is closed; it prints its address.
NODE = """
import sys, ray
node = ray.init(
    num_cpus=2, include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False, logging_level="ERROR",
    _metrics_export_port=int(sys.argv[1]), _system_config={"metrics_report_interval_ms": 1000},
)
print(node.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


class Node:
    """A Ray node in a process of its own, and what it exports."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = os.environ | {"RAY_TMPDIR": folder}
        command = [sys.executable, "-c", NODE, str(self.port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.address = self.process.stdout.readline().strip()

    def scraped(self):
        """Samples of ours: (name, the labels that matter) to the sum over the processes that gave them."""
        from prometheus_client.parser import text_string_to_metric_families

        host = self.address.rpartition(":")[0]
        with urllib.request.urlopen(f"http://{host}:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith("ray_curation"):
                    assert family.type == ("counter" if sample.name.endswith("_total") else "gauge")
                    assert family.documentation
                    name = sample.name.removeprefix("ray_")
                    labels = sample.labels
                    assert Path(labels["run"]).name == "run"
                    found[name, *(labels[label] for label in METRICS[name].labels)] += sample.value
        return found

    def run(self, path, *overrides):
        """Does a job with a driver of its own; returns what was scraped meanwhile."""
        arguments = [part for override in overrides for part in ("--set", override)]
        command = [sys.executable, "-m", "curation.cli", "run", path, *arguments]
        driver = subprocess.Popen(command, env=os.environ | {"RAY_ADDRESS": self.address}, stdout=subprocess.DEVNULL)
        seen = []
        while driver.poll() is None:
            seen.append(self.scraped())
            time.sleep(0.5)
        assert driver.returncode == 0
        return seen

    def settled(self, key, value):
        """What is scraped when a sample has reached a value, or half a minute is over."""
        stop = time.monotonic() + 30
        while (found := self.scraped())[key] < value and time.monotonic() < stop:
            time.sleep(0.5)
        return found


@pytest.fixture
def node():
    folder = tempfile.mkdtemp(prefix="ray")  # not below pytest's own: the paths of Ray's sockets must be short
    started = Node(folder)
    yield started
    started.process.stdin.close()
    started.process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_scrape_has_what_the_markers_say_and_a_second_start_counts_only_what_it_does(node, tmp_path):
    path = job(tmp_path / "corpus", tmp_path / "run")
    save_tiny_bert(tmp_path / "tiny")
    options = [f"embedding.model={tmp_path / 'tiny'}", "embedding.max_tokens=64", "embedding.precision=float32"]
    seen = node.run(path, *options)
    assert any(live for live in seen[:-1]), "nothing was exported while the job was running"
    store = Store.open(str(tmp_path / "run"))
    parts, stats = {}, {}
    for stage in ("documents", "embeddings", "assignments", "shards"):
        marker = store.marker(stage)
        parts[stage], stats[stage] = [part for part in marker.parts if part.name.startswith(stage)], marker.stats
    found = node.settled(("curation_documents_total", "shards", ""), stats["shards"]["rows"])

    def total(name, stage):
        return sum(value for (metric, at, *_), value in found.items() if (metric, at) == (name, stage))

    documents = stats["documents"]
    for stage in ("documents", "embeddings", "assignments", "gather"):
        assert total("curation_documents_total", stage) == documents["documents"]
    for stage in ("documents", "embeddings"):
        assert total("curation_tokens_total", stage) == stats[stage]["tokens"]
    assert total("curation_text_bytes_total", "documents") == documents["bytes"]
    for stage in ("embeddings", "assignments"):
        assert total("curation_written_bytes_total", stage) == sum(part.bytes for part in parts[stage])
    assert total("curation_documents_total", "shards") == stats["shards"]["rows"]
    assert found["curation_documents_total", "documents", "books"] == 43
    splits = len(parts["embeddings"])
    for stage in ("documents", "embeddings", "assignments", "gather"):
        assert total("curation_work_seconds_total", stage) > 0
    for stage in ("documents", "embeddings", "assignments"):  # gauges end with their driver
        for gauge in ("curation_splits", "curation_splits_done"):
            assert max(live[gauge, stage] for live in seen) == splits
    assert total("curation_batch_tokens_total", "embeddings") == stats["embeddings"]["tokens"]
    fill = stats["embeddings"]["tokens"] / total("curation_batch_capacity_tokens_total", "embeddings")
    assert 0.05 < fill <= 1
    assert not any(name == "curation_retries_total" for name, *_ in found)

    lost = [part for part in parts["embeddings"] if part.rows][:2]
    store.remove(["embeddings/_done.json", *(part.name for part in lost)])
    node.run(path, *options)
    rows = [store.read_stats(part.name.replace("embeddings", "documents"))[0] for part in lost]
    before, wanted = found, documents["documents"] + sum(rows)
    found = Counter()
    stop = time.monotonic() + 30
    while total("curation_documents_total", "embeddings") < wanted and time.monotonic() < stop:
        found = node.scraped()
    assert total("curation_documents_total", "embeddings") == wanted
    for stage in ("documents", "assignments"):
        assert total("curation_documents_total", stage) == documents["documents"]
    assert before["curation_documents_total", "shards", ""] == total("curation_documents_total", "shards")
