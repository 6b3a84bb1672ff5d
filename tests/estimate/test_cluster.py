"""The machines: what they cost, and the fewest that meet a deadline."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.estimate.cluster import MOST_NODES, Cluster, smallest_clusters, total_cost
from curation.estimate.profiles import profile_rates
from curation.estimate.stages import stage_times
from tests.estimate.test_stages import READING, WORK

PRICED = Cluster(1, 1, 64, 96, 8, cpu_price=3.1, gpu_price=32.8)


def on_gpus(cluster):
    return stage_times(WORK, profile_rates("a100", READING, 500, 384), cluster)


def on_cpus(cluster):
    return stage_times(WORK, profile_rates("cpu", READING, 500, 384), cluster)


def seconds(times):
    return sum(time.seconds for time in times)


@settings(deadline=None, max_examples=30)
@given(st.floats(60, 200_000), st.booleans(), st.booleans())
def test_a_cluster_meets_the_deadline_and_no_node_of_it_can_be_spared(deadline, gpus, priced):
    kinds, times = (PRICED, on_gpus) if gpus else (replace(PRICED, gpu_nodes=0), on_cpus)
    if not priced:
        kinds = replace(kinds, cpu_price=None, gpu_price=None)
    found = smallest_clusters(kinds, deadline, times)
    if not found:
        most = replace(kinds, cpu_nodes=MOST_NODES, gpu_nodes=MOST_NODES if gpus else 0)
        assert seconds(times(most)) > deadline
    for one in found:
        assert seconds(times(one)) <= deadline
        for fewer in (
            replace(one, cpu_nodes=one.cpu_nodes - 1),
            replace(one, gpu_nodes=one.gpu_nodes - 1),
        ):
            allowed = fewer.cpu_nodes >= 1 and fewer.gpu_nodes >= (1 if gpus else 0)
            assert not allowed or seconds(times(fewer)) > deadline
    if priced:
        costs = [total_cost(times(one), one) for one in found]
    else:
        costs = [one.cpu_nodes + one.gpu_nodes for one in found]
    assert costs == sorted(costs)


def test_a_tight_deadline_leaves_a_choice_and_an_impossible_one_none():
    one = seconds(on_gpus(PRICED))
    many = seconds(on_gpus(replace(PRICED, cpu_nodes=MOST_NODES, gpu_nodes=MOST_NODES)))
    found = smallest_clusters(PRICED, (one + many) / 2, on_gpus)
    assert found
    assert all(cluster.cpu_nodes + cluster.gpu_nodes > 2 for cluster in found)
    assert smallest_clusters(PRICED, many - 1, on_gpus) == []
    assert smallest_clusters(PRICED, one, on_gpus) == [PRICED]


def test_prices_add_up():
    times = on_gpus(PRICED)
    by_stage = [PRICED.cost(time.seconds, time.gpus > 0) for time in times]
    assert total_cost(times, PRICED) == pytest.approx(sum(by_stage))
    held = sum(time.seconds for time in times if time.gpus)
    assert total_cost(times, PRICED) == pytest.approx((3.1 * seconds(times) + 32.8 * held) / 3600)
    gpu_only = replace(PRICED, cpu_nodes=0)
    assert total_cost(on_gpus(gpu_only), gpu_only) == pytest.approx(32.8 * seconds(on_gpus(gpu_only)) / 3600)


def test_a_price_that_is_missing_counts_only_where_its_nodes_are():
    assert PRICED.priced
    assert not replace(PRICED, cpu_price=None).priced
    assert replace(PRICED, cpu_price=None, cpu_nodes=0).priced
    assert not replace(PRICED, gpu_price=None).priced
    assert replace(PRICED, gpu_price=None, gpu_nodes=0).priced
