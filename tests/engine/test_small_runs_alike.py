"""Both engines on runs of a few milliseconds each, row by row: every way of exchanging, sharing, recording, and being
unequal. Where a way of running is new, it has a line here."""

from __future__ import annotations

from typing import Any

import pytest

from netsim import loading
from netsim.engine.fast import servers
from netsim.engine.run import simulate
from netsim.scenario import Scenario
from netsim.trace import Trace

LAYERS = [{"kind": "dense", "input_shape": [7], "units": 3 + 2 * n, "name": name} for n, name in enumerate("abc")]
EQUAL = [{"count": 3}]
UNEQUAL = [
    {"count": 1},
    {"count": 1, "slowdown": 1.37},
    {"count": 1, "link": {"rate": "300 kbit/s", "latency": "1 ms"}},
]
ONE_SLOW = [{"count": 2, "slowdown": 40.0}, {"count": 1}]
BASE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {
        "group": UNEQUAL,
        "device": {
            "peak": {"fp32": "1 Tflop/s"}, "memory_rate": "100 kB/s", "kernel_overhead": "0.1 ms",
            "efficiency": {"dense": 1.0, "elementwise": 1.0, "memory": 1.0},
        },
        "link": {"rate": "1 Mbit/s", "latency": "0.5 ms"},
    },
    "job": {"model": {"layers": LAYERS}, "batch": 2, "strategy": "ring", "bucket": "layer"},
}  # fmt: skip
ADDS = {"cluster.reduction_rate": "100 kB/s"}
QUEUES = {"cluster.sharing": "fifo"}
NOISE = {"noise.jitter": 0.3}


def served(**how: Any) -> dict[str, Any]:
    return {"job.strategy": {"kind": "parameter_server", **how}}


