"""Parameter servers: whole histories of each mode on a tiny cluster, identities between modes, and their books."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.trace import Trace

# One layer of 1 MB of gradients on a device that computes 1 flop in 1 ps: 1 ms forward, 1 ms backward (no gradient
# of the input); 1 GB/s and 1 ms. So a push alone takes 2 ms. The update takes no time worth a digit.
TINY: dict[str, Any] = {
    "iterations": 2,
    "cluster": {
        "group": [{"count": 1}, {"count": 1, "slowdown": 4}],
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


def tiny(strategy: dict[str, Any], changes: dict[str, Any] | None = None) -> Trace:
    strategy = {"kind": "parameter_server", **strategy}
    return simulate(loading.from_table(TINY, {"job.strategy": strategy, **(changes or {})}))


def history(trace: Trace) -> list[tuple[float, float, str]]:
    """(from, to, what) in order of time, in milliseconds."""
    hosts = trace.hosts
    did = [(s.start, s.end, f"{hosts[s.host]} {s.phase}") for s in trace.spans if s.phase != "update"]
    sent = [(t.sent, t.end, f"{hosts[t.src]} to {hosts[t.dst]}") for t in trace.transfers]
    return sorted((round(a * 1e3, 4), round(b * 1e3, 4), what) for a, b, what in [*did, *sent])


def updates(trace: Trace) -> list[tuple[float, int, int, int, int]]:
    """(when in ms, worker, its iteration, weights that it held, weights that it made) of each gradient."""
    return [(round(u.time * 1e3, 4), u.worker, u.iteration, u.held, u.version) for u in trace.updates]


SYNC = [
    (0.0, 1.0, "worker0 forward"),
    (0.0, 4.0, "worker1 forward"),
    (1.0, 2.0, "worker0 backward"),
    (2.0, 4.0, "worker0 to server0"),
    (4.0, 8.0, "worker1 backward"),
    (8.0, 10.0, "worker1 to server0"),
    (10.0, 13.0, "server0 to worker0"),  # both share the server's port
    (10.0, 13.0, "server0 to worker1"),
    (13.0, 14.0, "worker0 forward"),
    (13.0, 17.0, "worker1 forward"),
    (14.0, 15.0, "worker0 backward"),
    (15.0, 17.0, "worker0 to server0"),
    (17.0, 21.0, "worker1 backward"),
    (21.0, 23.0, "worker1 to server0"),
    (23.0, 26.0, "server0 to worker0"),
    (23.0, 26.0, "server0 to worker1"),
]


def test_the_whole_history_of_sync() -> None:
    trace = tiny({})
    assert history(trace) == SYNC
    assert updates(trace) == [(10.0, 0, 0, 0, 1), (10.0, 1, 0, 0, 1), (23.0, 0, 1, 1, 2), (23.0, 1, 1, 1, 2)]


def test_the_whole_history_of_sync_with_a_backup_worker() -> None:
    """The first gradient of two counts. Worker 1's comes at 11 ms, when the weights are at 1 and no more at 0: it is
    thrown away, and as the second iteration is over by then, too, worker 1 has nothing left to do."""
    trace = tiny({"backup": 1})
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (0.0, 4.0, "worker1 forward"),
        (1.0, 2.0, "worker0 backward"),
        (2.0, 4.0, "worker0 to server0"),
        (4.0, 6.0, "server0 to worker0"),
        (4.0, 8.0, "worker1 backward"),
        (6.0, 7.0, "worker0 forward"),
        (7.0, 8.0, "worker0 backward"),
        (8.0, 11.0, "worker0 to server0"),
        (8.0, 11.0, "worker1 to server0"),
        (11.0, 14.0, "server0 to worker0"),
        (11.0, 14.0, "server0 to worker1"),
    ]
    assert updates(trace) == [(4.0, 0, 0, 0, 1), (11.0, 1, 0, 0, -1), (11.0, 0, 1, 1, 2)]
    assert trace.summary()["iteration_time_s"] == pytest.approx(7e-3)  # 14 ms for two updates of one gradient each
    assert trace.summary()["samples_per_s"] == pytest.approx(2000 / 7e-3)
    assert trace.summary()["dropped_gradients"] == 1


def test_the_whole_history_of_async() -> None:
    """Four iterations in all, of which the fast worker does three."""
    trace = tiny({"mode": "async"})
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (0.0, 4.0, "worker1 forward"),
        (1.0, 2.0, "worker0 backward"),
        (2.0, 4.0, "worker0 to server0"),
        (4.0, 6.0, "server0 to worker0"),  # at once
        (4.0, 8.0, "worker1 backward"),
        (6.0, 7.0, "worker0 forward"),
        (7.0, 8.0, "worker0 backward"),
        (8.0, 11.0, "worker0 to server0"),  # both share the server's port
        (8.0, 11.0, "worker1 to server0"),
        (11.0, 14.0, "server0 to worker0"),
        (11.0, 14.0, "server0 to worker1"),
        (14.0, 15.0, "worker0 forward"),
        (15.0, 16.0, "worker0 backward"),
        (16.0, 18.0, "worker0 to server0"),
        (18.0, 20.0, "server0 to worker0"),
    ]
    # Worker 1 computed on the first weights while worker 0 made the second; worker 0 while worker 1 made the third.
    assert updates(trace) == [(4.0, 0, 0, 0, 1), (11.0, 1, 0, 0, 2), (11.0, 0, 1, 1, 3), (18.0, 0, 2, 3, 4)]
    summary = trace.summary()
    assert summary["updates_per_s"] == pytest.approx(3 / 20e-3 + 1 / 14e-3)
    assert summary["staleness_counts"] == [2, 2]
    assert (summary["mean_staleness"], summary["max_staleness"]) == (0.5, 1)


def test_the_whole_history_of_ssp() -> None:
    """Worker 0 may be one iteration ahead: its second answer waits for worker 1's first gradient."""
    trace = tiny({"mode": "ssp", "staleness": 1}, {"cluster.group": [{"count": 1}, {"count": 1, "slowdown": 10}]})
    assert history(trace) == [
        (0.0, 1.0, "worker0 forward"),
        (0.0, 10.0, "worker1 forward"),
        (1.0, 2.0, "worker0 backward"),
        (2.0, 4.0, "worker0 to server0"),
        (4.0, 6.0, "server0 to worker0"),
        (6.0, 7.0, "worker0 forward"),
        (7.0, 8.0, "worker0 backward"),
        (8.0, 10.0, "worker0 to server0"),
        (10.0, 20.0, "worker1 backward"),
        (20.0, 22.0, "worker1 to server0"),
        (22.0, 25.0, "server0 to worker0"),  # held back from 10 to 22
        (22.0, 25.0, "server0 to worker1"),
        (25.0, 26.0, "worker0 forward"),
        (26.0, 27.0, "worker0 backward"),
        (27.0, 29.0, "worker0 to server0"),
        (29.0, 31.0, "server0 to worker0"),
    ]
    assert updates(trace) == [(4.0, 0, 0, 0, 1), (10.0, 0, 1, 1, 2), (22.0, 1, 0, 0, 3), (29.0, 0, 2, 3, 4)]
    assert trace.steps["straggler_wait"].round(6).tolist() == [0.0, 0.0, 0.012, 0.0]


