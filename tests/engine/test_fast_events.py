"""All-reduces that contend: what the fast engine notes of a run is, row by row, what the reference notes."""

from __future__ import annotations

from typing import Any

import pytest

from netsim import loading
from netsim.engine.run import simulate

BASE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {
        "group": [
            {"count": 3},
            {"count": 2, "slowdown": 1.5},
            {"count": 3, "link": {"rate": "3 Gbit/s", "latency": "1 ms"}},
        ],
        "device": "v100",
        "link": {"rate": "10 Gbit/s", "latency": "25 us"},
    },
    "job": {"model": "mobilenet_v1", "batch": 32, "strategy": {"kind": "tree"}, "bucket": "4 MB"},
}
SCENARIOS: dict[str, dict[str, Any]] = {
    "tree": {},
    "slices": {"job.strategy.slices": 3},
    "slices in loops": {"job.strategy": {"kind": "tree", "slices": 5, "in_flight": 2}},
    "segments": {"job.strategy": {"kind": "ring", "library": "gloo"}, "job.bucket": "all", "noise.jitter": 0.2},
    "whole blocks": {"job.strategy": {"kind": "ring", "library": "openmpi"}, "job.bucket": "all", "job.streams": 2},
    "streams": {"job.streams": 3},
    "noise": {"noise.jitter": 0.2},
    "noise of two steps": {"noise.jitter": 0.2, "iterations": 2},
    "no overlap": {"job.overlap": False},
    "adding": {"job.strategy.kind": "double_binary_tree", "cluster.reduction_rate": "5 GB/s"},
    "a line": {"cluster.topology": {"kind": "line"}},
    "a server": {"job.strategy": "parameter_server"},
    "servers of whole keys": {"job.strategy": {"kind": "parameter_server", "servers": 2, "keys": "whole"}},
    "servers without a part": {
        "job.strategy": {"kind": "parameter_server", "servers": 3, "keys": "whole"},
        "job.bucket": "layer",
    },
    "servers that add": {
        "job.strategy": {"kind": "parameter_server", "servers": 3, "slices": 2},
        "cluster.reduction_rate": "5 GB/s",
        "job.overlap": False,
    },
    "servers on the workers' machines": {"job.strategy": {"kind": "parameter_server", "placement": "colocated"}},
    "everyone to everyone": {"job.strategy.kind": "direct", "cluster.topology": {"kind": "fat_tree"}},
    "whole elements": {"job.strategy": {"kind": "direct", "element": "4 B", "slices": 2}},
}
FEW: dict[str, Any] = {  # hosts and layers, as plain Python is a hundred times slower
    "cluster.group": [{"count": 2}, {"count": 1, "slowdown": 1.5}],
    "job.model": {
        "layers": [{"kind": "dense", "input_shape": [301], "units": 101, "name": name} for name in "abcd"],
    },
    "job.bucket": "layer",
}
SERVERS = {"cluster.server_link": "25gbe"}
RECORDS = ("steps", "links", "transfers", "link_bins", "servers")  # the others are in the order of their being noted


QUEUES: dict[str, dict[str, Any]] = {
    f"{forwarding}, {name}": {**changes, "cluster.sharing": "fifo", "cluster.forwarding": forwarding}
    for name, changes in SCENARIOS.items()
    for forwarding in ("cut_through", "store_and_forward")
    if name != "servers that add" and (name, forwarding) != ("segments", "cut_through")  # words come as messages do
}
QUEUES |= {
    f"{forwarding}, {name}, bursts": {**QUEUES[f"{forwarding}, {name}"], "cluster.link.burst": "30 kB"}
    for name in ("slices", "streams", "noise", "servers of whole keys")
    for forwarding in ("cut_through", "store_and_forward")
}


@pytest.mark.parametrize("changes", {**SCENARIOS, **QUEUES}.values(), ids={**SCENARIOS, **QUEUES})
@pytest.mark.parametrize("detail", ["full", "last"])
def test_whatever_is_recorded_is_alike_in_both_engines(changes: dict[str, Any], detail: str, same_rows: Any) -> None:
    apart = "parameter_server" in str(changes) and "colocated" not in str(changes)
    scenario = loading.from_table(BASE, {**changes, **(SERVERS if apart else {})})
    reference, other = (simulate(scenario, engine=engine, detail=detail) for engine in ("simpy", "fast"))
    assert other.engine == "fast"
    for records in RECORDS:
        same_rows(getattr(reference, records), getattr(other, records))
    assert sorted(each[1:] for each in other.updates) == sorted(each[1:] for each in reference.updates)
    assert sorted(other.updates["time"]) == pytest.approx(sorted(reference.updates["time"]), rel=1e-9)


@pytest.mark.parametrize("strategy", ["ring", "binomial_tree", "tree", "parameter_server"])
def test_queues_carry_as_much_and_are_as_long_busy_in_both_engines(strategy: str, same_rows: Any) -> None:
    changes = {"cluster.sharing": "fifo", "job.strategy": strategy, "noise.jitter": 0.1}
    scenario = loading.from_table(BASE, {**changes, **SERVERS} if strategy == "parameter_server" else changes)
    reference, other = (simulate(scenario, engine=engine, detail="summary") for engine in ("simpy", "fast"))
    assert other.engine == "fast"
    for records in ("steps", "links"):
        same_rows(getattr(reference, records), getattr(other, records))


@pytest.mark.parametrize("changes", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("detail", ["full", "last"])
def test_the_kernel_does_the_same_uncompiled(changes: dict[str, Any], detail: str, same_uncompiled: Any) -> None:
    scenario = loading.from_table(BASE, {**FEW, **changes})
    compiled = same_uncompiled(scenario, RECORDS, detail)
    assert compiled.facts["why_simpy"] in (None, "messages come at one moment whose order matters")
