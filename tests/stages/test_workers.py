"""Ray that does not start is told in words; and how many tasks are on their way at a time."""

from __future__ import annotations

import pytest
import ray

from curation.config.resources import Resources
from curation.errors import RunError
from curation.stages import ray_cluster, workers
from curation.stages.workers import map_items


def test_a_cluster_that_wants_another_token_is_told_in_a_line(monkeypatch):
    def refuse(**_):
        raise ray.exceptions.AuthenticationError("the authentication token is invalid\nor incorrect")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(RunError, match=r"^Ray did not start: the authentication token is invalid or incorrect[^\n]*$"):
        ray_cluster.start(Resources())


def twice(item):
    return 2 * item


@pytest.mark.ray
def test_when_the_cluster_grows_more_items_are_taken(ray_session, monkeypatch):
    size, taken = [1], []
    monkeypatch.setattr(workers, "cpus", lambda: size[0])
    monkeypatch.setattr(workers, "LOOK", 0.0)

    def items():
        for item in range(20):
            taken.append(item)
            yield item

    receipts = map_items(items(), twice)
    found = dict([next(receipts), next(receipts)])
    assert len(taken) <= 4
    size[0] = 4
    found |= [next(receipts)]
    found |= [next(receipts)]
    assert len(taken) >= 8
    assert found | dict(receipts) == {item: 2 * item for item in range(20)}