def test_the_whole_history_of_a_server_that_computes() -> None:
    """Software that handles 1 GB/s: 1 ms for each push and answer, one after the other. A device that reads and
    writes 3 GB/s: 1 ms to add 1 MB, and 20 bytes touched for each of 250,000 parameters of an optimiser's step."""
    device = {**TINY["cluster"]["device"], "memory_rate": "3 GB/s"}
    costs = {"cluster.server_device": device, "cluster.server_rate": "1 GB/s", "iterations": 1}
    trace = tiny({}, costs)
    server = [event for event in history(trace) if "server0" in event[2]]
    assert server == [
        (2.0, 4.0, "worker0 to server0"),
        (4.0, 5.0, "server0 handle"),
        (5.0, 6.0, "server0 reduce"),
        (8.0, 10.0, "worker1 to server0"),
        (10.0, 11.0, "server0 handle"),
        (11.0, 12.0, "server0 reduce"),
        (12.0, 13.6667, "server0 apply"),
        (13.6667, 14.6667, "server0 handle"),
        (14.6667, 15.6667, "server0 handle"),
        (14.6667, 16.6667, "server0 to worker1"),
        (15.6667, 17.6667, "server0 to worker0"),
    ]
    assert trace.servers["busy"].tolist() == pytest.approx([(4 + 2 + 5 / 3) * 1e-3])
    assert trace.servers["nbytes"].tolist() == [4e6]
    summary = trace.summary()
    assert summary["server_bytes"] == [4e6] and summary["server_busy_s"] == trace.servers["busy"].tolist()
    assert summary["worker_waiting_s"] == pytest.approx([15.6667e-3, 8.6667e-3], rel=1e-5)


