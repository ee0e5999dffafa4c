"""Servers that answer each worker by itself: the fast engine finds the same updates, in the same order, at the same
times as the reference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.fast import kernels
from netsim.engine.fast import servers as fast_servers
from netsim.engine.run import simulate
from netsim.scenario import Scenario
from netsim.trace import Trace

RECORDS = ("steps", "links", "transfers", "link_bins", "servers", "updates")
UNEQUAL = [
    {"count": 2},
    {"count": 2, "slowdown": 1.5},
    {"count": 1, "slowdown": 4.0},
    {"count": 2, "link": {"rate": "3 Gbit/s", "latency": "1 ms"}},
]
EQUAL = [{"count": 5}]


def scenario(*, mode: str, group: list[dict[str, Any]] = UNEQUAL, servers: int = 1, **changes: Any) -> Scenario:
    strategy: dict[str, Any] = {"kind": "parameter_server", "mode": mode}
    strategy |= {"servers": servers} if servers else {"placement": "colocated"}
    cluster = {"group": group, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}}
    if servers:
        cluster["server_link"] = "25gbe"
    job = {"model": "mobilenet_v1", "batch": 32, "strategy": strategy, "bucket": "8 MB"}
    return loading.from_table({"iterations": 4, "cluster": cluster, "job": job}, changes)


def played(each: Scenario, detail: str = "summary") -> tuple[Trace, Trace]:
    """By the reference and by the fast engine."""
    return simulate(each, engine="simpy", detail=detail), simulate(each, engine="fast", detail=detail)


@pytest.fixture(params=[2, 16], ids="hubs of {}".format)
def hubs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test once where links that two flows share are hubs already."""
    monkeypatch.setattr(fast_servers, "_HUB", request.param)


@pytest.fixture(scope="module")
def same_runs(same_rows: Any) -> Any:
    def compared(reference: Trace, other: Trace) -> None:
        for records in RECORDS:
            same_rows(getattr(reference, records), getattr(other, records))
        for key in ("messages", "wire_bytes", "latency_share", "lower_bound_s"):
            assert other.facts[key] == pytest.approx(reference.facts[key], rel=1e-9), key

    return compared


@pytest.mark.parametrize("mode", ["async", "ssp"])
def test_servers_that_own_nothing_of_a_bucket_have_no_key_of_it(mode: str, same_runs: Any) -> None:
    layers = [{"kind": "dense", "input_shape": [301], "units": 101, "bias": False, "name": name} for name in "abcd"]
    few = {"job.model": {"layers": layers}, "job.bucket": "layer", "job.strategy.keys": "whole"}
    reference, other = played(scenario(mode=mode, servers=3, **few, **{"job.strategy.slices": 2, "noise.jitter": 0.1}))
    assert other.engine == "fast" and len(other.updates) == len(other.steps)
    same_runs(reference, other)


@settings(deadline=None, max_examples=30)
@given(
    mode=st.sampled_from(["async", "ssp"]),
    group=st.sampled_from([UNEQUAL, EQUAL]),
    servers=st.integers(0, 3),
    keys=st.sampled_from(["split", "whole", "by_size"]),
    slices=st.integers(1, 2),
    jitter=st.sampled_from([0.0, 0.3]),
    overlap=st.booleans(),
    latency=st.sampled_from(["0 s", "25 us"]),
    sharing=st.sampled_from(["fair", "fifo"]),
    burst=st.sampled_from(["0 B", "100 kB"]),
    hub=st.sampled_from([2, 2, 16]),
)
def test_updates_are_those_of_the_reference_in_their_order(
    mode: str,
    group: list[dict[str, Any]],
    servers: int,
    keys: str,
    slices: int,
    jitter: float,
    overlap: bool,
    latency: str,
    sharing: str,
    burst: str,
    hub: int,
    same_runs: Any,
) -> None:
    changes: dict[str, Any] = {"noise.jitter": jitter, "job.overlap": overlap, "cluster.link.latency": latency}
    changes |= {"cluster.sharing": sharing}
    changes |= {"cluster.link.burst": burst} if sharing == "fifo" else {}
    changes |= {"job.strategy.keys": keys, "job.strategy.slices": slices}
    changes |= {"job.strategy.staleness": 1} if mode == "ssp" else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_servers, "_HUB", hub)
        reference, other = played(scenario(mode=mode, group=group, servers=servers, **changes))
    assert other.engine == "fast" or other.facts["why_simpy"] == "what comes at one moment has an order that matters"
    same_runs(reference, other)


