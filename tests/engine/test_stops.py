"""Hosts that stop and return: whole histories on a tiny cluster for each way of taking it, and their books."""

from __future__ import annotations

import math
from typing import Any

import pytest

from netsim import loading
from netsim.engine.run import simulate
from netsim.errors import RunError
from netsim.trace import Trace

# As in test_servers.py: 1 ms forward, 1 ms backward, 1 MB at 1 GB/s and 1 ms.
TINY: dict[str, Any] = {
    "iterations": 1,
    "cluster": {
        "workers": 2,
        "device": {
            "peak": {"fp32": "1 Tflop/s"}, "memory_rate": "900000 TB/s", "kernel_overhead": "0 s",
            "efficiency": {"dense": 1.0, "elementwise": 1.0, "memory": 1.0},
        },
        "link": {"rate": "1 GB/s", "latency": "1 ms"},
    },
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [500], "units": 500, "bias": False, "name": "only"}]},
        "batch": 2000,
        "strategy": {"kind": "parameter_server"},
        "bucket": "layer",
    },
}  # fmt: skip


def run(strategy: Any, stop: list[dict[str, Any]], recovery: dict[str, Any] | None = None, **changes: Any) -> Trace:
    if isinstance(strategy, dict):
        strategy = {"kind": "parameter_server", **strategy}
    paths = {"job.strategy": strategy, "cluster.stop": stop, "job.recovery": recovery or {}}
    return simulate(loading.from_table(TINY, {**paths, **changes}))


def history(trace: Trace) -> list[tuple[float, float, str]]:
    """(from, to, what) in order of time, in milliseconds."""
    hosts = trace.hosts
    did = [(s.start, s.end, f"{hosts[s.host]} {s.phase}") for s in trace.spans if s.phase != "update"]
    sent = [(t.sent, t.end, f"{hosts[t.src]} to {hosts[t.dst]}") for t in trace.transfers]
    return sorted((round(a * 1e3, 4), round(b * 1e3, 4), what) for a, b, what in [*did, *sent])


def outages(trace: Trace) -> list[tuple[str, float, float, float]]:
    """(who, from, to, work lost), in milliseconds."""
    return [(trace.hosts[o.host], *(round(x * 1e3, 4) for x in (o.start, o.end, o.lost))) for o in trace.outages]


def adds_up(trace: Trace) -> bool:
    steps = trace.steps
    waited = steps["straggler_wait"] + steps["exposed_communication"]
    parts = steps["compute"] + waited + steps["stopped"]
    assert min(steps["straggler_wait"].min(), steps["exposed_communication"].min(), steps["stopped"].min()) >= -1e-12
    return bool(parts == pytest.approx(steps["end"] - steps["start"], rel=1e-9))


AWAY = {"host": "worker1", "at": "1.5 ms", "lasts": "5 ms"}


def test_under_sync_all_wait_for_a_worker_that_stops() -> None:
    """Worker 1 is away from 1.5 to 6.5 ms, in the middle of its backward pass: both passes are to be done again."""
    trace = run({}, [AWAY])
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (1.0, 2.0, "worker0 backward"),
        (1.5, 6.5, "worker1 stopped"),
        (2.0, 4.0, "worker0 to server0"),
        (6.5, 7.5, "worker1 forward"),
        (7.5, 8.5, "worker1 backward"),
        (8.5, 10.5, "worker1 to server0"),
        (10.5, 13.5, "server0 to worker0"),
        (10.5, 13.5, "server0 to worker1"),
    ]
    assert outages(trace) == [("worker1", 1.5, 6.5, 1.5)]
    assert trace.steps["stopped"].tolist() == pytest.approx([0.0, 6.5e-3])  # 5 away, and 1.5 done for nothing
    assert trace.steps["straggler_wait"].tolist() == pytest.approx([6.5e-3, 0.0])
    assert adds_up(trace)


