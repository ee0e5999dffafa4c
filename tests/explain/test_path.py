"""The critical path sums to the iteration time, and says what it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsim import loading
from netsim.engine.run import simulate
from netsim.explain.path import PARTS, CriticalPath, critical_path
from netsim.loading import expand, load, vary

FILES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))

# One dense layer, 2 MB of gradients, on a device that computes 1 flop in 1 ps: times in whole milliseconds.
TINY: dict[str, Any] = {
    "cluster": {
        "workers": 2,
        "device": {
            "peak": {"fp32": "1 Tflop/s"},
            "memory_rate": "100 TB/s",
            "kernel_overhead": "0 s",
            "efficiency": {"dense": 1.0, "elementwise": 1.0, "memory": 1.0},
        },
        "link": {"rate": "1 GB/s", "latency": "1 ms"},
        "reduction_rate": "2 GB/s",
    },
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [1000], "units": 500, "bias": False, "name": "only"}]},
        "batch": 500,
        "strategy": "parameter_server",
        "bucket": "all",
    },
}


def path_of(changes: dict[str, Any], detail: str = "full") -> CriticalPath:
    return critical_path(simulate(loading.from_table(TINY, changes), engine="simpy", detail=detail))


def parts_in_ms(path: CriticalPath) -> dict[str, float]:
    return {part: round(seconds * 1e3, 6) for part, seconds in path.decomposition.items() if seconds}


def test_a_server_step_is_taken_apart() -> None:
    """Forward and backward 0.5 ms each, the update 0.1 us; two pushes of 2 MB share the server's port: 2 ms each at the
    full rate and 2 ms of sharing; then the server adds 2 MB twice in a row, 1 ms each; the answers go likewise."""
    path = path_of({})
    assert parts_in_ms(path) == {
        "compute": 1.0001,
        "latency": 2.0,
        "transfer": 4.0,
        "sharing": 4.0,
        "server_work": 2.0,
    }
    assert [(step.kind, step.host, step.to) for step in path.steps if step.kind != "update"] == [
        ("forward", "worker0", "worker0"),
        ("backward", "worker0", "worker0"),
        ("message", "worker0", "server0"),
        ("reduce", "server0", "server0"),
        ("reduce", "server0", "server0"),
        ("message", "server0", path.steps[-1].host),
    ]
    assert path.by("compute") == pytest.approx({"only": 1e-3, "optimiser": 1e-7}, rel=1e-3)
    assert path.by_link == pytest.approx({"server0.down": 4e-3, "server0.up": 4e-3})
    assert path.bottleneck == "link server0.down"


def test_rivals_are_named() -> None:
    path = path_of({"cluster.workers": 3})
    others = {f"worker{n} to server0" for n in range(3)} | {f"server0 to worker{n}" for n in range(3)}
    others -= {f"{step.host} to {step.to}" for step in path.steps if step.kind == "message"}
    assert path.by("sharing") == pytest.approx(dict.fromkeys(others, 2e-3))


def test_behind_others_on_a_fifo_link_a_message_queues() -> None:
    path = path_of({"cluster.sharing": "fifo", "cluster.reduction_rate": "1 TB/s"})
    assert path.by("queueing") == pytest.approx({"worker0 to server0": 2e-3, "server0 to worker1": 2e-3}, rel=1e-2)
    assert path.decomposition["sharing"] == 0


def test_what_a_slow_worker_takes_longer_than_the_median_is_waiting_for_a_straggler() -> None:
    groups = [{"count": 2}, {"count": 1, "slowdown": 3.0}]
    unequal = {**TINY["cluster"], "group": groups}
    del unequal["workers"]
    path = path_of({"cluster": unequal, "job.strategy": "ring"})
    assert path.decomposition["straggler_wait"] == pytest.approx(2 * 1.0001e-3, rel=1e-3)
    assert path.decomposition["compute"] == pytest.approx(1.0001e-3, rel=1e-3)


def test_overhead_of_messages_is_a_part() -> None:
    path = path_of({"job.strategy": "ring", "cluster.link.overhead": "1 ms"})
    assert path.decomposition["overhead"] == pytest.approx(4e-3)  # of two messages, at both ends


def test_what_others_traffic_takes_of_a_link_is_sharing_with_it() -> None:
    stream = {"src": "worker0", "dst": "worker1", "size": "1 MB", "rate": "0.5 GB/s"}
    path = path_of({"job.strategy": "ring", "cluster.traffic": [stream]})
    assert path.decomposition["transfer"] == pytest.approx(2e-3)
    assert path.decomposition["sharing"] > 0.5e-3 and "degraded" not in path.decomposition
    assert list(path.by("sharing")) == ["traffic that is not the job's"]


def test_a_link_that_gives_less_than_its_rate_is_degraded() -> None:
    fault = {"link": "worker0.up", "at": "0 s", "factor": 0.5}
    path = path_of({"job.strategy": "ring", "cluster.fault": [fault], "cluster.reduction_rate": "1 PB/s"})
    assert path.decomposition["degraded"] == pytest.approx(path.decomposition["transfer"], rel=1e-3)


def test_the_last_iteration_alone_is_as_long_as_it_was() -> None:
    changes = {"iterations": 3, "noise.jitter": 0.5, "cluster.workers": 3, "job.strategy": "ring"}
    trace = simulate(loading.from_table(TINY, changes), engine="simpy", detail="last")
    ends = trace.steps["end"].reshape(3, -1).max(axis=1)
    assert critical_path(trace).length == pytest.approx(ends[2] - ends[1], rel=1e-9)


def test_a_trace_without_causes_has_no_path() -> None:
    path = path_of({}, detail="summary")
    assert path.steps == () and path.length == 0 and set(path.decomposition.values()) == {0.0}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_parts_of_every_scenario_sum_to_its_iteration_time(file: Path) -> None:
    """On eight workers of them."""
    points = expand(load(file))
    for _, scenario in (points[0], points[-1]):
        workers = {"cluster.workers": min(8, scenario.cluster.workers)} if scenario.cluster.workers else {}
        shrunken = vary(scenario, {"iterations": 2 * scenario.job.local_steps, **workers})
        trace = simulate(shrunken, engine="simpy", detail="full")
        path = critical_path(trace)
        time = trace.summary()["iteration_time_s"]
        assert sum(path.decomposition.values()) == pytest.approx(time, rel=1e-9)
        assert path.length == pytest.approx(time, rel=1e-9)
        assert set(PARTS) <= set(path.decomposition)
        assert path.decomposition["other"] == 0
        by_default = critical_path(simulate(trace.scenario))
        if by_default.length:  # the fast engine follows causes, too
            assert by_default.decomposition == pytest.approx(path.decomposition, rel=1e-9, abs=1e-9 * time)