@pytest.mark.usefixtures("hubs")
@pytest.mark.parametrize("detail", ["full", "last"])
@pytest.mark.parametrize("mode", ["async", "ssp"])
@pytest.mark.parametrize("sharing", ["fair", "fifo"])
def test_whatever_is_recorded_of_updates_is_alike_in_both_engines(
    sharing: str, mode: str, detail: str, same_runs: Any
) -> None:
    changes = {"noise.jitter": 0.1, "cluster.sharing": sharing}
    reference, other = played(scenario(mode=mode, servers=2, **changes), detail)
    assert other.engine == "fast"
    same_runs(reference, other)
    spans = [sorted(map(tuple, trace.spans)) for trace in (reference, other)]
    assert len(spans[0]) == len(spans[1])
    assert [each[:4] for each in spans[0]] == [each[:4] for each in spans[1]]


@pytest.mark.parametrize("servers", [1, 2])
def test_hubs_change_nothing_but_last_digits(servers: int, monkeypatch: pytest.MonkeyPatch, same_runs: Any) -> None:
    group = [{"count": 16}, {"count": 8, "link": {"rate": "3 Gbit/s", "latency": "1 ms"}}]
    each = scenario(mode="async", group=group, servers=servers, iterations=20, **{"noise.jitter": 0.2})
    with_hubs = simulate(each, engine="fast", detail="summary")
    monkeypatch.setattr(fast_servers, "_HUB", 0)
    without = simulate(each, engine="fast", detail="summary")
    assert with_hubs.engine == without.engine == "fast"
    assert with_hubs.steps["end"].tolist() != without.steps["end"].tolist()
    same_runs(without, with_hubs)


def test_workers_in_step_stay_in_step_on_arrays_too() -> None:
    """Everything happens at the same moments, so that the order in them alone says whose update is which."""
    reference, other = played(scenario(mode="async", group=[{"count": 8}], servers=1))
    assert other.engine == "fast"
    assert [tuple(each[1:]) for each in other.updates] == [tuple(each[1:]) for each in reference.updates]


def test_a_fast_worker_makes_as_many_more_iterations_as_in_the_reference(same_runs: Any) -> None:
    slow = [{"count": 1}, {"count": 3, "slowdown": 30.0}]
    reference, other = played(scenario(mode="async", group=slow, iterations=20))
    assert other.engine == "fast"
    assert max(other.steps["iteration"]) > 28  # more than there is room for at first
    same_runs(reference, other)


@pytest.mark.parametrize("iterations", [16, 48, 96])
def test_bounds_are_of_the_steps_that_workers_came_to_whichever_engine_drew_further(
    iterations: int, same_runs: Any
) -> None:
    group = [{"count": 7}, {"count": 1, "slowdown": 3.0}]
    changes = {"noise.jitter": 0.2, "seed": 1, "job.model": "resnet18", "job.bucket": "all"}
    same_runs(*played(scenario(mode="async", group=group, servers=0, iterations=iterations, **changes)))


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("detail", ["full", "last"])
@pytest.mark.parametrize("servers", [0, 1, 2])
@pytest.mark.parametrize("mode", ["async", "ssp"])
def test_servers_do_the_same_uncompiled(
    mode: str, servers: int, detail: str, overlap: bool, monkeypatch: pytest.MonkeyPatch, same_uncompiled: Any
) -> None:
    layers = [{"kind": "dense", "input_shape": [301], "units": 101, "name": name} for name in "abc"]
    few = {"job.model": {"layers": layers}, "job.bucket": "layer", "job.strategy.slices": 2, "job.overlap": overlap}
    group = [{"count": 2}, {"count": 1, "slowdown": 40.0}]  # which makes more iterations than there is room for
    latency = {"cluster.link.latency": "25 us" if overlap else "0 s"}
    monkeypatch.setattr(fast_servers, "_HUB", 2)
    each = scenario(mode=mode, servers=servers, group=group, **few, **latency, **{"noise.jitter": 0.1})
    assert same_uncompiled(each, RECORDS, detail).engine == "fast"


def test_equal_workers_that_begin_at_one_moment_are_left_to_the_reference_uncompiled_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their gradients come at moments that differ in last digits alone, so that their order has no meaning."""
    each = scenario(mode="async", group=EQUAL, servers=3, **{"job.strategy.keys": "by_size"})
    compiled = simulate(each, engine="fast", detail="summary")
    monkeypatch.setattr(kernels, "load", kernels.interpreted)
    plain = simulate(each, engine="fast", detail="summary")
    assert (plain.engine, plain.summary()) == (compiled.engine, compiled.summary())


@pytest.mark.parametrize(
    "changes",
    [{"cluster.server_rate": "5 GB/s"}, {"cluster.reduction_rate": "5 GB/s"}, {"job.strategy.pull": "after_push"}],
    ids=str,
)
def test_what_servers_take_their_time_for_is_left_to_the_reference(changes: dict[str, Any]) -> None:
    assert simulate(scenario(mode="async", **changes), detail="summary").engine == "simpy"