def test_under_sync_a_worker_may_be_dropped_after_a_while() -> None:
    """After 3 ms, at 4.5, worker 0's gradient is all that is waited for. Worker 1 returns and ends the step that it was
    in; its gradient comes too late."""
    trace = run({}, [AWAY], {"workers": "drop", "timeout": "3 ms"})
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (1.0, 2.0, "worker0 backward"),
        (1.5, 6.5, "worker1 stopped"),
        (2.0, 4.0, "worker0 to server0"),
        (4.5, 6.5, "server0 to worker0"),
        (6.5, 7.5, "worker1 forward"),
        (7.5, 8.5, "worker1 backward"),
        (8.5, 10.5, "worker1 to server0"),
        (10.5, 12.5, "server0 to worker1"),
    ]
    assert [(u.worker, u.version) for u in trace.updates] == [(0, 1), (1, -1)]
    assert trace.summary()["samples_per_s"] == pytest.approx(2000 / trace.summary()["iteration_time_s"])
    assert adds_up(trace)


def test_async_goes_on_without_a_worker_that_stops() -> None:
    trace = run({"mode": "async"}, [AWAY])
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (1.0, 2.0, "worker0 backward"),
        (1.5, 6.5, "worker1 stopped"),
        (2.0, 4.0, "worker0 to server0"),
        (4.0, 6.0, "server0 to worker0"),
        (6.5, 7.5, "worker1 forward"),
        (7.5, 8.5, "worker1 backward"),
        (8.5, 10.5, "worker1 to server0"),
        (10.5, 12.5, "server0 to worker1"),
    ]
    assert adds_up(trace)


def test_a_worker_that_never_returns_leaves_its_work_to_the_others() -> None:
    trace = run({"mode": "async"}, [{"host": "worker1", "at": "1.5 ms"}], iterations=2)
    assert [step.worker for step in trace.steps] == [0, 0, 0]  # all that were left of four, but for the one it was at
    assert outages(trace) == [("worker1", 1.5, math.inf, 1.5)]


def test_keys_of_a_server_that_stops_wait_for_it() -> None:
    """What is on its way comes, and is dealt with when the server is back."""
    trace = run({}, [{"host": "server0", "at": "3 ms", "lasts": "5 ms"}])
    assert history(trace)[4:] == [
        (2.0, 5.0, "worker0 to server0"),
        (2.0, 5.0, "worker1 to server0"),
        (8.0, 11.0, "server0 to worker0"),
        (8.0, 11.0, "server0 to worker1"),
    ]


def test_keys_of_a_server_that_stops_may_go_to_a_replica() -> None:
    """Server 1 has them from 5 ms on, 2 ms after server 0 has stopped for good; its port carries both shares then."""
    stop = [{"host": "server0", "at": "3 ms"}]
    trace = run({"servers": 2}, stop, {"servers": "replica", "failover": "2 ms"}, iterations=2)
    sent = [event for event in history(trace) if " to " in event[2]]
    assert sent == [
        (2.0, 4.0, "worker0 to server0"),
        (2.0, 4.0, "worker0 to server1"),
        (2.0, 4.0, "worker1 to server0"),
        (2.0, 4.0, "worker1 to server1"),
        (4.0, 6.0, "server1 to worker0"),
        (4.0, 6.0, "server1 to worker1"),
        (5.0, 7.0, "server1 to worker0"),
        (5.0, 7.0, "server1 to worker1"),
        (9.0, 11.0, "worker0 to server1"),
        (9.0, 11.0, "worker1 to server1"),
        (9.0, 12.0, "worker0 to server1"),
        (9.0, 12.0, "worker1 to server1"),
        (12.0, 14.0, "server1 to worker0"),
        (12.0, 14.0, "server1 to worker1"),
        (12.0, 15.0, "server1 to worker0"),
        (12.0, 15.0, "server1 to worker1"),
    ]


