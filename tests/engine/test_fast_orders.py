"""Steps whose order is found on the way, by priorities or layer by layer: both engines, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.run import simulate
from netsim.families import FAMILIES
from netsim.scenario import Scenario
from netsim.trace import Trace

LAYERS = [{"kind": "dense", "input_shape": [301], "units": 50 + 40 * n, "name": name} for n, name in enumerate("abcd")]
BASE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {
        "group": [
            {"count": 2},
            {"count": 1, "slowdown": 1.5},
            {"count": 1, "link": {"rate": "300 Mbit/s", "latency": "100 us"}},
        ],
        "device": "v100",
        "link": {"rate": "1 Gbit/s", "latency": "25 us"},
    },
    "job": {"model": {"layers": LAYERS}, "batch": 32, "strategy": {"kind": "ring"}, "bucket": "layer"},
}
URGENT = {"job.schedule": "priority", "job.partition": "30 kB"}
SERVERS = {"kind": "parameter_server", "servers": 2}
ORDERS: dict[str, dict[str, Any]] = {
    "by layer": {"job.next_forward": "by_layer"},
    "one step by layer": {"job.next_forward": "by_layer", "iterations": 1},
    "by layer, without overlap": {"job.next_forward": "by_layer", "job.overlap": False},
    "by layer, in buckets": {"job.next_forward": "by_layer", "job.bucket": "80 kB"},
    "by layer on streams, in micro-batches": {"job.next_forward": "by_layer", "job.streams": 3, "job.accumulate": 2},
    "by layer, in queues": {"job.next_forward": "by_layer", "cluster.sharing": "fifo"},
    "priorities": URGENT,
    "priorities after all": {**URGENT, "job.next_forward": "after_all"},
    "priorities without overlap": {**URGENT, "job.overlap": False},
    "priorities on streams": {**URGENT, "job.streams": 2},
    "priorities in slices of a tree": {**URGENT, "job.strategy": {"kind": "tree", "slices": 3}},
    "priorities, adding": {**URGENT, "cluster.reduction_rate": "100 MB/s"},
    "priorities in queues": {**URGENT, "cluster.sharing": "fifo", "job.strategy": "binomial_tree"},
    "servers by layer": {"job.next_forward": "by_layer", "job.strategy": SERVERS},
    "servers by layer, in queues": {
        "job.next_forward": "by_layer", "job.strategy": SERVERS, "cluster.sharing": "fifo"
    },
    "servers with priorities": {**URGENT, "job.strategy": SERVERS},
    "servers with priorities after all": {**URGENT, "job.strategy": SERVERS, "job.next_forward": "after_all"},
    "servers with priorities that add": {**URGENT, "job.strategy": SERVERS, "cluster.reduction_rate": "31 MB/s"},
    "colocated servers with priorities": {**URGENT, "job.strategy": {**SERVERS, "placement": "colocated"}},
}  # fmt: skip
RECORDS = ("steps", "links", "transfers", "link_bins", "servers", "spans")
LEFT = ("messages come at one moment whose order matters", "hosts hand queues in the network their most urgent slice")


def scenario(changes: dict[str, Any]) -> Scenario:
    strategy = changes.get("job.strategy", {})
    apart = isinstance(strategy, dict) and strategy.get("kind") == "parameter_server" and "placement" not in strategy
    link = {"cluster.server_link": {"rate": "700 Mbit/s", "latency": "20 us"}} if apart else {}
    return loading.from_table(BASE, {"noise.jitter": 0.1, **link, **changes})


def both(changes: dict[str, Any], detail: str) -> tuple[Trace, Trace]:
    return tuple(simulate(scenario(changes), engine=engine, detail=detail) for engine in ("simpy", "fast"))  # type: ignore[return-value]


@pytest.mark.parametrize("changes", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("detail", ["full", "last"])
def test_whatever_is_recorded_is_alike_in_both_engines(changes: dict[str, Any], detail: str, alike: Any) -> None:
    alike(*both(changes, detail))


@settings(deadline=None, max_examples=60)
@given(
    strategy=st.sampled_from(FAMILIES["strategies"].names()),
    schedule=st.sampled_from([
        {"job.next_forward": "by_layer"}, {"job.schedule": "priority"},
        {"job.schedule": "priority", "job.next_forward": "after_all"},
    ]),
    partition=st.sampled_from([{}, {"job.partition": "30 kB"}]),
    overlap=st.booleans(),
    jitter=st.sampled_from([0.0, 0.2]),
    streams=st.integers(1, 3),
    rate=st.sampled_from(["100 Mbit/s", "1 Gbit/s", "10 Gbit/s"]),
    more=st.sampled_from([
        {}, {"cluster.sharing": "fifo"}, {"cluster.reduction_rate": "70 MB/s"}, {"cluster.topology": {"kind": "line"}}
    ]),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_the_engines_agree_on_any_order(
    strategy: str, schedule: Any, partition: Any, overlap: bool, jitter: float, streams: int, rate: str, more: Any,
    seed: int, alike: Any,
) -> None:  # fmt: skip
    servers = strategy == "parameter_server"
    changes = {
        "seed": seed, "job.strategy": {"kind": strategy}, "job.overlap": overlap, "noise.jitter": jitter,
        "job.streams": 1 if servers else streams, "cluster.link.rate": rate, **schedule, **partition, **more,
    }  # fmt: skip
    reference, other = both(changes, "summary")
    if other.engine == "fast":
        alike(reference, other)
    else:
        assert other.facts["why_simpy"] in LEFT


@pytest.mark.parametrize("changes", ORDERS.values(), ids=ORDERS)
def test_the_kernels_do_the_same_uncompiled(changes: dict[str, Any], same_uncompiled: Any) -> None:
    same_uncompiled(scenario(changes), RECORDS)