# What modes have in common

BASE: dict[str, Any] = {
    "iterations": 3,
    "seed": 1,
    "noise": {"jitter": 0.3},
    "cluster": {"group": [{"count": 4}], "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [700], "units": 700, "name": name} for name in "abc"]},
        "batch": 64,
        "strategy": {"kind": "parameter_server"},
        "bucket": "layer",
    },
}


def run(strategy: dict[str, Any], changes: dict[str, Any] | None = None) -> Trace:
    strategy = {"kind": "parameter_server", **strategy}
    return simulate(loading.from_table(BASE, {"job.strategy": strategy, **(changes or {})}))


def records(trace: Trace) -> dict[str, list[Any]]:
    """All that happened."""
    kinds = ("steps", "spans", "transfers", "links", "servers", "updates")
    return {kind: list(getattr(trace, kind)) for kind in kinds}


PLACES = st.fixed_dictionaries(
    {
        "servers": st.integers(1, 4),
        "placement": st.sampled_from(["apart", "colocated"]),
        "keys": st.sampled_from(["whole", "split", "by_size"]),
        "pull": st.sampled_from(["overlapped", "after_push"]),
        "slices": st.integers(1, 2),
    }
)
CHANGES = st.fixed_dictionaries({
    "seed": st.integers(0, 50),
    "noise.jitter": st.sampled_from([0.0, 0.4]),
    "cluster.sharing": st.sampled_from(["fair", "fifo"]),
    "cluster.reduction_rate": st.sampled_from(["2 GB/s", "50 GB/s"]),
    "cluster.server_rate": st.sampled_from(["1 GB/s", "100 GB/s"]),
    "job.overlap": st.booleans(),
})  # fmt: skip
MODES = st.sampled_from([
    {}, {"backup": 1}, {"backup": 3}, {"mode": "async"},
    {"mode": "ssp", "staleness": 0}, {"mode": "ssp", "staleness": 2},
])  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(PLACES, CHANGES)
def test_an_endless_bound_is_async(place: dict[str, Any], changes: dict[str, Any]) -> None:
    endless = run({**place, "mode": "ssp", "staleness": 1_000_000_000}, changes)
    assert records(endless) == records(run({**place, "mode": "async"}, changes))