ROUNDS: dict[str, dict[str, Any]] = {
    "rounds": {},
    "rounds of equal workers": {"cluster.group": EQUAL},
    "rounds without overlap": {"job.overlap": False},
    "rounds with noise": NOISE,
    "rounds that add": ADDS,
    "rounds in slices": {"job.strategy": {"kind": "ring", "slices": 3}},
    "rounds in loops of slices": {"job.strategy": {"kind": "ring", "slices": 5, "in_flight": 2}},
    "rounds in steps of slices": {"job.strategy": {"kind": "ring", "library": "gloo"}},
    "rounds of whole elements": {"job.strategy": {"kind": "ring", "element": "4 B", "slices": 2}},
    "rounds of pairs": {"job.strategy": "recursive_doubling", "cluster.group": [*UNEQUAL, {"count": 1}]},
    "rounds of a chain": {"job.strategy": "ring", "cluster.topology": "line", "cluster.group": [{"count": 2}]},
    "rounds in queues": QUEUES,
    "one bucket": {"job.bucket": "all", **ADDS},
    "one worker": {"cluster.group": [{"count": 1}]},
    "micro-batches": {"job.accumulate": 2, **NOISE},
}
SYNC: dict[str, dict[str, Any]] = {
    "a tree": {"job.strategy": "tree", **NOISE},
    "a tree that adds": {"job.strategy": {"kind": "tree", "slices": 2}, **ADDS, **NOISE},
    "loops of slices": {"job.strategy": {"kind": "tree", "slices": 3, "in_flight": 2}, **ADDS, **NOISE},
    "loops of slices in queues": {"job.strategy": {"kind": "ring", "slices": 3, "in_flight": 2}, **QUEUES, **NOISE},
    "steps of slices": {"job.strategy": {"kind": "ring", "library": "gloo"}, "job.streams": 2, **NOISE},
    "steps of slices that add": {
        "job.strategy": {"kind": "ring", "library": "gloo"},
        **ADDS,
        **NOISE,
        "job.streams": 2,
    },
    "words in steps": {"job.strategy": {"kind": "ring", "library": "gloo"}, **QUEUES, **NOISE},
    "words of several slices": {"job.strategy": {"kind": "ring", "slices": 3, "rendezvous": True}, **NOISE},
    "words of a tree that adds": {"job.strategy": {"kind": "tree", "rendezvous": True}, **ADDS, **NOISE},
    "words of a tree in queues": {"job.strategy": {"kind": "binomial_tree", "rendezvous": True}, **QUEUES, **NOISE},
    "words layer by layer": {
        "job.strategy": {"kind": "tree", "rendezvous": True},
        "job.next_forward": "by_layer",
        "job.schedule": "priority",
        **NOISE,
    },
    "everyone to everyone": {"job.strategy": "direct", **NOISE, **ADDS},
    "streams": {"job.streams": 2, **NOISE},
    "streams in queues": {"job.streams": 2, **NOISE, **QUEUES},
    "whole messages": {"cluster.forwarding": "store_and_forward", **QUEUES, **NOISE},
    "bursts": {"cluster.link.burst": "80 B", **QUEUES, **NOISE, "job.strategy": "tree"},
    "bursts and whole messages": {
        "cluster.link.burst": "80 B",
        "cluster.forwarding": "store_and_forward",
        **QUEUES,
        "job.strategy": "tree",
        **NOISE,
    },
    "a line of switches": {"cluster.topology": "line", "job.strategy": "tree", **NOISE},
    "a line of queues": {"cluster.topology": "line", "job.strategy": "tree", **QUEUES, **NOISE},
    "a link that slows down": {
        "cluster.fault": [{"link": "worker1.up", "at": "19 ms", "lasts": "9 ms", "factor": 0.3}]
    },
    "a link that fails": {"cluster.fault": [{"link": "worker1.up", "at": "19 ms", "lasts": "9 ms"}], **NOISE},
    "a queue that fails": {"cluster.fault": [{"link": "worker1.up", "at": "19 ms", "lasts": "9 ms"}], **QUEUES},
    "two links that fail, and one for good slow": {
        "cluster.fault": [
            {"link": "worker0", "at": "23 ms", "lasts": "4 ms"},
            {"link": "worker1.down", "at": "24 ms", "lasts": "19 ms"},
            {"link": "worker2.up", "at": "6 ms", "factor": 0.5},
        ],
        "job.strategy": "tree",
        **NOISE,
    },
    "layer by layer": {"job.next_forward": "by_layer", **NOISE},
    "layer by layer in queues": {"job.next_forward": "by_layer", **QUEUES},
    "priorities": {"job.schedule": "priority", "job.partition": "50 B", **NOISE},
    "layer by layer with priorities": {"job.next_forward": "by_layer", "job.schedule": "priority", **NOISE},
    "layer by layer on streams": {"job.next_forward": "by_layer", "job.streams": 2, "job.accumulate": 2, **NOISE},
    "priorities on streams": {"job.schedule": "priority", "job.streams": 2, "job.overlap": False, **NOISE},
    "a server": {**served(), **NOISE},
    "servers": {**served(servers=2, slices=2), **NOISE},
    "servers that add": {**served(servers=2), **ADDS, **NOISE},
    "servers of whole keys": {**served(servers=2, keys="whole"), **NOISE},
    "servers in queues": {**served(servers=2), **QUEUES, **NOISE},
    "servers behind a link that fails under several messages": {
        **served(),
        **NOISE,
        "cluster.fault": [{"link": "server0.up", "at": "42 ms", "lasts": "3 ms"}],
        "job.bucket": "all",
    },
    "servers with priorities": {**served(servers=2), "job.schedule": "priority", **NOISE},
    "servers layer by layer": {**served(servers=2), "job.next_forward": "by_layer", **NOISE},
}
APART: dict[str, dict[str, Any]] = {
    "a server": {},
    "servers": {"servers": 2, "slices": 2},
    "servers of whole keys": {"servers": 2, "keys": "whole"},
    "servers beside workers": {"placement": "colocated", "servers": 2},
}
ASYNC: dict[str, dict[str, Any]] = {
    **{
        f"{mode}, {name}": {**served(mode=mode, **how), **NOISE}
        for name, how in APART.items()
        for mode in ("async", "ssp")
    },
    "async in queues": {**served(mode="async", servers=2), **QUEUES, **NOISE},
    "async in queues of whole messages": {
        **served(mode="async"), **QUEUES, **NOISE, "cluster.forwarding": "store_and_forward"
    },
    "async without overlap": {**served(mode="async", servers=2), **NOISE, "job.overlap": False},
    "async in queues without overlap": {**served(mode="async", servers=2), **QUEUES, **NOISE, "job.overlap": False},
    "async of unequal workers": served(mode="async"),
    "async of one that is quick": {**served(mode="async"), "cluster.group": ONE_SLOW, "iterations": 12},
    "async of one that is quick, with noise": {
        **served(mode="async", servers=2), "cluster.group": ONE_SLOW, "iterations": 12, **NOISE
    },
    "ssp of one that is quick": {
        **served(mode="ssp", staleness=2), "cluster.group": ONE_SLOW, "iterations": 5, **NOISE
    },
    "ssp without a bound": {**served(mode="ssp", staleness=1000), "iterations": 4, **NOISE},
    "ssp that waits": {**served(mode="ssp", staleness=0), **NOISE},
    "async with a link that fails": {
        **served(mode="async"), **NOISE, "cluster.fault": [{"link": "worker1.up", "at": "19 ms", "lasts": "9 ms"}]
    },
    "async with many on a link": {
        **served(mode="async"), **NOISE, "cluster.group": [{"count": 17}], "iterations": 2, "job.bucket": "all"
    },
    "ssp with many on a link, and another on half of it": {
        **served(mode="ssp", staleness=1, servers=2, keys="whole"), **NOISE, "iterations": 2,
        "cluster.group": [{"count": 16}, {"count": 2, "link": {"rate": "300 kbit/s", "latency": "1 ms"}}],
    },
    "async with micro-batches": {**served(mode="async"), **NOISE, "job.accumulate": 2, "job.bucket": "all"},
}  # fmt: skip


