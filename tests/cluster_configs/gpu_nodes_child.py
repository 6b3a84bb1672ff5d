"""A process with a cluster as the files have it: a head without slots, a node of CPUs, one of GPUs without CPU slots.

Prints, as JSON, on which of them work for GPUs and work for CPUs went. The GPU is one that Ray is told of: no work here
touches it.
"""

from __future__ import annotations

import json


def where(item: str) -> str:
    """The node that this runs on."""
    import ray

    return f"{item} {ray.get_runtime_context().get_node_id()}"


def main() -> None:
    """Starts the cluster, and asks."""
    import ray
    from ray.cluster_utils import Cluster

    from curation.clustering.cuml_engine import CumlRank
    from curation.stages.cuml_gang import reserve
    from curation.stages.workers import map_items

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    names = {cluster.add_node(num_cpus=1).node_id: "cpu", cluster.add_node(num_cpus=0, num_gpus=1).node_id: "gpu"}
    ray.init(address=cluster.address, log_to_driver=False)
    told = {}
    for kind, gpus in (("CPU work", 0.0), ("GPU work", 1.0)):
        [(_, answer)] = map_items([kind], where, gpus=gpus)
        told[kind] = names[answer.rpartition(" ")[2]]
    group = reserve(CumlRank.RESOURCES, 1)
    told["K-Means"] = names[next(iter(ray.util.placement_group_table(group)["bundles_to_node_id"].values()))]
    print(json.dumps(told))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