@settings(max_examples=15, deadline=None)
@given(PLACES, CHANGES)
def test_a_bound_of_0_makes_updates_in_the_order_of_sync(place: dict[str, Any], changes: dict[str, Any]) -> None:
    """All gradients of an iteration, on the same weights, before any of the next; each worker's one iteration a round.
    Where a gradient has one key, everything happens at the same time, too."""
    bounded, sync = run({**place, "mode": "ssp", "staleness": 0}, changes), run(place, changes)
    assert [u.iteration for u in bounded.updates] == [u.iteration for u in sync.updates]
    assert [u.held for u in bounded.updates] == [4 * u.held for u in sync.updates]
    assert Counter((u.worker, u.iteration) for u in bounded.updates) == Counter(
        (u.worker, u.iteration) for u in sync.updates
    )
    assert bounded.steps["end"] == pytest.approx(sync.steps["end"], rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(PLACES, CHANGES, MODES)
def test_one_worker_is_the_same_under_every_mode(
    place: dict[str, Any], changes: dict[str, Any], mode: dict[str, Any]
) -> None:
    place, alone = {**place, "servers": 1}, {**changes, "cluster.group": [{"count": 1}]}
    mode = {key: value for key, value in mode.items() if key != "backup"}
    assert records(run({**place, **mode}, alone)) == records(run(place, alone))


@settings(max_examples=40, deadline=None)
@given(PLACES, CHANGES, MODES)
def test_any_mode_keeps_its_books(place: dict[str, Any], changes: dict[str, Any], mode: dict[str, Any]) -> None:
    """Nobody waits for ever; all gradients are accounted for; parts sum to the whole; bytes are conserved."""
    trace = run({**place, **mode}, changes)
    steps, summary, made = trace.steps, trace.summary(), list(trace.updates)
    parts = steps["compute"] + steps["straggler_wait"] + steps["exposed_communication"]
    assert parts == pytest.approx(steps["end"] - steps["start"], rel=1e-9)
    assert (steps["straggler_wait"] >= 0).all() and (steps["exposed_communication"] >= -1e-12).all()
    assert len(made) == len(steps) == len({(u.worker, u.iteration) for u in made})
    applied = [u for u in made if u.version > 0]
    assert len(applied) >= BASE["iterations"] * (4 - mode.get("backup", 0))
    assert all(u.held < u.version for u in applied), "nobody holds weights of the future"
    assert len(steps) <= BASE["iterations"] * 4
    assert summary["iteration_time_s"] >= summary["lower_bound_iteration_time_s"] * (1 - 1e-9)
    moved = trace.servers["nbytes"].sum()
    assert moved == pytest.approx(2 * len(steps) * summary["gradient_bytes"], rel=1e-9)
    local = moved - trace.transfers["nbytes"].sum()
    assert local == pytest.approx(0, abs=1) if place["placement"] == "apart" else local > 0
    assert all(use.nbytes <= use.rate * steps["end"].max() * (1 + 1e-9) for use in trace.links)


@pytest.mark.parametrize("mode", [{}, {"mode": "async"}, {"mode": "ssp", "staleness": 1}, {"backup": 1}], ids=str)
def test_the_same_seed_is_the_same_trace(mode: dict[str, Any]) -> None:
    assert records(run(mode)) == records(run(mode))
    assert records(run(mode)) != records(run(mode, {"seed": 2}))


FORWARD_ONLY = [
    (0.0, 1.0, "worker0 forward"),
    (0.0, 4.0, "worker1 forward"),
    (1.0, 2.0, "worker0 to server0"),  # asks for the weights
    (2.0, 4.0, "server0 to worker0"),
    (4.0, 5.0, "worker0 forward"),
    (4.0, 5.0, "worker1 to server0"),
    (5.0, 6.0, "worker0 to server0"),
    (5.0, 7.0, "server0 to worker1"),
    (6.0, 8.0, "server0 to worker0"),
    (7.0, 11.0, "worker1 forward"),
    (11.0, 12.0, "worker1 to server0"),
    (12.0, 14.0, "server0 to worker1"),
]


def test_the_whole_history_of_forward_passes_alone() -> None:
    trace = tiny({}, {"job.forward_only": True})
    assert history(trace) == FORWARD_ONLY
    assert len(trace.updates) == 0


@settings(max_examples=10, deadline=None)
@given(PLACES, st.sampled_from(["after_all", "by_layer"]))
def test_forward_passes_alone_move_the_weights_one_way(place: dict[str, Any], forward: str) -> None:
    """Half the bytes of training, and no step is shorter than computing, nor longer than with all pulls in a row."""
    changes = {"cluster.group": [{"count": 4}], "job.next_forward": forward, "iterations": 3}
    strategy = {"kind": "parameter_server", **place}
    train, only = (
        simulate(loading.from_table(TINY, {**changes, "job.strategy": strategy, "job.forward_only": each}), check=True)
        for each in (False, True)
    )
    assert only.facts["wire_bytes"] == pytest.approx(train.facts["wire_bytes"] / 2)
    all_in_a_row, found = 1e-3 + 2 * 1e-3 + 4 * 1e6 / 1e9, only.summary()["iteration_time_s"]
    assert 1e-3 * (1 - 1e-9) <= found <= all_in_a_row * (1 + 1e-9)


def test_forward_passes_without_servers_send_nothing() -> None:
    trace = simulate(loading.from_table(TINY, {"job.strategy": "ring", "job.forward_only": True}))
    assert len(trace.transfers) == 0 and trace.summary()["iteration_time_s"] == pytest.approx(4e-3)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"job.accumulate": 2}, "job.accumulate"),
        ({"job.local_steps": 2}, "job.local_steps"),
        ({"job.compression": {"ratio": 0.5}}, "job.compression"),
        ({"job.statistics": {}}, "job.statistics"),
        ({"job.strategy": {"kind": "parameter_server", "mode": "async"}}, "job.strategy.mode"),
        ({"job.strategy": {"kind": "parameter_server", "backup": 1}}, "job.strategy.backup"),
        ({"job.strategy": "ring", "job.sharding": "zero2"}, "job.sharding"),
        ({"cluster.server_device": "v100"}, "cluster.server_device"),
    ],
)
def test_what_is_of_gradients_does_not_go_with_a_forward_pass_alone(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        loading.from_table(TINY, {"job.forward_only": True, **changes})
    assert [problem.path for problem in raised.value.problems] == [path]


def test_equal_workers_without_noise_stay_together_under_async() -> None:
    trace = run({"mode": "async"}, {"noise.jitter": 0.0})
    assert Counter(trace.steps["worker"].tolist()) == {worker: 3 for worker in range(4)}
    assert trace.summary()["iteration_time_s"] == pytest.approx(
        run({}, {"noise.jitter": 0.0}).summary()["iteration_time_s"]
    )


def test_a_server_on_every_host_makes_each_port_carry_what_a_ring_makes_it_carry() -> None:
    colocated = run({"placement": "colocated"}, {"iterations": 1})
    ring = simulate(loading.from_table(BASE, {"job.strategy": "ring", "iterations": 1}))
    assert colocated.links["nbytes"] == pytest.approx(ring.links["nbytes"], rel=1e-9)


def test_a_slow_worker_does_not_slow_the_others_under_async() -> None:
    groups = [{"count": 3}, {"count": 1, "slowdown": 20}]
    paces = {
        mode: run(
            {"mode": mode}, {"cluster.group": groups, "noise.jitter": 0.0, "cluster.link.rate": "100 Gbit/s"}
        ).summary()
        for mode in ("sync", "async")
    }
    assert paces["async"]["samples_per_s"] > 2 * paces["sync"]["samples_per_s"]
    assert paces["async"]["scaling_efficiency"] <= 1


def test_backup_workers_hide_a_straggler_and_its_gradient_is_lost() -> None:
    groups = {
        "cluster.group": [{"count": 3}, {"count": 1, "slowdown": 20}],
        "noise.jitter": 0.0,
        "cluster.link.rate": "100 Gbit/s",
    }
    without, with_backup = run({}, groups).summary(), run({"backup": 1}, groups).summary()
    assert with_backup["iteration_time_s"] < without["iteration_time_s"] / 2
    assert with_backup["dropped_gradients"] >= 1


def test_no_worker_is_ahead_of_its_bound() -> None:
    groups = [{"count": 3}, {"count": 1, "slowdown": 20}]
    for bound in (0, 1, 2):
        trace = run(
            {"mode": "ssp", "staleness": bound},
            {"cluster.group": groups, "iterations": 4},
        )
        slow = sorted(end for worker, end in zip(trace.steps["worker"], trace.steps["end"], strict=True) if worker == 3)
        for step in trace.steps:
            done = sum(end <= step.start for end in slow)
            assert step.worker == 3 or len(slow) == done or step.iteration - done <= bound + 1
