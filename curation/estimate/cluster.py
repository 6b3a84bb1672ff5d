"""The machines: how many slots they have, what they cost, and the fewest that meet a deadline.

A cluster has CPU nodes and GPU nodes. The CPU nodes are there from the beginning to the end; GPU nodes only while a
stage holds GPUs, where there are CPU nodes for the others. What is not counted: the head node, the minutes in which
machines boot, storage and traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

#: Most nodes of a kind that are thought of.
MOST_NODES = 1024


@dataclass(frozen=True)
class Cluster:
    """Machines of two kinds. Prices are of a node and hour; None: not known."""

    cpu_nodes: int
    gpu_nodes: int
    cpus: int
    """Slots of a CPU node."""
    gpu_node_cpus: int = 0
    gpus: int = 0
    """GPUs of a GPU node."""
    cpu_price: float | None = None
    gpu_price: float | None = None

    @property
    def cpu_slots(self) -> int:
        """Slots that tasks run on: those of the CPU nodes, or where there are none, of the GPU nodes."""
        return self.cpu_nodes * self.cpus if self.cpu_nodes else self.gpu_node_slots

    @property
    def gpu_node_slots(self) -> int:
        """CPU slots of the GPU nodes."""
        return self.gpu_nodes * self.gpu_node_cpus

    @property
    def all_gpus(self) -> int:
        """GPUs of all nodes."""
        return self.gpu_nodes * self.gpus

    @property
    def priced(self) -> bool:
        """Whether the price of every node is known."""
        return not (self.cpu_nodes and self.cpu_price is None) and not (self.gpu_nodes and self.gpu_price is None)

    def cost(self, seconds: float, on_gpu: bool) -> float:
        """Price of the nodes for so long; 0 where no price is known.

        Args:
            seconds: how long.
            on_gpu: whether GPUs are held meanwhile.
        """
        paid = self.cpu_nodes * (self.cpu_price or 0.0)
        if on_gpu or not self.cpu_nodes:
            paid += self.gpu_nodes * (self.gpu_price or 0.0)
        return paid * seconds / 3600

    def __str__(self) -> str:
        kinds = [(self.cpu_nodes, "CPU node", f"{self.cpus} CPUs")]
        kinds.append((self.gpu_nodes, "GPU node", f"{self.gpu_node_cpus} CPUs and {self.gpus} GPUs"))
        return " and ".join(f"{n} {kind}{'s' * (n != 1)} of {holds}" for n, kind, holds in kinds if n)


class Timed(Protocol):
    """What this module needs to know of a stage."""

    @property
    def seconds(self) -> float:
        """How long it takes."""

    @property
    def gpus(self) -> int:
        """GPUs that it holds."""


def total_cost(times: Sequence[Timed], cluster: Cluster) -> float:
    """Price of all stages."""
    return sum(cluster.cost(time.seconds, time.gpus > 0) for time in times)


def smallest_clusters(cluster: Cluster, deadline: float, times: Callable[[Cluster], Sequence[Timed]]) -> list[Cluster]:
    """The clusters that meet a deadline and none of whose nodes can be spared; the cheapest first.

    Without prices the one with the fewest nodes comes first. None: no number of nodes up to MOST_NODES meets it.

    Args:
        cluster: the kinds of nodes; a kind of which it has none stays out.
        deadline: seconds.
        times: of the stages on a cluster; more nodes must not make them longer.
    """

    def meets(cpu_nodes: int, gpu_nodes: int) -> bool:
        return (
            sum(time.seconds for time in times(replace(cluster, cpu_nodes=cpu_nodes, gpu_nodes=gpu_nodes))) <= deadline
        )

    most_cpu, most_gpu = (MOST_NODES if nodes else 0 for nodes in (cluster.cpu_nodes, cluster.gpu_nodes))
    least_cpu, least_gpu = min(1, most_cpu), min(1, most_gpu)
    found: list[Cluster] = []
    ceiling = most_cpu
    gpu_nodes = _fewest(least_gpu, most_gpu, lambda nodes: meets(most_cpu, nodes))
    while gpu_nodes is not None:
        fixed = gpu_nodes
        cpu_nodes = _fewest(least_cpu, ceiling, lambda nodes, fixed=fixed: meets(nodes, fixed))  # type: ignore[misc]
        assert cpu_nodes is not None, "the largest number was seen to meet it"
        found.append(replace(cluster, cpu_nodes=cpu_nodes, gpu_nodes=gpu_nodes))
        ceiling = cpu_nodes - 1
        if ceiling < least_cpu:
            break
        # The next number of GPU nodes with which a CPU node can be spared.
        gpu_nodes = _fewest(gpu_nodes + 1, most_gpu, lambda nodes, least=ceiling: meets(least, nodes))  # type: ignore[misc]

    def order(one: Cluster) -> tuple[float, int]:
        return (total_cost(times(one), one) if one.priced else 0.0, one.cpu_nodes + one.gpu_nodes)

    return sorted(found, key=order)


def _fewest(low: int, high: int, enough: Callable[[int], bool]) -> int | None:
    """The lowest number from `low` to `high` that is enough, when all above it are too; None: not even `high` is."""
    if low > high or not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
