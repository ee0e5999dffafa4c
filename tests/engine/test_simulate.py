"""Training steps: whole histories on tiny clusters, closed forms, and what must hold for any scenario."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.fast import engine as fast
from netsim.engine.fast import rounds as fast_rounds
from netsim.engine.measured import outside
from netsim.engine.plan import plan
from netsim.engine.run import simulate
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link, Measured
from netsim.models.mobilenet_v1 import mobilenet_v1
from netsim.scenario import Scenario
from netsim.topologies.base import Host
from netsim.topologies.star import star
from netsim.trace import Trace

BASE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 32, "strategy": {"kind": "ring"}, "bucket": "2 MB"},
}
STRATEGIES = FAMILIES["strategies"].names()
AWAY = [{"host": "worker1", "at": "1 h", "lasts": "1 s"}]


def scenario(changes: dict[str, Any] | None = None) -> Scenario:
    return loading.from_table(BASE, changes or {})


def run(changes: dict[str, Any] | None = None, **options: Any) -> Trace:
    return simulate(scenario(changes), **options)


def seconds(changes: dict[str, Any]) -> float:
    return float(run(changes, detail="summary").summary()["iteration_time_s"])


def history(trace: Trace, iteration: int = 0) -> list[tuple[str, str, str, float, float]]:
    """(who, did what, with what, from, to) of one iteration, in order of time, in milliseconds."""
    hosts = trace.hosts
    did = [(hosts[s.host], s.phase, s.name, s.start, s.end) for s in trace.spans if s.iteration == iteration]
    sent = [(hosts[t.src], "send", hosts[t.dst], t.sent, t.end) for t in trace.transfers if t.iteration == iteration]
    return sorted(((*w, round(a * 1e3, 6), round(b * 1e3, 6)) for *w, a, b in [*did, *sent]), key=lambda e: (e[3], e))


# Two dense layers on a device that computes 1 flop in 1 ps and has all the memory rate there can be: times in whole ms.
TINY: dict[str, Any] = {
    "cluster": {
        "workers": 2,
        "device": {"peak": {"fp32": "1 Tflop/s"}, "memory_rate": "100 TB/s", "kernel_overhead": "0 s"},
        "link": {"rate": "1 GB/s", "latency": "1 ms"},
    },
    "job": {
        "model": {"layers": [
            {"kind": "dense", "input_shape": [1000], "units": 1000, "bias": False, "name": "first"},
            {"kind": "dense", "input_shape": [1000], "units": 500, "bias": False, "name": "second"},
        ]},
        "batch": 500,
        "strategy": {"kind": "ring"},
        "bucket": "layer",
    },
}  # fmt: skip
EXACT = {"dense": 1.0, "elementwise": 1.0, "memory": 1.0}


def tiny(changes: dict[str, Any]) -> Trace:
    return simulate(loading.from_table(TINY, {"cluster.device.efficiency": EXACT, **changes}))


def test_the_whole_history_of_a_ring_step_with_overlap() -> None:
    """Forward 1 + 0.5 ms; the second layer's 2 MB go while the first one's backward goes on; first layers need no
    input gradient. A ring of two is two messages of half a bucket: 2 (1 ms + 1 MB / (1 GB/s)) = 4 ms for 2 MB."""
    ms = 1e-3
    trace = tiny({})
    assert history(trace) == [
        ("worker0", "forward", "first", 0.0, 1.0),
        ("worker1", "forward", "first", 0.0, 1.0),
        ("worker0", "forward", "second", 1.0, 1.5),
        ("worker1", "forward", "second", 1.0, 1.5),
        ("worker0", "backward", "second", 1.5, 2.5),
        ("worker1", "backward", "second", 1.5, 2.5),
        ("worker0", "backward", "first", 2.5, 3.5),
        ("worker0", "send", "worker1", 2.5, 4.5),
        ("worker1", "backward", "first", 2.5, 3.5),
        ("worker1", "send", "worker0", 2.5, 4.5),
        ("worker0", "send", "worker1", 4.5, 6.5),
        ("worker1", "send", "worker0", 4.5, 6.5),
        ("worker0", "send", "worker1", 6.5, 9.5),
        ("worker1", "send", "worker0", 6.5, 9.5),
        ("worker0", "send", "worker1", 9.5, 12.5),
        ("worker1", "send", "worker0", 9.5, 12.5),
        ("worker0", "update", "optimiser", 12.5, 12.5003),
        ("worker1", "update", "optimiser", 12.5, 12.5003),
    ]
    assert trace.summary()["exposed_communication_s"] == pytest.approx(9 * ms)


def test_the_whole_history_of_a_parameter_server_step_without_overlap() -> None:
    trace = tiny({"job.strategy": "parameter_server", "job.overlap": False, "job.bucket": "all"})
    sent = [event for event in history(trace) if event[1] == "send"]
    assert sent == [
        ("worker0", "send", "server0", 3.5, 16.5),
        ("worker1", "send", "server0", 3.5, 16.5),
        ("server0", "send", "worker0", 16.5, 29.5),
        ("server0", "send", "worker1", 16.5, 29.5),
    ]


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("workers", [1, 2, 3, 6, 8])
def test_one_bucket_without_overlap_is_compute_and_collective(strategy: str, workers: int, slices: int) -> None:
    kind = {"kind": strategy, "slices": slices}
    changes = {"cluster.workers": workers, "job.strategy": kind, "job.overlap": False, "job.bucket": "all"}
    trace = run({**changes, "iterations": 1})
    summary = trace.summary()
    alone = collective(
        FAMILIES["collectives"].build(kind),
        ranks=workers,
        size=summary["gradient_bytes"],
        rate=1.25e9,
        latency=25e-6,
    )
    assert summary["iteration_time_s"] == pytest.approx(summary["compute_time_s"] + alone.time_s, rel=1e-9)
    assert summary["wire_bytes_per_iteration"] == pytest.approx(alone.wire_bytes, rel=1e-9)
    assert summary["messages_per_iteration"] == alone.messages
    assert summary["busiest_link_bytes_per_iteration"] == pytest.approx(alone.busiest_link_bytes, rel=1e-9)


def agrees(simpy: Trace, other: Trace) -> None:
    """Times to 1e-9, messages and names exactly, whichever engine it was."""
    summary = other.summary()
    for key, value in simpy.summary().items():
        if key not in ("engine", "why_simpy", "busiest_link", "bottleneck"):  # ties between links turn on last digits
            number = isinstance(value, float) or (isinstance(value, list) and all(isinstance(v, float) for v in value))
            close = pytest.approx(value, rel=1e-9, abs=1e-12) if number else value
            assert summary[key] == close, key
    for records in ("steps", "links", "spans", "transfers"):
        ours, theirs = (sorted(map(_rounded, getattr(trace, records))) for trace in (simpy, other))
        assert len(ours) == len(theirs)
        for one, two in zip(ours, theirs, strict=True):
            assert [v for v in one if isinstance(v, str)] == [v for v in two if isinstance(v, str)]
            numbers = [[v for v in row if not isinstance(v, str)] for row in (one, two)]
            assert numbers[0] == pytest.approx(numbers[1], rel=1e-9, abs=1.1e-9)


def _rounded(row: Any) -> tuple[Any, ...]:
    """A row that sorts alike in spite of the last digits of its times."""
    return tuple(round(value, 9) if isinstance(value, float) else value for value in row)


Changes = st.fixed_dictionaries(
    {
        "job.strategy": st.sampled_from(
            [
                *({"kind": name} for name in STRATEGIES),
                {"kind": "ring", "slices": 4},
                {"kind": "tree", "arity": 3},
                {"kind": "parameter_server", "servers": 3},
                {"kind": "parameter_server", "servers": 2, "keys": "whole"},
                {"kind": "parameter_server", "placement": "colocated"},
                {"kind": "parameter_server", "slice": "1 MB"},
            ]
        ),
        "job.bucket": st.sampled_from(["all", "4 MB", "1 MB"]),
        "job.overlap": st.booleans(),
        "cluster.sharing": st.sampled_from(["fair", "fifo"]),
        "cluster.workers": st.integers(1, 9),
        "noise.jitter": st.sampled_from([0.0, 0.2]),
        "seed": st.integers(0, 5),
    }
)
Unequal = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.integers(1, 3),
            "slowdown": st.sampled_from([1.0, 2.5]),
            "link": st.sampled_from(["10gbe", "25gbe", {"rate": "3 Gbit/s", "latency": "1 ms"}]),
        }
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=50)
@given(groups=Unequal, kind=st.sampled_from(STRATEGIES), changes=Changes)
def test_both_engines_agree_on_unequal_workers(groups: list[Any], kind: str, changes: dict[str, Any]) -> None:
    cluster: dict[str, Any] = {"device": "v100", "group": groups, "reduction_rate": "5 GB/s"}
    if kind == "parameter_server":
        cluster["server_link"] = "10gbe"
    changes = {key: value for key, value in changes.items() if not key.startswith("cluster.")}
    changes = {"cluster": cluster, **changes, "job.strategy": kind}
    agrees(run(changes, engine="simpy"), run(changes, engine="fast"))


@pytest.mark.parametrize(
    ("changes", "engine", "reason"),
    [
        ({}, "fast", None),
        ({"job.strategy": "tree"}, "fast", None),
        ({"job.strategy": "parameter_server"}, "fast", None),
        ({"job.strategy": {"kind": "ring", "slices": 2}}, "fast", None),
        ({"job.streams": 2}, "fast", None),
        ({"cluster.sharing": "fifo"}, "fast", None),
        ({"job.next_forward": "by_layer"}, "fast", None),
        ({"job.schedule": "priority"}, "fast", None),
        ({"noise.layer_jitter": 0.1}, "simpy", "every layer has noise of its own"),
        ({"job.strategy": "parameter_server", "cluster.workers": 1}, "fast", None),
    ],
)
def test_the_trace_names_its_engine_and_why(changes: dict[str, Any], engine: str, reason: str | None) -> None:
    summary = run(changes).summary()
    assert (summary["engine"], summary["why_simpy"]) == (engine, reason)
    assert run(changes, engine="simpy").summary()["why_simpy"] == "it was asked for"


@settings(deadline=None, max_examples=50)
@given(changes=Changes)
def test_any_step_keeps_its_books(changes: dict[str, Any]) -> None:
    if changes["cluster.workers"] == 1 and changes["job.strategy"].get("placement"):
        changes["cluster.workers"] = 2
    trace = run(changes, engine="simpy")
    agrees(trace, run(changes))
    summary = trace.summary()
    for step in trace.steps:
        parts = step.compute + step.straggler_wait + step.exposed_communication
        assert parts == pytest.approx(step.end - step.start, rel=1e-9)
        assert min(step.straggler_wait, step.exposed_communication) >= 0
    assert summary["iteration_time_s"] >= summary["lower_bound_iteration_time_s"] * (1 - 1e-12)
    links = list(trace.links)
    down, up = (sum(use.nbytes for use in links if use.link.endswith(way)) for way in ("down", "up"))
    assert down == pytest.approx(up, rel=1e-12)
    assert down == pytest.approx(2 * summary["wire_bytes_per_iteration"], rel=1e-12)
    for use in links:
        assert use.nbytes <= use.rate * use.busy * (1 + 1e-9)
    for sent in trace.transfers:
        assert sent.sent <= sent.start <= sent.end
        assert sent.end - sent.sent >= 25e-6 + sent.nbytes / 1.25e9 - 1e-12


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("workers", [2, 4, 7])
def test_equal_workers_keep_the_closed_form_where_there_is_one(strategy: str, workers: int) -> None:
    summary = run({"cluster.workers": workers, "job.strategy": strategy, "job.bucket": "all"}).summary()
    simulated, closed = summary["iteration_time_s"], summary["closed_form_iteration_time_s"]
    alone = FAMILIES["collectives"].build(strategy).ideal_time(workers, 1.0, Link(rate=1.0, latency=0.0))
    assert (closed is None) == (alone is None)
    if closed is not None:
        early = strategy == "tree" and workers != 7  # leaves of a tree with gaps begin the next step early
        assert simulated <= closed * (1 + 1e-9)
        assert early or simulated == pytest.approx(closed, rel=1e-9)


@pytest.mark.parametrize("bucket", ["layer", "1 MB", "all"])
@pytest.mark.parametrize("strategy", ["ring", "binomial_tree", "parameter_server"])
def test_overlapped_buckets_keep_the_closed_form(strategy: str, bucket: str) -> None:
    summary = run({"cluster.workers": 4, "job.strategy": strategy, "job.bucket": bucket}).summary()
    assert summary["iteration_time_s"] == pytest.approx(summary["closed_form_iteration_time_s"], rel=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_overlap_is_never_slower(strategy: str) -> None:
    with_overlap, without = (seconds({"job.strategy": strategy, "job.overlap": overlap}) for overlap in (True, False))
    assert with_overlap <= without * (1 + 1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_faster_link_or_less_latency_is_never_slower(strategy: str) -> None:
    slow = seconds({"job.strategy": strategy})
    assert seconds({"job.strategy": strategy, "cluster.link.rate": "20 Gbit/s"}) <= slow
    assert seconds({"job.strategy": strategy, "cluster.link.latency": "5 us"}) <= slow


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_as_many_groups_of_equal_workers_change_nothing(strategy: str) -> None:
    groups = {"cluster": {"device": "v100", "link": BASE["cluster"]["link"], "group": [{"count": 3}, {"count": 1}]}}
    one, two = run({"job.strategy": strategy}).summary(), run({**groups, "job.strategy": strategy}).summary()
    assert one == two


def test_which_worker_is_slow_makes_no_difference_to_a_ring() -> None:
    times = set()
    for position in range(4):
        groups = [{"count": 1, "slowdown": 3.0 if number == position else 1.0} for number in range(4)]
        cluster = {"device": "v100", "link": BASE["cluster"]["link"], "group": groups}
        times.add(round(seconds({"cluster": cluster, "job.bucket": "all"}), 12))
    assert len(times) == 1


def test_fast_workers_wait_for_a_slow_one() -> None:
    groups = [{"count": 3}, {"count": 1, "slowdown": 2.0}]
    trace = run({"cluster": {"device": "v100", "link": BASE["cluster"]["link"], "group": groups}, "iterations": 1})
    waits = [step.straggler_wait for step in trace.steps]
    fast, slow = (step.compute for step in list(trace.steps)[2:])
    assert waits[:3] == [waits[0]] * 3 and waits[3] == 0
    assert 0.9 * (slow - fast) < waits[0] < slow - fast  # the difference of two updates is not waited for


def test_adding_takes_time_where_a_rate_is_given() -> None:
    changes = {"job.strategy": "parameter_server", "job.bucket": "all"}
    slow = run({**changes, "cluster.reduction_rate": "1 GB/s", "iterations": 1})
    extra = slow.summary()["iteration_time_s"] - run({**changes, "iterations": 1}).summary()["iteration_time_s"]
    assert extra == pytest.approx(4 * slow.summary()["gradient_bytes"] / 1e9, rel=1e-9)
    assert {slow.hosts[span.host] for span in slow.spans if span.phase == "reduce"} == {"server0"}


def test_streams_let_small_buckets_hide_each_others_latency() -> None:
    changes = {"cluster.link.latency": "2 ms", "job.bucket": "layer"}
    assert seconds({**changes, "job.streams": 4}) < seconds({**changes, "job.streams": 1})


def test_whole_keys_make_one_server_busier_than_split_ones() -> None:
    split, whole = (
        run({"job.strategy": {"kind": "parameter_server", "servers": 4, "keys": keys}}).summary()
        for keys in ("split", "whole")
    )
    assert whole["busiest_link_bytes_per_iteration"] > split["busiest_link_bytes_per_iteration"]
    assert whole["wire_bytes_per_iteration"] == pytest.approx(split["wire_bytes_per_iteration"], rel=1e-12)


def test_detail_decides_what_is_recorded_and_nothing_else() -> None:
    full, last, summary = (run(detail=detail) for detail in ("full", "last", "summary"))
    assert full.summary() == last.summary() == summary.summary()
    assert [len(trace.transfers) for trace in (summary, last, full)] == [
        0,
        len(full.transfers) // 2,
        len(full.transfers),
    ]
    assert {span.iteration for span in last.spans} == {1}


def test_another_seed_is_other_luck_and_the_same_seed_the_same() -> None:
    noisy = {"noise.jitter": 0.3}
    assert run({**noisy, "seed": 1}).summary() == run({**noisy, "seed": 1}).summary()
    assert seconds({**noisy, "seed": 1}) != seconds({**noisy, "seed": 2})


def test_one_workers_luck_does_not_depend_on_how_many_there_are() -> None:
    def computing(workers: int) -> list[float]:
        trace = run({"noise.jitter": 0.3, "cluster.workers": workers})
        return [step.compute for step in trace.steps if step.worker == 0]

    assert computing(2) == computing(5)


def test_the_trace_is_the_same_in_every_process() -> None:
    script = (
        "import json, netsim; from netsim.loading import from_table;"
        f"t = netsim.simulate(from_table({BASE!r}, {{'noise.jitter': 0.2, 'job.strategy': 'parameter_server'}}));"
        "print(json.dumps([t.summary(), list(t.transfers), list(t.spans), list(t.links)]))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "7")
    }
    assert len(outputs) == 1 and json.loads(outputs.pop())


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"job.strategy": "parameter_server"},
        {"job.strategy": {"kind": "parameter_server", "mode": "async"}},
        *({"job.sharding": stage} for stage in ("zero1", "zero2", "zero3")),
        {"job.local_steps": 2},
    ],
    ids=str,
)
def test_progress_hears_once_of_every_iteration(changes: dict[str, Any], workers: int) -> None:
    for engine in ("auto", "simpy"):
        heard: list[int] = []
        run({"cluster.workers": workers, **changes}, engine=engine, progress=heard.append)
        assert heard == [0, 1]


def test_whoever_sends_nothing_spends_no_time_on_latency() -> None:
    assert run({"cluster.workers": 1}, detail="summary").facts["latency_share"] == 0.0
    assert run({"cluster.link.latency": "0 s"}, detail="summary").facts["latency_share"] == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"job.streams": 2},
        {"cluster.server_rate": "5 GB/s"},
        {"cluster.server_device": "v100"},
        {"cluster.stop": AWAY},
        {"cluster.fault": [{"link": "worker1.up", "at": "1 h"}]},
        {"cluster.link.overhead": "5 us"},
        {"cluster.traffic": [{"size": "100 kB", "rate": "0.2 Gbit/s"}]},
        {"cluster.topology": "ring"},
        {"job.schedule": "priority"},
        {"job.sharding": "zero1"},
        {"job.local_steps": 2},
        {"noise.jitter": 0.1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_step_has_a_closed_form_only_where_nothing_disturbs_it(changes: dict[str, Any]) -> None:
    servers = {"job.strategy": "parameter_server"} if any("server" in key for key in changes) else {}
    assert plan(scenario(servers)).closed_form is not None
    assert plan(scenario(servers | changes)).closed_form is None


def test_messages_beyond_those_that_links_were_measured_with_are_told() -> None:
    """A ring of 4 sends quarters of its buckets, servers of 2 hosts halves; whoever is alone sends none."""
    link = {"rate": "10 Gbit/s", "latency": "25 us", "measured": {"smallest": "1 kB", "largest": "1 MB"}}
    tight = {"cluster.link": link, "job.bucket": "all"}
    small = [{"kind": "dense", "input_shape": [100], "units": 100, "bias": False}]  # 40 kB
    for changes, told in (
        ({}, True),
        ({"cluster.workers": 1}, False),
        ({"cluster.workers": 2}, True),
        ({"job.model": {"layers": small}}, False),
        ({"job.model": {"layers": small}, "cluster.workers": 60}, True),
        ({"job.model": {"layers": small}, "job.strategy": {"kind": "parameter_server", "servers": 2}}, False),
        ({"job.strategy": {"kind": "parameter_server", "servers": 2}}, True),
        ({"cluster.link": {"rate": "10 Gbit/s", "latency": "25 us"}}, False),
    ):
        said = run({**tight, **changes}, detail="summary").facts["warnings"]
        assert [("are extrapolated" in each) for each in said] == [True] * told, changes
    measured = Link(rate=1e9, latency=1e-5, measured=Measured(smallest=1e3, largest=1e6))
    kind = FAMILIES["collectives"].build("ring")
    for nbytes, said in ((7.9e3, 1), (8e3, 0), (8e6, 0), (8.1e6, 1)):
        assert len(outside(kind, 8, nbytes, measured)) == said
    assert outside(kind, 1, 1e9, measured) == outside(kind, 8, 1e9, Link(rate=1e9, latency=1e-5)) == ()
    whole = FAMILIES["collectives"].build({"kind": "direct", "element": "4 B"})  # two of four ranks have an element
    small = Link(rate=1e9, latency=1e-5, measured=Measured(smallest=4.0, largest=1e6))
    assert outside(whole, 4, 8.0, small) == ()  # what has no bytes is no message


def test_where_bytes_cost_nothing_the_bound_is_the_slowest_of_the_fastest_that_a_step_takes() -> None:
    workers, iterations, slow = 4, 5, 3.0
    for needed in (4, 3, 2):
        told = loading.from_table(
            {**BASE, "cluster": {"group": [{"count": 3}, {"count": 1, "slowdown": slow}], "device": "v100"}},
            {
                "cluster.link": {"rate": "1e9 Gbit/s", "latency": "0 s"},
                "iterations": iterations,
                "noise.jitter": 0.5,
                "job.strategy": {"kind": "parameter_server", "backup": workers - needed},
            },
        )
        the_plan = plan(told)
        alone = [each.total for each in the_plan.computing]
        assert alone[3] > 2 * alone[0]
        drawn = told.noise.factors(told.seed, workers, iterations).T.tolist()
        paces = [sorted(a * f for a, f in zip(alone, factors, strict=True)) for factors in drawn]
        expected = sum(pace[needed - 1] for pace in paces) / iterations
        if needed == workers:  # nobody is left behind, and some may run ahead: the slowest on the mean
            expected = max(a * sum(each) / iterations for a, each in zip(alone, zip(*drawn, strict=True), strict=True))
        assert the_plan.lower_bound(iterations) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mode", ["async", "ssp"])
def test_workers_that_do_not_wait_are_bound_by_their_ports_unless_they_are_servers_themselves(mode: str) -> None:
    """A gradient passes its worker's port in M / B; of one beside its server, only computing is known."""
    slow, of = {"cluster.link.rate": "0.1 Gbit/s", "cluster.workers": 2}, {"kind": "parameter_server", "mode": mode}
    apart, beside = (
        run({**slow, "job.strategy": {**of, "placement": placement}}, detail="summary")
        for placement in ("apart", "colocated")
    )
    nbytes = 4 * mobilenet_v1().params
    assert apart.facts["lower_bound_s"] == pytest.approx(nbytes / 12.5e6, rel=1e-9)
    assert beside.facts["lower_bound_s"] < 0.1 * apart.facts["lower_bound_s"]


