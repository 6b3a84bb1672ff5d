"""A cluster of a head without CPUs and two workers, with a job server; `python -m tests.submit_cluster`.

Prints the address of the job server as a line of JSON. For each line that it then reads it prints what its autoscaler
is asked for. Ends when nothing more can be read. Its processes are this one's, and the token that it wants is in this
one's environment.
"""

from __future__ import annotations

import json
import os
import sys

from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster

WORKERS = 2


def main() -> None:
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_agent_listen_port": None}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for number in range(
        WORKERS
    ):  # each has a folder of its own, or they would write over each other's copy of the code
        cluster.add_node(num_cpus=1, temp_dir=f"{os.environ['RAY_TMPDIR']}/{number}")
    store = GcsClient(address=cluster.address)
    print(json.dumps(f"http://{cluster.webui_url}"), flush=True)
    for _ in sys.stdin:
        asked = store.internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL, None)
        print(json.dumps(json.loads(asked or "null")), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