def test_a_job_goes_back_to_its_last_checkpoint() -> None:
    """Saved from 8 to 9 ms, stopped at 11.5: 2.5 ms are to be done again, after 5 ms away and 2 ms to restart. Until 21
    ms all stand still; the pushes that were on their way come meanwhile, so that the server goes on at once."""
    stop = [{"host": "worker1", "at": "11.5 ms", "lasts": "5 ms"}]
    recovery = {"checkpoint_every": 1, "checkpoint": "1 ms", "restart": "2 ms"}
    trace = run({}, stop, recovery, iterations=2)
    assert outages(trace) == [("worker1", 11.5, 16.5, 2.5)]
    assert history(trace)[-8:] == [
        (9.0, 10.0, "worker0 forward"),
        (9.0, 10.0, "worker1 forward"),
        (10.0, 11.0, "worker0 backward"),
        (10.0, 11.0, "worker1 backward"),
        (11.0, 14.0, "worker0 to server0"),
        (11.0, 14.0, "worker1 to server0"),
        (21.0, 24.0, "server0 to worker0"),
        (21.0, 24.0, "server0 to worker1"),
    ]
    assert trace.steps["end"] == pytest.approx([9e-3, 9e-3, 25e-3, 25e-3])  # 1 ms to save
    assert adds_up(trace)


def test_a_ring_waits_for_a_rank_that_stops() -> None:
    trace = run("ring", [AWAY])
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (1.0, 2.0, "worker0 backward"),
        (1.5, 6.5, "worker1 stopped"),
        (6.5, 7.5, "worker1 forward"),
        (7.5, 8.5, "worker1 backward"),
        (8.5, 10.0, "worker0 to worker1"),
        (8.5, 10.0, "worker1 to worker0"),
        (10.0, 11.5, "worker0 to worker1"),
        (10.0, 11.5, "worker1 to worker0"),
    ]
    assert adds_up(trace)


def test_a_ring_forms_anew_without_a_rank_and_takes_it_up_again() -> None:
    """Worker 1 is dropped at 3.5 ms, 2 ms after it has stopped; the ring of the other two is there 1 ms later, and does
    the whole all-reduce, of half a bucket a message. Back at 6 ms, worker 1 ends the step that it was in, for nothing,
    and takes part in the second iteration, the ring of three for which is there at 7 ms."""
    away = {"host": "worker1", "at": "1.5 ms", "lasts": "4.5 ms"}
    recovery = {"workers": "drop", "timeout": "2 ms", "reform": "1 ms"}
    trace = run("ring", [away], recovery, **{"cluster.workers": 3, "iterations": 2})
    assert history(trace)[:16] == [
        (0.0, 1.0, "worker0 forward"),
        (0.0, 1.0, "worker2 forward"),
        (1.0, 2.0, "worker0 backward"),
        (1.0, 2.0, "worker2 backward"),
        (1.5, 6.0, "worker1 stopped"),
        (2.0, 3.3333, "worker2 to worker0"),  # of the ring of three, in vain
        (4.5, 6.0, "worker0 to worker2"),
        (4.5, 6.0, "worker2 to worker0"),
        (6.0, 7.0, "worker1 forward"),
        (6.0, 7.5, "worker0 to worker2"),
        (6.0, 7.5, "worker2 to worker0"),
        (7.0, 8.0, "worker1 backward"),
        (7.5, 8.5, "worker0 forward"),
        (7.5, 8.5, "worker2 forward"),
        (8.0, 9.0, "worker1 forward"),  # of the second iteration
        (8.5, 9.5, "worker0 backward"),
    ]
    in_the_ring_of_three = {(t.src, t.dst) for t in trace.transfers if t.start > 9e-3}
    assert in_the_ring_of_three == {(0, 1), (1, 2), (2, 0)}
    assert [(u.worker, u.iteration, u.version) for u in trace.updates if u.iteration == 0] == [
        (2, 0, 1),
        (0, 0, 1),
        (1, 0, -1),
    ]
    assert adds_up(trace)