def test_more_workers_than_memory_allows_are_refused_with_an_estimate() -> None:
    with pytest.raises(ScenarioError, match=r"cluster.workers: 1000000 workers would need .* of memory"):
        run({"cluster.workers": 1_000_000})


def test_an_engine_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ScenarioError, match=r"engine: no engine 'simpi'\. Did you mean 'simpy'"):
        run(engine="simpi")


def test_rounds_are_played_in_strokes_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rounds are played at a stroke decides when an interrupt is heard, and nothing else."""
    for kind, size in (("ring", 1e6), ("recursive_doubling", 1e6)):
        how = {"ranks": 8, "size": size, "rate": 1e9, "latency": 1e-5}
        whole = [collective(FAMILIES["collectives"].build(kind), **how, symmetry=alike) for alike in (True, False)]
        for messages in (1, 8, 20):
            monkeypatch.setattr(fast_rounds, "_AT_A_STROKE", messages)
            cut = [collective(FAMILIES["collectives"].build(kind), **how, symmetry=alike) for alike in (True, False)]
            assert cut == whole
        monkeypatch.undo()


def test_more_messages_than_rounds_may_have_go_event_by_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring of 4 in 3 slices: 6 rounds of 4 messages each, in 3 lanes."""
    ring = FAMILIES["collectives"].build({"kind": "ring", "slices": 3})
    hosts = [Host(f"rank{rank}", Link(rate=1e9, latency=1e-5)) for rank in range(4)]
    found = []
    for most in (72, 71):
        monkeypatch.setattr(fast_rounds, "MOST_MESSAGES", most)
        how: dict[str, Any] = {"sharing": "fair", "forwarding": "cut_through", "rate": None, "symmetry": False}
        found.append(fast.play(ring, 4, star(hosts), nbytes=1e6, ready=np.zeros(4), **how))
    assert [isinstance(used, fast_rounds.FastNetwork) for _, used in found] == [True, False]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)


