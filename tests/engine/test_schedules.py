"""Buckets, priorities, compression, local SGD and shards: whole histories on a tiny cluster, and identities."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.engine.run import collective, simulate
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.loading import from_table
from netsim.trace import Trace

# Two dense layers on a device that computes 1 flop in 1 ps and has all the memory rate there can be. Forward takes 1
# and 0.5 ms, backward 1 ms each; gradients have 4 and 2 MB; a ring of two all-reduces S in 2 (1 ms + S / (2 GB/s)).
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


def tiny(changes: dict[str, Any]) -> Trace:
    return simulate(from_table(TINY, changes), engine="simpy")


def history(trace: Trace, iteration: int | None = None) -> list[tuple[str, str, float, float]]:
    """(did what, with what, from, to) of worker 0, whose twin does the same, in order of time, in milliseconds."""
    wanted = {iteration} if iteration is not None else set(range(trace.facts["iterations"]))
    did = [(s.phase, s.name, s.start, s.end) for s in trace.spans if s.iteration in wanted and s.host == 0]
    sent = [("send", t.label, t.sent, t.end) for t in trace.transfers if t.iteration in wanted and t.src == 0]
    rows = [(*what, round(begin * 1e3, 6), round(end * 1e3, 6)) for *what, begin, end in [*did, *sent]]
    return sorted(rows, key=lambda row: (row[2], row))  # type: ignore[return-value]


def test_the_whole_history_of_horovods_fusion() -> None:
    """Gradients are there at 2.5 and 3.5 ms; the cycle of 4 ms takes both, 6 MB: twice 1 ms + 3 MB / (1 GB/s)."""
    assert history(tiny({"job.bucket": {"kind": "horovod", "cycle": "4 ms"}})) == [
        ("forward", "first", 0.0, 1.0),
        ("forward", "second", 1.0, 1.5),
        ("backward", "second", 1.5, 2.5),
        ("backward", "first", 2.5, 3.5),
        ("send", "second..first", 4.0, 8.0),
        ("send", "second..first", 8.0, 12.0),
        ("update", "optimiser", 12.0, 12.0003),
    ]


def test_horovods_cycle_takes_what_is_there_at_its_end() -> None:
    """A cycle of 2.5 ms ends just as the second layer's gradients are there; the first one's wait for the next."""
    trace = tiny({"job.bucket": {"kind": "horovod", "cycle": "2.5 ms"}})
    sent = [row for row in history(trace) if row[0] == "send"]
    assert sent == [
        ("send", "second", 2.5, 4.5),
        ("send", "second", 4.5, 6.5),
        ("send", "first", 6.5, 9.5),
        ("send", "first", 9.5, 12.5),
    ]
    assert trace.summary()["buckets"] == 2


def test_horovods_buffer_is_not_overfilled() -> None:
    trace = tiny({"job.bucket": {"kind": "horovod", "cycle": "4 ms", "threshold": "5 MB"}})
    assert [row[1] for row in history(trace) if row[0] == "send"] == ["second"] * 2 + ["first"] * 2


def test_the_whole_history_of_priorities_and_a_forward_pass_layer_by_layer() -> None:
    """Slices of 2 MB take 4 ms. The second layer's is under way when the first one's two are ready at 3.5 ms; these go
    next. The second step's first layer goes forward at 14.5 ms, in step with the others; nothing is in the way of it.
    With slices of 1 MB, 3 ms each, the second layer's second slice waits until the first layer's four have passed, and
    comes in while the first layer goes forward again."""
    rows = history(tiny({"job.schedule": "priority", "job.partition": "1 MB", "iterations": 2}))
    assert [row for row in rows if row[0] != "send"] == [
        ("forward", "first", 0.0, 1.0),
        ("forward", "second", 1.0, 1.5),
        ("backward", "second", 1.5, 2.5),
        ("backward", "first", 2.5, 3.5),
        ("update", "first", 17.5, 17.5002),
        ("forward", "first", 17.5002, 18.5002),
        ("update", "second", 20.5, 20.5001),
        ("forward", "second", 20.5001, 21.0001),
        ("backward", "second", 21.0001, 22.0001),
        ("backward", "first", 22.0001, 23.0001),
        ("update", "first", 37.0001, 37.0003),
        ("update", "second", 40.0001, 40.0002),
    ]
    firsts = [row for row in rows if row[0] == "send" and row[2] < 20][::2]
    assert [(row[1], row[2]) for row in firsts] == [
        ("second 1/2", 2.5),
        ("first 1/4", 5.5),
        ("first 2/4", 8.5),
        ("first 3/4", 11.5),
        ("first 4/4", 14.5),
        ("second 2/2", 17.5),
    ]


def test_the_whole_history_of_a_step_with_a_sharded_optimiser() -> None:
    """Each scatter and each gather is one message of half a bucket: 2 ms of 2 MB, 3 ms of 4 MB."""
    assert history(tiny({"job.sharding": "zero1"})) == [
        ("forward", "first", 0.0, 1.0),
        ("forward", "second", 1.0, 1.5),
        ("backward", "second", 1.5, 2.5),
        ("backward", "first", 2.5, 3.5),
        ("send", "scatter second", 2.5, 4.5),
        ("send", "scatter first", 4.5, 7.5),
        ("update", "optimiser", 7.5, 7.50015),
        ("send", "gather first", 7.50015, 10.50015),
        ("send", "gather second", 10.50015, 12.50015),
    ]


def test_the_whole_history_of_a_step_with_sharded_parameters() -> None:
    """One bucket is gathered ahead of the one in use, forward and again backward; gradients are scattered behind."""
    assert history(tiny({"job.sharding": "zero3"})) == [
        ("send", "gather first", 0.0, 3.0),
        ("forward", "first", 3.0, 4.0),
        ("send", "gather second", 3.0, 5.0),
        ("forward", "second", 5.0, 5.5),
        ("send", "gather second", 5.0, 7.0),
        ("backward", "second", 7.0, 8.0),
        ("send", "gather first", 7.0, 10.0),
        ("backward", "first", 10.0, 11.0),
        ("send", "scatter second", 10.0, 12.0),
        ("send", "scatter first", 12.0, 15.0),
        ("update", "optimiser", 15.0, 15.00015),
    ]


def test_the_whole_history_of_local_sgd() -> None:
    assert history(tiny({"job.local_steps": 2, "iterations": 2, "job.bucket": "all"})) == [
        ("forward", "first", 0.0, 1.0),
        ("forward", "second", 1.0, 1.5),
        ("backward", "second", 1.5, 2.5),
        ("backward", "first", 2.5, 3.5),
        ("update", "optimiser", 3.5, 3.5003),
        ("forward", "first", 3.5003, 4.5003),
        ("forward", "second", 4.5003, 5.0003),
        ("backward", "second", 5.0003, 6.0003),
        ("backward", "first", 6.0003, 7.0003),
        ("send", "second..first", 7.0003, 11.0003),
        ("send", "second..first", 11.0003, 15.0003),
        ("update", "optimiser", 15.0003, 15.0006),
    ]


def test_the_whole_history_of_accumulation_and_encoded_gradients() -> None:
    """Two micro-batches; 6 MB are encoded at 6 GB/s, a tenth of them sent, and 0.6 MB decoded at 0.6 GB/s."""
    coded = {"ratio": 0.1, "encode": "6 GB/s", "decode": "0.6 GB/s"}
    trace = tiny({"job.accumulate": 2, "job.compression": coded, "job.bucket": "all"})
    assert history(trace) == [
        ("forward", "first", 0.0, 1.0),
        ("forward", "second", 1.0, 1.5),
        ("backward", "second", 1.5, 2.5),
        ("backward", "first", 2.5, 3.5),
        ("forward", "first", 3.5, 4.5),
        ("forward", "second", 4.5, 5.0),
        ("backward", "second", 5.0, 6.0),
        ("backward", "first", 6.0, 7.0),
        ("encode", "second..first", 7.0, 8.0),
        ("send", "second..first", 8.0, 9.3),
        ("send", "second..first", 9.3, 10.6),
        ("update", "optimiser", 11.6, 11.6003),
    ]
    assert trace.summary()["samples_per_s"] == pytest.approx(2 * 2 * 500 / 11.6003e-3)


def test_sparse_gradients_of_all_are_gathered() -> None:
    """Each of four workers gets three times a hundredth of the gradients."""
    changes = {"cluster.workers": 4, "job.compression": {"ratio": 0.01, "sparse": True}}
    assert tiny(changes).summary()["wire_bytes_per_iteration"] == pytest.approx(4 * 3 * 0.01 * 6e6)


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


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("noise", [{}, {"noise.jitter": 0.2, "noise.layer_jitter": 0.2}], ids=["calm", "noisy"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_any_schedule_keeps_its_books(schedule: dict[str, Any], noise: dict[str, Any], workers: int) -> None:
    trace = run(schedule, noise, {"cluster.workers": workers})
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


@settings(deadline=None, max_examples=30)
@given(
    rate=st.sampled_from(["1 Gbit/s", "4 Gbit/s", "10 Gbit/s", "40 Gbit/s"]),
    partition=st.sampled_from(["100 kB", "400 kB", "2 MB"]),
    model=st.sampled_from(["squeezenet", "mobilenet_v1"]),
    overlap=st.booleans(),
)
def test_priorities_never_lose_to_fifo_on_one_stream(rate: str, partition: str, model: str, overlap: bool) -> None:
    changes = {"cluster.link.rate": rate, "job.partition": partition, "job.model": model, "job.overlap": overlap}
    layered = {"job.bucket": "layer", "iterations": 2, **changes}
    priority = seconds(layered, {"job.schedule": "priority"})
    assert priority <= seconds(layered, {"job.next_forward": "by_layer"}) * (1 + 1e-9)
    assert priority <= seconds(layered) * (1 + 1e-9)


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
