"""Buckets, priorities, compression, local SGD and shards: whole histories on a tiny cluster, as literal lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsim.engine.run import simulate
from netsim.loading import load
from netsim.trace import Trace

TINY = Path(__file__).parents[2] / "docs/explanation/steps/tiny.toml"
HERE = {"iterations": 1, "cluster.device.memory_rate": "100 TB/s"}  # so that updates take a time that can be seen


def tiny(changes: dict[str, Any]) -> Trace:
    return simulate(load(TINY, {**HERE, **changes}), engine="simpy")


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
    changes = {"cluster.group": [{"count": 4}], "job.compression": {"ratio": 0.01, "sparse": True}}
    assert tiny(changes).summary()["wire_bytes_per_iteration"] == pytest.approx(4 * 3 * 0.01 * 6e6)


OVER_SERVERS: dict[str, Any] = {"job.strategy": {"kind": "parameter_server"}, "job.bucket": "layer", "iterations": 2}


def pulls(trace: Trace) -> list[tuple[str, float, float]]:
    """What worker 0 is sent in the first step: (bucket, sent, there), in milliseconds."""
    rows = [t for t in trace.transfers if t.dst == 0 and t.iteration == 0]
    return [(t.label, round(t.sent * 1e3, 6), round(t.end * 1e3, 6)) for t in rows]


def test_the_whole_history_of_priorities_over_a_server() -> None:
    """Two workers push slices of 1 MB into the server's 1 GB/s, 2 ms each. The second layer's first slice is on its way
    when the first layer's gradients are ready at 3.5 ms; these go next, and the second layer's other slice last. Each
    slice comes back as soon as both workers' are in, 1 ms + 2 ms after that."""
    trace = tiny({**OVER_SERVERS, "job.schedule": "priority", "job.partition": "1 MB"})
    assert history(trace, iteration=0) == [
        ("forward", "first", 0.0, 1.0),
        ("forward", "second", 1.0, 1.5),
        ("backward", "second", 1.5, 2.5),
        ("backward", "first", 2.5, 3.5),
        ("send", "second 1/2", 2.5, 5.5),
        ("send", "second 2/2", 2.5, 15.5),
        ("send", "first 1/4", 3.5, 7.5),
        ("send", "first 2/4", 3.5, 9.5),
        ("send", "first 3/4", 3.5, 11.5),
        ("send", "first 4/4", 3.5, 13.5),
        ("update", "first", 16.5, 16.5002),
        ("update", "second", 18.5, 18.5001),
    ]
    assert pulls(trace) == [
        ("second 1/2", 5.5, 8.5),
        ("first 1/4", 7.5, 10.5),
        ("first 2/4", 9.5, 12.5),
        ("first 3/4", 11.5, 14.5),
        ("first 4/4", 13.5, 16.5),
        ("second 2/2", 15.5, 18.5),
    ]
    forward = [row for row in history(trace, iteration=1) if row[0] == "forward"]
    assert forward == [("forward", "first", 16.5002, 17.5002), ("forward", "second", 18.5001, 19.0001)]


def test_a_host_hands_queues_in_the_network_its_most_urgent_slice() -> None:
    """Fifo links serve in order of arrival; so a slice waits at its host until the link is free."""
    trace = tiny({**OVER_SERVERS, "job.schedule": "priority", "job.partition": "1 MB", "cluster.sharing": "fifo"})
    sent = [row for row in history(trace, iteration=0) if row[0] == "send"]
    assert [name for _, name, _, _ in sorted(sent, key=lambda row: row[3])] == [
        "second 1/2", "first 1/4", "first 2/4", "first 3/4", "first 4/4", "second 2/2",
    ]  # fmt: skip


def test_a_busy_server_takes_the_most_urgent_slice_of_its_inbox() -> None:
    """Its software takes 2 ms a message of 0.5 MB, so that pushes pile up: when it is through with worker 0's first
    slice, worker 1's waits behind all of the first layer."""
    trace = tiny(
        {**OVER_SERVERS, "job.schedule": "priority", "job.partition": "500 kB", "cluster.server_rate": "250 MB/s"}
    )
    labels = [label for label, _, _ in pulls(trace)]
    assert labels == [f"first {number}/8" for number in range(1, 9)] + [f"second {number}/4" for number in range(1, 5)]


def test_slices_of_one_layer_go_in_their_order() -> None:
    """Of the same priority, the first to be ready goes first: with one layer, priorities change nothing."""
    one = {**OVER_SERVERS, "job.model": {"layers": [
        {"kind": "dense", "input_shape": [1000], "units": 1000, "bias": False, "name": "only"},
    ]}, "job.partition": "500 kB", "job.next_forward": "by_layer"}  # fmt: skip
    for sharing in ("fair", "fifo"):
        plain, urgent = (
            tiny({**one, "job.schedule": each, "cluster.sharing": sharing}) for each in ("fifo", "priority")
        )
        assert history(plain) == history(urgent)
        assert pulls(plain) == pulls(urgent)