@pytest.mark.parametrize("kind", ["ring", "tree", "direct", "recursive_doubling"])
@pytest.mark.parametrize("seed", [2, 3, 5])
def test_groups_that_form_anew_keep_the_books(kind: str, seed: int) -> None:
    stop = [{"host": "workers", "mtbf": "20 ms", "mttr": "4 ms"}]
    recovery = {"workers": "drop", "timeout": "1 ms", "reform": "0.5 ms"}
    trace = run({"kind": kind, "slices": 2}, stop, recovery, **{"cluster.workers": 3, "iterations": 6, "seed": seed})
    assert adds_up(trace)
    assert set(trace.steps["iteration"].tolist()) == set(range(6))
    assert len(trace.updates) == len(trace.steps)
    assert trace.summary()["iteration_time_s"] >= trace.summary()["lower_bound_iteration_time_s"]


@pytest.mark.parametrize("recovery", [{}, {"checkpoint_every": 1}], ids=str)
def test_a_job_that_never_gets_anything_done_is_given_up_with_a_reason(recovery: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="has stopped 100 times before lost work was done again; stops must be rarer"):
        run("ring", [{"host": "workers", "mtbf": "0.1 ms", "mttr": "1 ms"}], recovery)


def test_the_time_to_restart_comes_after_the_return() -> None:
    lasted = [run("ring", [AWAY], {"restart": restart}).steps["end"].max() for restart in ("0 s", "3 ms")]
    assert lasted[1] - lasted[0] == pytest.approx(3e-3)


def test_nothing_changes_before_the_first_stop() -> None:
    """A stop that comes after the end leaves everything as it was."""
    late = [{"host": "workers", "at": "1 h", "lasts": "1 s"}]
    for strategy in ("ring", {}, {"mode": "async"}):
        with_stop, without = run(strategy, late, iterations=3), run(strategy, [], iterations=3)
        assert list(with_stop.steps) == list(without.steps)
        assert history(with_stop) == history(without)


STRATEGIES: list[Any] = [
    "ring",
    "tree",
    {},
    {"backup": 1},
    {"mode": "async"},
    {"mode": "ssp", "staleness": 1},
    {"placement": "colocated"},
    {"servers": 3},
]


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("host", ["workers", "servers"])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@pytest.mark.parametrize("seed", [3, 7])
def test_failures_and_repairs_keep_the_books(strategy: Any, seed: int, host: str, drop: bool) -> None:
    """Whoever stops whenever: the run ends, parts sum to the whole, and nothing is faster than without stops."""
    if host == "servers" and (isinstance(strategy, str) or "placement" in strategy):
        host = "workers"
    stop = [{"host": host, "mtbf": "20 ms", "mttr": "4 ms"}]
    servers = isinstance(strategy, dict)
    recovery = {"workers": "drop", "timeout": "1 ms"} if drop and servers else {"restart": "1 ms"}
    changes = {"iterations": 4, "cluster.workers": 3, "seed": seed}
    trace = run(strategy, stop, recovery, **changes)
    assert adds_up(trace)
    assert all(o.end > o.start and o.lost >= 0 for o in trace.outages)
    assert trace.outages["start"].tolist() == run(strategy, stop, recovery, **changes).outages["start"].tolist()
    if not (drop and servers):
        plain = run(strategy, [], **changes)
        assert trace.steps["end"].max() >= plain.steps["end"].max() * (1 - 1e-9)
        assert len(trace.steps) >= len(plain.steps) or strategy == {"backup": 1}


@pytest.mark.parametrize("strategy", ["ring", {}, {"servers": 2}], ids=str)
@pytest.mark.parametrize(("seed", "every"), [(1, 1), (2, 2), (3, 3)])
def test_jobs_that_go_back_to_checkpoints_end(strategy: Any, seed: int, every: int) -> None:
    stop = [{"host": "workers", "mtbf": "60 ms", "mttr": "2 ms"}]
    recovery = {"checkpoint_every": every, "checkpoint": "1 ms", "restart": "1 ms"}
    trace = run(strategy, stop, recovery, **{"iterations": 5, "seed": seed})
    plain = run(strategy, [], **{"iterations": 5, "seed": seed})
    assert adds_up(trace)
    assert len(trace.steps) == len(plain.steps)
    saved = 5 // every * 1e-3
    assert trace.steps["end"].max() >= plain.steps["end"].max() + saved - 1e-9
