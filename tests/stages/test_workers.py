"""How many tasks are on their way at a time."""

from __future__ import annotations

import pytest

from curation.stages import workers
from curation.stages.workers import map_items


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
