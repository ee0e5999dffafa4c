"""A training step under any schedule: books that are kept, and identities over whole families."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.engine.run import simulate
from netsim.engine.search import best_bucket, in_words
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.loading import from_table
from netsim.scenario import Scenario
from netsim.trace import Trace
from netsim.training.buckets import MIB, Search

BASE: dict[str, Any] = {
    "iterations": 4,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "squeezenet", "batch": 32, "strategy": {"kind": "ring"}, "bucket": "1 MB"},
}
SHARDABLE = [
    name
    for name in FAMILIES["strategies"].names()
    if {"reduce_scatter", "all_gather"} <= set(FAMILIES["strategies"].member(name).operations)
]
SCHEDULES: list[dict[str, Any]] = [
    {},
    {"job.bucket": "ddp"},
    {"job.bucket": "horovod"},
    {"job.schedule": "priority", "job.partition": "200 kB"},
    {"job.schedule": "priority", "job.next_forward": "after_all", "job.streams": 3},
    {"job.next_forward": "by_layer", "job.overlap": False},
    {"job.sharding": "zero2", "job.accumulate": 2},
    {"job.sharding": "zero3", "job.accumulate": 2, "job.prefetch": 3},
    {"job.sharding": "zero3", "job.overlap": False, "job.prefetch": 0},
    {"job.local_steps": 2, "job.schedule": "priority"},
    {"job.compression": {"ratio": 0.02, "sparse": True, "encode": "device", "decode": "device"}},
    {"job.accumulate": 3, "job.compression": {"ratio": 0.5, "encode": "5 GB/s", "decode": "5 GB/s"}},
]


def run(*changes: dict[str, Any], **options: Any) -> Trace:
    table: dict[str, Any] = {}
    for each in changes:
        table |= each
    return simulate(from_table(BASE, table), **options)


def seconds(*changes: dict[str, Any]) -> float:
    return float(run(*changes, detail="summary").summary()["iteration_time_s"])


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("noise", [{}, {"noise.jitter": 0.2, "noise.layer_jitter": 0.2}], ids=["calm", "noisy"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_any_schedule_keeps_its_books(schedule: dict[str, Any], noise: dict[str, Any], workers: int) -> None:
    trace = run(schedule, noise, {"cluster.workers": workers, "iterations": 2})
    summary = trace.summary()
    assert summary["iteration_time_s"] >= summary["lower_bound_iteration_time_s"] * (1 - 1e-12)
    assert summary["wire_bytes_per_iteration"] == pytest.approx(summary["formula_wire_bytes_per_iteration"], rel=1e-9)
    for step in trace.steps:
        parts = step.compute + step.straggler_wait + step.exposed_communication
        assert parts == pytest.approx(step.end - step.start, rel=1e-9)
        assert min(step.straggler_wait, step.exposed_communication) >= -1e-12
    busy = {host: 0.0 for host in range(workers)}
    for span in sorted(trace.spans, key=lambda span: (span.start, span.end)):
        assert span.start >= busy[span.host] - 1e-9, "a worker does one thing at a time"
        busy[span.host] = span.end
    for use in trace.links:
        assert use.nbytes <= use.rate * use.busy * (1 + 1e-9)
    assert simulate(trace.scenario, detail="summary").summary() == summary


@pytest.mark.parametrize("schedule", [each for each in SCHEDULES if "job.overlap" not in each], ids=str)
def test_overlap_is_never_slower(schedule: dict[str, Any]) -> None:
    assert seconds(schedule) <= seconds(schedule, {"job.overlap": False}) * (1 + 1e-9)


@settings(deadline=None, max_examples=20)
@given(
    rate=st.sampled_from(["1 Gbit/s", "4 Gbit/s", "10 Gbit/s", "40 Gbit/s"]),
    partition=st.sampled_from(["200 kB", "400 kB", "2 MB"]),
    model=st.sampled_from(["squeezenet", "mobilenet_v1"]),
    overlap=st.booleans(),
)
def test_priorities_never_lose_to_fifo_on_one_stream(rate: str, partition: str, model: str, overlap: bool) -> None:
    changes = {"cluster.link.rate": rate, "job.partition": partition, "job.model": model, "job.overlap": overlap}
    layered = {"job.bucket": "layer", "iterations": 2, "cluster.workers": 3, **changes}
    priority = seconds(layered, {"job.schedule": "priority"})
    assert priority <= seconds(layered, {"job.next_forward": "by_layer"}) * (1 + 1e-9)
    assert priority <= seconds(layered) * (1 + 1e-9)


OVER_SERVERS: dict[str, Any] = {"job.strategy": {"kind": "parameter_server"}, "job.bucket": "layer", "iterations": 2}


@pytest.mark.parametrize("keys", ["split", "whole", "by_size"])
@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("rate", ["1 Gbit/s", "10 Gbit/s"])
@pytest.mark.parametrize("partition", ["300 kB", "2 MB"])
def test_priorities_over_servers_never_lose_to_fifo(keys: str, servers: int, rate: str, partition: str) -> None:
    strategy = {"kind": "parameter_server", "servers": servers, "keys": keys}
    changes = {**OVER_SERVERS, "job.strategy": strategy, "cluster.link.rate": rate, "job.partition": partition}
    priority = seconds(changes, {"job.schedule": "priority"})
    assert priority <= seconds(changes, {"job.next_forward": "by_layer"}) * (1 + 1e-9)
    assert priority <= seconds(changes) * (1 + 1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cluster.sharing": "fifo", "job.partition": "300 kB"},
        {"job.strategy": {"kind": "parameter_server", "placement": "colocated"}, "job.partition": "300 kB"},
        {"job.strategy": {"kind": "parameter_server", "servers": 2, "pull": "after_push"}},
        {"job.next_forward": "after_all", "cluster.server_rate": "1 GB/s", "cluster.server_device": "v100"},
        {"noise.jitter": 0.3, "job.accumulate": 2, "cluster.sharing": "fifo"},
    ],
    ids=str,
)
def test_priorities_move_the_same_bytes_and_keep_the_books(changes: dict[str, Any]) -> None:
    table = {**OVER_SERVERS, "job.schedule": "priority", **changes}
    trace = simulate(from_table(BASE, table))
    summary = trace.summary()
    assert summary["wire_bytes_per_iteration"] == pytest.approx(summary["formula_wire_bytes_per_iteration"], rel=1e-9)
    assert summary["iteration_time_s"] >= summary["lower_bound_iteration_time_s"] * (1 - 1e-12)
    for step in trace.steps:
        parts = step.compute + step.straggler_wait + step.exposed_communication
        assert parts == pytest.approx(step.end - step.start, rel=1e-9)
    for use in trace.links:
        assert use.nbytes <= use.rate * use.busy * (1 + 1e-9)
    assert simulate(trace.scenario, detail="summary").summary() == summary


@pytest.mark.parametrize("mode", [{"mode": "async"}, {"mode": "ssp"}, {"backup": 1}], ids=str)
def test_priorities_are_for_workers_that_go_in_step(mode: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_table(BASE, {"job.strategy": {"kind": "parameter_server", **mode}, "job.schedule": "priority"})
    assert "job.schedule: 'priority' is for workers that go in step" in str(caught.value)


@pytest.mark.parametrize(
    "same",
    [
        {"job.compression": {"ratio": 1.0}},
        {"job.accumulate": 1},
        {"job.local_steps": 1},
        {"job.shares": "proportional"},
        {"job.shares": [2, 2, 2, 2]},
        {"job.partition": "1 GB"},
        {"job.bucket": {"kind": "ddp", "first": "1 MB", "cap": "1 MB"}},
    ],
    ids=str,
)
def test_options_that_change_nothing_change_nothing(same: dict[str, Any]) -> None:
    assert run().summary().items() <= run(same).summary().items()


@pytest.mark.parametrize("strategy", SHARDABLE)
@pytest.mark.parametrize(("stage", "times"), [("zero1", 1.0), ("zero2", 1.0), ("zero3", 1.5)])
def test_shards_move_the_bytes_of_the_all_reduce(strategy: str, stage: str, times: float) -> None:
    plain, sharded = (
        run({"job.strategy": strategy, **more}, detail="summary").summary()["wire_bytes_per_iteration"]
        for more in ({}, {"job.sharding": stage})
    )
    assert sharded == pytest.approx(times * plain, rel=1e-12)


@pytest.mark.parametrize("strategy", SHARDABLE)
def test_one_bucket_in_shards_is_compute_scatter_and_gather(strategy: str) -> None:
    changes = {"job.strategy": strategy, "job.overlap": False, "job.bucket": "all", "job.sharding": "zero1"}
    summary = run(changes).summary()
    each = [
        collective(
            FAMILIES["collectives"].build({"kind": strategy, "operation": operation}),
            ranks=4, size=summary["gradient_bytes"], rate=1.25e9, latency=25e-6,
        ).time_s
        for operation in ("reduce_scatter", "all_gather")
    ]  # fmt: skip
    assert summary["iteration_time_s"] == pytest.approx(summary["compute_time_s"] + sum(each), rel=1e-9)


def test_a_search_chooses_the_best_of_what_it_tried() -> None:
    summary = run({"job.bucket": "search"}, detail="summary").summary()
    again = seconds({"job.bucket": summary["bucket_chosen"]})
    assert summary["iteration_time_s"] == again
    assert "layer: " in summary["buckets_tried"] and "; all: " in summary["buckets_tried"]
    assert again <= min(seconds({"job.bucket": size}) for size in ("layer", "512 KiB", "1 MiB", "2 MiB", "all"))


def test_a_search_tries_what_lies_half_way_to_the_best_sizes_neighbours() -> None:
    """On a scale of ratios: of 4 and 8 MiB, 5793 KiB; beside the smallest and "all", on one side alone; of equal ones
    the first stays. All are tried in whole rounds of local steps."""
    scenario = from_table(BASE, {"job.model": "resnet50", "job.local_steps": 2})
    total = sum(scenario.job.gradient_sizes(4))
    for best, refined in (
        (4 * MIB, {2896 * 1024, 5793 * 1024}),
        (0.5 * MIB, {724 * 1024}),
        ("layer", set()),
        ("all", {round((64 * MIB * total) ** 0.5 / 1024) * 1024}),
    ):
        steps = set[int]()

        def seconds(tried: Scenario, best: float | str = best, steps: set[int] = steps) -> float:
            steps.add(tried.iterations)
            return 1.0 if tried.job.bucket == best else 2.0

        found, tried = best_bucket(scenario, Search(steps=3, refine=2), seconds)
        first = {"layer", *(0.5 * MIB * 2**power for power in range(8)), "all"}
        again = {size for size in set(tried) - first if size not in refined}
        assert (found, steps) == (best, {4})
        assert refined <= set(tried) and len(again) == len(refined), (best, sorted(again))
        assert in_words(tried).startswith("layer: ") and in_words(tried).rpartition("; ")[2].startswith("all: ")


def test_a_longer_cycle_of_horovod_makes_fewer_collectives() -> None:
    quick, slow = (
        run({"job.bucket": {"kind": "horovod", "cycle": cycle}}).summary()["buckets"] for cycle in ("1 ms", "20 ms")
    )
    assert slow < quick


def test_gathering_ahead_hides_communication() -> None:
    times = [seconds({"job.sharding": "zero3", "job.prefetch": ahead}) for ahead in (0, 1, 2)]
    assert times[0] > times[1] >= times[2] * (1 - 1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job.bucket": "horovd"}, "job.bucket: 'horovd' is not a number with a unit"),
        ({"job.bucket": {"kind": "horovod", "cycle": "0 s"}}, "job.bucket.cycle: '0 s' is too small"),
        ({"job.bucket": "horovod", "job.partition": "1 MB"}, "job.partition: cuts buckets into slices, and Horovod"),
        ({"job.bucket": "horovod", "job.strategy": "parameter_server"}, "job.bucket: Horovod all-reduces"),
        ({"job.schedule": "urgent"}, "job.schedule: 'urgent' will not do; it must be 'fifo' or 'priority'"),
        ({"job.sharding": "zero4"}, "job.sharding: 'zero4' will not do"),
        ({"job.sharding": "zero1", "job.strategy": "tree"}, "job.sharding: zero1 scatters and gathers, which is not"),
        ({"job.sharding": "zero3", "job.streams": 2}, "job.streams: 2 does not go with zero3; leave it out"),
        ({"job.sharding": "zero2", "job.compression": {"ratio": 0.5}}, "job.compression: stands beside zero2"),
        ({"job.compression": {"ratio": 0}}, "job.compression.ratio: 0 is not a ratio; it must be more than 0"),
        ({"job.compression": {"ratio": 0.1, "encode": "devise"}}, "job.compression.encode: 'devise' is not a number"),
        ({"job.compression": {"ratio": 0.1, "sparse": True}, "job.strategy": "tree"}, "sparse: needs an all_gather"),
        ({"job.local_steps": 3}, "iterations: 4 iterations are no whole number of rounds of 3 local steps; 6 would do"),
        ({"job.accumulate": 0}, "job.accumulate: 0 is not a number of micro-batches; it must be at least 1"),
        ({"job.partition": "0 B"}, "job.partition: '0 B' is too small"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_table(BASE, changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_step_computes_for_as_long_as_its_spans_last(schedule: dict[str, Any]) -> None:
    layers = [{"kind": "dense", "input_shape": [301], "units": 301, "name": name} for name in "abc"]
    trace = run({"job.model": {"layers": layers}, "job.bucket": "layer"}, schedule)
    computing = np.isin(trace.spans["phase"], ["forward", "backward", "encode", "update"])
    for worker in range(4):
        spans = trace.spans["end"] - trace.spans["start"]
        lasted = spans[computing & (trace.spans["host"] == worker)].sum()
        steps = trace.steps["compute"][trace.steps["worker"] == worker]
        assert lasted == pytest.approx(steps.sum(), rel=1e-9)
