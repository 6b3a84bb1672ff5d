"""A cluster with Ray's own autoscaler, whose nodes are processes of this machine; a head without CPUs, and no worker.

Ray brings the provider of such nodes along for tests of its own (`fake_multinode`); the rest is what a cloud gets.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

#: The most nodes of each kind, what a node has, and the seconds after which an idle one is taken away.
NODES = {"cpu": (2, {"CPU": 1}), "gpu": (1, {"CPU": 1, "GPU": 1})}
IDLE_SECONDS = 3.0


@contextmanager
def autoscaling_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a driver on the cluster. `folder`: a short path, for Ray's sockets and logs."""
    import ray
    from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID, FAKE_HEAD_NODE_TYPE

    with socket.socket() as found:
        found.bind(("", 0))
        address = f"{ray.util.get_node_ip_address()}:{found.getsockname()[1]}"
    config = folder / "autoscaling.json"
    config.write_text(json.dumps(_config(address, FAKE_HEAD_NODE_ID, FAKE_HEAD_NODE_TYPE)))
    environment = {**os.environ, "RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "disabled"}
    environment.pop("RAY_ADDRESS", None)
    head = {
        "RAY_FAKE_CLUSTER": "1",
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        # As `ray up` and KubeRay set them.
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
        "RAY_NODE_TYPE_NAME": FAKE_HEAD_NODE_TYPE,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
    }
    options = ["--head", "--block", "--num-cpus=0", "--include-dashboard=false", f"--port={address.split(':')[1]}"]
    started = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", *options, f"--autoscaling-config={config}"],
        env=environment | head,
        stdout=(folder / "head.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        _wait_for_port(address, folder / "head.log")
        yield environment | {"RAY_ADDRESS": address}
    finally:
        _end(started)


def _config(address: str, head_id: str, head_type: str) -> dict[str, object]:
    kinds: dict[str, object] = {
        name: {"resources": has, "node_config": {}, "min_workers": 0, "max_workers": most}
        for name, (most, has) in NODES.items()
    }
    kinds[head_type] = {"resources": {}, "node_config": {}, "max_workers": 0}
    module = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
    provider = {
        "type": "external",
        "module": module,
        "gcs_address": address,
        "head_node_id": head_id,
        "launch_multiple": True,
    }
    provider |= {"use_node_id_as_ip": True, "disable_node_updaters": True, "disable_launch_config_check": True}
    commands = ["initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray"]
    return {
        "cluster_name": "fake",
        "provider": provider,
        "available_node_types": kinds,
        "head_node_type": head_type,
        "max_workers": sum(most for most, _ in NODES.values()),
        "idle_timeout_minutes": IDLE_SECONDS / 60,
        "upscaling_speed": 1.0,
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        **{f"{name}_commands": [] for name in commands},
    }


def _wait_for_port(address: str, log: Path) -> None:
    host, port = address.split(":")
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def _end(started: subprocess.Popen[bytes]) -> None:
    """Ends the head and all below it; the nodes are children of the autoscaler's process."""
    with suppress(psutil.NoSuchProcess):
        for process in [*psutil.Process(started.pid).children(recursive=True), psutil.Process(started.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    started.wait(timeout=30)