def test_luck_beyond_the_steps_asked_for_is_that_of_a_longer_run() -> None:
    """A worker that waits for nobody may come to any step."""
    short, long = (plan(scenario({"noise.jitter": 0.2, "iterations": iterations})) for iterations in (2, 50))
    for worker in range(4):
        assert [short.factor(worker, step) for step in range(50)] == long.factors[worker].tolist()
        assert short.factor(worker, 1) == long.factor(worker, 1)


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({}, 1.0),
        ({"job.local_steps": 2}, 1 / 2),
        ({"job.sharding": "zero2"}, 1.0),
        ({"job.sharding": "zero3"}, 3 / 2),
        ({"job.sharding": "zero3", "job.accumulate": 3}, 7 / 2),
    ],
    ids=str,
)
def test_what_a_step_exchanges_is_so_many_times_the_gradients(changes: dict[str, Any], times: float) -> None:
    gradients = 4 * mobilenet_v1().params
    assert plan(scenario(changes)).exchanged_bytes == pytest.approx(times * gradients, rel=1e-12)


SERVERS = {"kind": "parameter_server"}
FAULT = [{"link": "worker1.up", "at": "1 h"}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cluster.stop": AWAY}, "hosts stop and return, or save what they have"),
        ({"job.recovery": {"checkpoint_every": 1}}, "hosts stop and return, or save what they have"),
        ({"cluster.fault": FAULT, "cluster.on_failure": "reroute"}, "messages go another way where links fail"),
        ({"cluster.traffic": [{"size": "1 kB", "rate": "1 kbit/s"}]}, "others use the network, too"),
        ({"job.strategy": {**SERVERS, "backup": 1}}, "some gradients are thrown away"),
        ({"job.strategy": {**SERVERS, "pull": "after_push"}}, "servers answer when all keys have come"),
        ({"job.strategy": SERVERS, "cluster.server_rate": "5 GB/s"}, "servers' software and steps take time"),
        ({"job.streams": 2, "cluster.routing": "ecmp"}, "streams take ways of their own through the network"),
        ({"cluster.fault": FAULT}, None),
        ({"cluster.routing": "ecmp"}, None),
        ({"job.strategy": SERVERS}, None),
    ],
    ids=str,
)
def test_what_the_fast_engine_leaves_to_the_reference_it_says(changes: dict[str, Any], reason: str | None) -> None:
    small = {"job.model": {"layers": [{"kind": "dense", "input_shape": [100], "units": 100}]}, "iterations": 1}
    ecmp = {"cluster.topology": "fat_tree"} if "cluster.routing" in changes else {}
    trace = run({**small, **ecmp, **changes}, detail="summary")
    assert (trace.engine, trace.facts["why_simpy"]) == ("simpy" if reason else "fast", reason)


@pytest.mark.parametrize("engine", ["fast", "simpy"])
def test_a_late_rank_delays_a_collective_by_as_much(engine: str) -> None:
    ring, how = FAMILIES["collectives"].build("ring"), {"ranks": 4, "size": 1e6, "rate": 1e9, "latency": 1e-5}
    plain, late = (collective(ring, **how, engine=engine, late=late).time_s for late in (None, {2: 1e-3}))
    assert late - plain == pytest.approx(1e-3, rel=1e-9)
