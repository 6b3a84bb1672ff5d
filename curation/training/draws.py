"""Which document comes next, when the shares of the clusters change on the way.

Clusters are strung out on a line of virtual time, as in the schedule of the plan: cluster k earns `share_k` tokens a
unit of time, and a document of t tokens is due when the cluster has earned what it gave before and u_k * t, u_k in
[0, 1) being the cluster's random phase. The document that is due first comes next. This is stride scheduling
(Waldspurger and Weihl 1995) in tokens: with fixed shares every cluster is always within one document of its share. When
the shares change, each cluster keeps what it has earned, and earns at the new pace from then on.

In a cluster the documents come in the order of the schedule, copy m of every document after copy m - 1 of all of
them; in pass m (from 0) only those whose clip is above m. A cluster whose documents were all used so often as their
clips allow is spent, and the others share what it would have got.

The state is four numbers a cluster. A draw costs a step of a heap of clusters, in Python: each depends on the one
before, and reading a document costs far more.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation import counter_rng
from curation.training.pool import Pool


class Draws:
    """The endless draw, until all clusters are spent."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self._pool = pool
        self._phase: list[float] = counter_rng.uniform(seed, "sampling.phase", pool.clusters).tolist()
        count = len(pool.clusters)
        self._now = 0.0
        self._start = [0.0] * count
        """When a cluster would have begun, had it earned at today's pace all that it has given."""
        self._passes, self._cursor = [0] * count, [0] * count
        self._shares: list[float] = pool.base.tolist()
        self._documents = [self._of_pass(k) for k in range(count)]

    def take(self, count: int) -> NDArray[np.int64]:
        """The positions of the next `count` documents: int64[count], less when all clusters are spent."""
        heap = [(self._due(k), k) for k in range(len(self._start)) if len(self._documents[k])]
        heapq.heapify(heap)
        drawn: list[int] = []
        while heap and len(drawn) < count:
            self._now, k = heap[0]
            document = self._documents[k][self._cursor[k]]
            drawn.append(document)
            self._start[k] += int(self._pool.tokens[document]) / self._shares[k]
            self._cursor[k] += 1
            if self._cursor[k] == len(self._documents[k]):
                self._passes[k], self._cursor[k] = self._passes[k] + 1, 0
                self._documents[k] = self._of_pass(k)
            if len(self._documents[k]):
                heapq.heapreplace(heap, (self._due(k), k))
            else:
                heapq.heappop(heap)
        return self._pool.positions[np.array(drawn, np.int64)].astype(np.int64)

    def set_shares(self, shares: NDArray[np.float64]) -> None:
        """The share of each cluster from now on: float64[K], above 0."""
        for k, share in enumerate(shares.tolist()):
            earned = (self._now - self._start[k]) * self._shares[k]
            self._start[k] = self._now - earned / share
        self._shares = shares.tolist()

    def uses(self) -> dict[int, tuple[int, int]]:
        """Of each cluster, how often each of its documents was drawn: at least, and at most."""
        found = {}
        for k, cluster in enumerate(self._pool.clusters.tolist()):
            clips = self._pool.clips[self._pool.starts[k] : self._pool.starts[k + 1]]
            most = self._passes[k] + (self._cursor[k] > 0)
            found[cluster] = int(min(self._passes[k], clips.min())), int(min(most, clips.max()))
        return found

    def state(self) -> dict[str, Any]:
        """JSON-able; floats come back from JSON as they were."""
        return {"now": self._now, "start": self._start[:], "passes": self._passes[:], "cursor": self._cursor[:]}

    def restore(self, state: dict[str, Any], shares: NDArray[np.float64]) -> None:
        """Goes to where `state` was called, under these shares."""
        self._now, self._start = state["now"], list(state["start"])
        self._passes, self._cursor = list(state["passes"]), list(state["cursor"])
        self._shares = shares.tolist()
        self._documents = [self._of_pass(k) for k in range(len(self._start))]

    def _due(self, k: int) -> float:
        tokens = int(self._pool.tokens[self._documents[k][self._cursor[k]]])
        return self._start[k] + self._phase[k] * tokens / self._shares[k]

    def _of_pass(self, k: int) -> Any:
        """The documents that a cluster's present pass has: a range; int64[], where some have reached their clip."""
        start, stop = int(self._pool.starts[k]), int(self._pool.starts[k + 1])
        again = self._pool.clips[start:stop] > self._passes[k]
        return range(start, stop) if again.all() else np.flatnonzero(again) + start