def scenario(changes: dict[str, Any]) -> Scenario:
    apart = "parameter_server" in str(changes) and "colocated" not in str(changes)
    server = {"cluster.server_link": {"rate": "3 Mbit/s", "latency": "0.25 ms"}} if apart else {}
    return loading.from_table(BASE, {**changes, **server})


def both(changes: dict[str, Any], detail: str) -> list[Trace]:
    return [simulate(scenario(changes), engine=engine, detail=detail) for engine in ("simpy", "fast")]


@pytest.mark.parametrize("detail", ["last", "full"])
@pytest.mark.parametrize("changes", ROUNDS.values(), ids=ROUNDS)
def test_rounds_are_recorded_alike(changes: dict[str, Any], detail: str, alike: Any) -> None:
    reference, fast = both(changes, detail)
    alike(reference, fast, bins=False)
    for link in reference.links["link"]:
        passed = [trace.link_bins["nbytes"][trace.link_bins["link"] == link].sum() for trace in (reference, fast)]
        assert passed[1] == pytest.approx(passed[0], rel=1e-9)


@pytest.mark.parametrize("changes", {**SYNC, **ASYNC}.values(), ids={**SYNC, **ASYNC})
def test_all_records_are_alike(changes: dict[str, Any], alike: Any) -> None:
    reference, fast = both(changes, "full")
    alike(reference, fast)
    fails = any("lasts" in each and "factor" not in each for each in changes.get("cluster.fault", []))
    assert bool(len(reference.interruptions)) is fails


@pytest.mark.parametrize("detail", ["last", "summary"])
@pytest.mark.parametrize("name", ["streams", "priorities", "servers", "layer by layer"])
def test_less_is_recorded_alike(name: str, detail: str, alike: Any) -> None:
    alike(*both(SYNC[name], detail))


@pytest.mark.parametrize("detail", ["last", "summary"])
@pytest.mark.parametrize("name", ["async, servers", "ssp, a server", "async of one that is quick"])
def test_less_is_recorded_alike_of_workers_that_do_not_wait(name: str, detail: str, alike: Any) -> None:
    alike(*both(ASYNC[name], detail))


@pytest.mark.parametrize("name", ["rounds", "rounds that add", "rounds in slices", "one bucket", "micro-batches"])
def test_what_led_to_what_is_alike_in_rounds(name: str) -> None:
    """Beside the order of what ends at one moment: each kind of activity by itself, with when its cause ended."""
    reference, fast = both(ROUNDS[name], "full")

    def told(trace: Any) -> list[tuple[Any, ...]]:
        did = trace.activities
        ends = [round(did["end"][cause], 12) if cause >= 0 else None for cause in did["cause"].tolist()]
        rows = zip(did["kind"].tolist(), did["host"].tolist(), did["to"].tolist(), did["iteration"].tolist(),
                   did["name"].tolist(), did["start"].tolist(), did["end"].tolist(), did["wire"].tolist(),
                   did["latency"].tolist(), did["nbytes"].tolist(), ends, strict=True)  # fmt: skip
        return sorted((*row[:5], *(each if each is None else round(each, 12) for each in row[5:])) for row in rows)

    assert told(fast) == told(reference)


@pytest.mark.parametrize("name", ["rounds", "streams", "servers", "async, servers", "async of one that is quick"])
@pytest.mark.parametrize("engine", ["simpy", "fast"])
def test_progress_hears_of_every_iteration_in_order(name: str, engine: str) -> None:
    heard: list[int] = []
    tried = scenario({**ROUNDS, **SYNC, **ASYNC}[name])
    simulate(tried, engine=engine, detail="summary", progress=heard.append)
    assert heard == list(range(len(heard)))
    assert len(heard) == tried.iterations or name.startswith("async")  # of worker 0


@pytest.mark.parametrize("changes", ASYNC.values(), ids=ASYNC)
def test_links_that_few_share_may_be_hubs(changes: dict[str, Any], alike: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not recorded what passes links when, a link that many share has one clock for all (hubs.py)."""
    monkeypatch.setattr(servers, "_HUB", 2)  # flows
    alike(*both(changes, "summary"))
