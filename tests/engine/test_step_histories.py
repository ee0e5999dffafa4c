"""A step of every schedule on two workers and two layers, as a literal list; training-steps.md of the docs draws it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from netsim.engine.run import simulate
from netsim.loading import load
from netsim.trace import Trace

EXPLAINED = Path(__file__).parents[2] / "docs" / "explanation"
DRAWN: dict[str, Any] = runpy.run_path(str(EXPLAINED / "draw.py"))
SEEN = {"cluster.device.memory_rate": "100 TB/s"}  # so that updates take a time that can be seen
OVER_SERVERS: dict[str, Any] = {"job.strategy": {"kind": "parameter_server"}, "job.bucket": "layer"}

# What worker 0 does and sends: (from, to, what), in milliseconds. Forward takes 1 and 0.5 ms, backward 1 ms each; an
# all-reduce of 4 MB is two messages of 1 + 2 ms, one of 2 MB two of 1 + 1 ms. The first step; where steps meet, both.
STEPS: dict[str, list[tuple[float, float, str]]] = {
    "overlap": [  # Each bucket sets out when its layer's backward pass is over, the second behind the first.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.5, "send second"),
        (4.5, 6.5, "send second"),
        (6.5, 9.5, "send first"),
        (9.5, 12.5, "send first"),
    ],
    "no_overlap": [  # Both wait for the end of the backward pass.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 5.5, "send second"),
        (5.5, 7.5, "send second"),
        (7.5, 10.5, "send first"),
        (10.5, 13.5, "send first"),
    ],
    "one_bucket": [  # One all-reduce of 6 MB, 2 (1 ms + 3 ms), after the backward pass.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 7.5, "send second..first"),
        (7.5, 11.5, "send second..first"),
    ],
    "horovod": [  # The fusion buffer sets out at whole cycles of 2.2 ms: at 4.4 ms it has both gradients.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (4.4, 8.4, "send second..first"),
        (8.4, 12.4, "send second..first"),
    ],
    "streams": [  # Two all-reduces at once share the port.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.5, "send second"),
        (3.5, 7.5, "send first"),
        (4.5, 7.5, "send second"),
        (7.5, 10.5, "send first"),
    ],
    "priority": [  # Slices of 1 MB: the first layer's overtake `second 2/2`, which goes under the next forward pass.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.0, "send second 1/2"),
        (4.0, 5.5, "send second 1/2"),
        (5.5, 7.0, "send first 1/4"),
        (7.0, 8.5, "send first 1/4"),
        (8.5, 10.0, "send first 2/4"),
        (10.0, 11.5, "send first 2/4"),
        (11.5, 13.0, "send first 3/4"),
        (13.0, 14.5, "send first 3/4"),
        (14.5, 16.0, "send first 4/4"),
        (16.0, 17.5, "send first 4/4"),
        (17.5, 18.5, "forward first"),
        (17.5, 19.0, "send second 2/2"),
        (19.0, 20.5, "send second 2/2"),
        (20.5, 21.0, "forward second"),
        (21.0, 22.0, "backward second"),
        (22.0, 23.0, "backward first"),
        (22.0, 23.5, "send second 1/2"),
        (23.5, 25.0, "send second 1/2"),
        (25.0, 26.5, "send first 1/4"),
        (26.5, 28.0, "send first 1/4"),
        (28.0, 29.5, "send first 2/4"),
        (29.5, 31.0, "send first 2/4"),
        (31.0, 32.5, "send first 3/4"),
        (32.5, 34.0, "send first 3/4"),
        (34.0, 35.5, "send first 4/4"),
        (35.5, 37.0, "send first 4/4"),
        (37.0, 38.5, "send second 2/2"),
        (38.5, 40.0, "send second 2/2"),
    ],
    "compression": [  # A quarter of the bytes; encoded in the backward pass; decoding 1 MB takes the last 0.5 ms.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 2.75, "encode second"),
        (2.75, 3.75, "backward first"),
        (2.75, 4.0, "send second"),
        (3.75, 4.25, "encode first"),
        (4.0, 5.25, "send second"),
        (5.25, 6.75, "send first"),
        (6.75, 8.25, "send first"),
    ],
    "accumulate": [  # Two micro-batches; gradients go in the backward pass of the second.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 4.5, "forward first"),
        (4.5, 5.0, "forward second"),
        (5.0, 6.0, "backward second"),
        (6.0, 7.0, "backward first"),
        (6.0, 8.0, "send second"),
        (8.0, 10.0, "send second"),
        (10.0, 13.0, "send first"),
        (13.0, 16.0, "send first"),
    ],
    "local_steps": [  # No exchange in the first step; the second ends with it.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (3.5, 4.5, "forward first"),
        (4.5, 5.0, "forward second"),
        (5.0, 6.0, "backward second"),
        (6.0, 7.0, "backward first"),
        (6.0, 8.0, "send second"),
        (8.0, 10.0, "send second"),
        (10.0, 13.0, "send first"),
        (13.0, 16.0, "send first"),
    ],
    "zero1": [  # Gradients are scattered, then updated parameters gathered, the first layer's first.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 4.5, "send scatter second"),
        (4.5, 7.5, "send scatter first"),
        (7.5, 10.5, "send gather first"),
        (10.5, 12.5, "send gather second"),
    ],
    "zero3": [  # Parameters are gathered, one bucket ahead, for each pass; gradients scattered.
        (0.0, 3.0, "send gather first"),
        (3.0, 4.0, "forward first"),
        (3.0, 5.0, "send gather second"),
        (5.0, 5.5, "forward second"),
        (5.0, 7.0, "send gather second"),
        (7.0, 8.0, "backward second"),
        (7.0, 10.0, "send gather first"),
        (10.0, 11.0, "backward first"),
        (10.0, 12.0, "send scatter second"),
        (12.0, 15.0, "send scatter first"),
    ],
    "unequal": [  # The fast worker has its buckets first; both go when the slow one has them.
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (5.0, 7.0, "send second"),
        (7.0, 9.0, "send second"),
        (9.0, 12.0, "send first"),
        (12.0, 15.0, "send first"),
    ],
    "shares": [  # Of 1,000 samples the fast worker has 667: both take as long, but for a third of a sample.
        (0.0, 1.334, "forward first"),
        (1.334, 2.001, "forward second"),
        (2.001, 3.335, "backward second"),
        (3.335, 4.669, "backward first"),
        (3.335, 5.335, "send second"),
        (5.335, 7.335, "send second"),
        (7.335, 10.335, "send first"),
        (10.335, 13.335, "send first"),
    ],
}


# From the first update on, where it takes 0.2 us for the first layer and 0.1 us for the second.
UPDATES: dict[str, list[tuple[float, float, str]]] = {
    "overlap": [(12.5, 12.5003, "update optimiser")],
    "one_bucket": [(11.5, 11.5003, "update optimiser")],
    "priority": [  # Each layer goes forward as soon as it is updated, in step with the others.
        (17.5, 17.5002, "update first"),
        (17.5, 19.0, "send second 2/2"),
        (17.5002, 18.5002, "forward first"),
        (19.0, 20.5, "send second 2/2"),
        (20.5, 20.5001, "update second"),
        (20.5001, 21.0001, "forward second"),
        (21.0001, 22.0001, "backward second"),
    ],
    "compression": [(8.75, 8.7503, "update optimiser")],  # what was sent is decoded before
    "accumulate": [(16.0, 16.0003, "update optimiser")],  # once, not after each micro-batch
    "local_steps": [  # Each step's own.
        (3.5, 3.5003, "update optimiser"),
        (3.5003, 4.5003, "forward first"),
        (4.5003, 5.0003, "forward second"),
        (5.0003, 6.0003, "backward second"),
        (6.0003, 7.0003, "backward first"),
        (6.0003, 8.0003, "send second"),
        (8.0003, 10.0003, "send second"),
        (10.0003, 13.0003, "send first"),
        (13.0003, 16.0003, "send first"),
        (16.0003, 16.0006, "update optimiser"),
    ],
    "zero1": [  # Half the parameters on each worker, before they are gathered.
        (7.5, 7.50015, "update optimiser"),
        (7.50015, 10.50015, "send gather first"),
        (10.50015, 12.50015, "send gather second"),
    ],
    "zero3": [(15.0, 15.00015, "update optimiser")],
}


def run(changes: dict[str, Any], engine: str = "simpy") -> Trace:
    return simulate(load(EXPLAINED / "steps" / "tiny.toml", changes), engine=engine)


def history(trace: Trace, worker: int = 0, *, steps: int = 1) -> list[tuple[float, float, str]]:
    """(from, to, what) in order of time, in milliseconds."""
    did = [(s.start, s.end, f"{s.phase} {s.name}", s.iteration) for s in trace.spans if s.host == worker]
    sent = [(t.sent, t.end, f"send {t.label}", t.iteration) for t in trace.transfers if t.src == worker]
    kept = [each for each in [*did, *sent] if each[3] < steps]
    return sorted((round(start * 1e3, 5), round(end * 1e3, 5), what) for start, end, what, _ in kept)


def steps_of(name: str) -> int:
    return 2 if name in ("priority", "local_steps") else 1


@pytest.mark.parametrize("engine", ["auto", "simpy"])
@pytest.mark.parametrize("name", DRAWN["STEPS"])
def test_the_whole_history_of_a_step(name: str, engine: str) -> None:
    """Without the updates, which take no time here."""
    trace = run(DRAWN["STEPS"][name], engine)
    for worker in (0,) if name in ("unequal", "shares") else (0, 1):
        rows = history(trace, worker, steps=steps_of(name))
        assert [row for row in rows if not row[2].startswith("update")] == STEPS[name]


@pytest.mark.parametrize("name", UPDATES)
def test_the_history_from_the_first_update_on(name: str) -> None:
    rows = history(run({**DRAWN["STEPS"][name], **SEEN}), steps=steps_of(name))
    first = next(number for number, row in enumerate(rows) if row[2].startswith("update"))
    assert rows[first:][: len(UPDATES[name])] == UPDATES[name]


def sends(trace: Trace) -> list[tuple[float, float, str]]:
    return [(sent, there, what.removeprefix("send ")) for sent, there, what in history(trace) if "send" in what]


def test_horovods_cycle_takes_what_is_there_at_its_end() -> None:
    """A cycle of 2.5 ms ends just as the second layer's gradients are there; the first one's wait for the next."""
    trace = run({"job.bucket": {"kind": "horovod", "cycle": "2.5 ms"}, "iterations": 1})
    assert sends(trace) == [(2.5, 4.5, "second"), (4.5, 6.5, "second"), (6.5, 9.5, "first"), (9.5, 12.5, "first")]
    assert trace.summary()["buckets"] == 2


def test_horovods_buffer_is_not_overfilled() -> None:
    trace = run({"job.bucket": {"kind": "horovod", "cycle": "4 ms", "threshold": "5 MB"}})
    assert [what for _, _, what in sends(trace)] == ["second"] * 2 + ["first"] * 2


def test_samples_of_accumulation_and_encoded_gradients_are_counted() -> None:
    """Two micro-batches; 6 MB are encoded at 6 GB/s, a tenth of them sent, and 0.6 MB decoded at 0.6 GB/s."""
    coded = {"ratio": 0.1, "encode": "6 GB/s", "decode": "0.6 GB/s"}
    changes = {"job.accumulate": 2, "job.compression": coded, "job.bucket": "all", "iterations": 1, **SEEN}
    trace = run(changes)
    assert history(trace)[8:] == [
        (7.0, 8.0, "encode second..first"),
        (8.0, 9.3, "send second..first"),
        (9.3, 10.6, "send second..first"),
        (11.6, 11.6003, "update optimiser"),
    ]
    assert trace.summary()["samples_per_s"] == pytest.approx(2 * 2 * 500 / 11.6003e-3)


def test_sparse_gradients_of_all_are_gathered() -> None:
    """Each of four workers gets three times a hundredth of the gradients."""
    changes = {"cluster.group": [{"count": 4}], "job.compression": {"ratio": 0.01, "sparse": True}}
    assert run(changes).summary()["wire_bytes_per_iteration"] == pytest.approx(4 * 3 * 0.01 * 6e6)


def pulls(trace: Trace) -> list[tuple[float, float, str]]:
    """What worker 0 is sent in the first step, in milliseconds."""
    rows = [t for t in trace.transfers if t.dst == 0 and t.iteration == 0]
    return [(round(t.sent * 1e3, 5), round(t.end * 1e3, 5), t.label) for t in rows]


def test_the_whole_history_of_priorities_over_a_server() -> None:
    """Two workers push slices of 1 MB into the server's 1 GB/s, 2 ms each. The second layer's first slice is on its way
    when the first layer's gradients are ready at 3.5 ms; these go next, and the second layer's other slice last. Each
    slice comes back as soon as both workers' are in, 1 ms + 2 ms after that."""
    trace = run({**OVER_SERVERS, **SEEN, "job.schedule": "priority", "job.partition": "1 MB"})
    assert history(trace) == [
        (0.0, 1.0, "forward first"),
        (1.0, 1.5, "forward second"),
        (1.5, 2.5, "backward second"),
        (2.5, 3.5, "backward first"),
        (2.5, 5.5, "send second 1/2"),
        (2.5, 15.5, "send second 2/2"),
        (3.5, 7.5, "send first 1/4"),
        (3.5, 9.5, "send first 2/4"),
        (3.5, 11.5, "send first 3/4"),
        (3.5, 13.5, "send first 4/4"),
        (16.5, 16.5002, "update first"),
        (18.5, 18.5001, "update second"),
    ]
    assert pulls(trace) == [
        (5.5, 8.5, "second 1/2"),
        (7.5, 10.5, "first 1/4"),
        (9.5, 12.5, "first 2/4"),
        (11.5, 14.5, "first 3/4"),
        (13.5, 16.5, "first 4/4"),
        (15.5, 18.5, "second 2/2"),
    ]
    forward = [row for row in history(trace, steps=2) if row[0] > 4 and "forward" in row[2]]
    assert forward == [(16.5002, 17.5002, "forward first"), (18.5001, 19.0001, "forward second")]


def test_a_host_hands_queues_in_the_network_its_most_urgent_slice() -> None:
    """Fifo links serve in order of arrival; so a slice waits at its host until the link is free."""
    trace = run({**OVER_SERVERS, "job.schedule": "priority", "job.partition": "1 MB", "cluster.sharing": "fifo"})
    assert [what for _, _, what in sorted(sends(trace), key=lambda row: row[1])] == [
        "second 1/2", "first 1/4", "first 2/4", "first 3/4", "first 4/4", "second 2/2",
    ]  # fmt: skip


def test_a_busy_server_takes_the_most_urgent_slice_of_its_inbox() -> None:
    """Its software takes 2 ms a message of 0.5 MB, so that pushes pile up: when it is through with worker 0's first
    slice, worker 1's waits behind all of the first layer."""
    changes = {"job.schedule": "priority", "job.partition": "500 kB", "cluster.server_rate": "250 MB/s"}
    labels = [label for _, _, label in pulls(run({**OVER_SERVERS, **changes}))]
    assert labels == [f"first {number}/8" for number in range(1, 9)] + [f"second {number}/4" for number in range(1, 5)]


def test_slices_of_one_layer_go_in_their_order() -> None:
    """Of the same priority, the first to be ready goes first: with one layer, priorities change nothing."""
    layer = {"kind": "dense", "input_shape": [1000], "units": 1000, "bias": False, "name": "only"}
    sliced = {"job.model": {"layers": [layer]}, "job.partition": "500 kB", "job.next_forward": "by_layer"}
    for sharing in ("fair", "fifo"):
        shared = {**OVER_SERVERS, **sliced, "cluster.sharing": sharing}
        plain, urgent = (run({**shared, "job.schedule": each}) for each in ("fifo", "priority"))
        assert history(plain, steps=2) == history(urgent, steps=2)
        assert pulls(plain) == pulls(urgent)


def test_every_figure_of_a_step_is_on_its_page() -> None:
    """And none is left over."""
    for folder, page in (("steps", "training-steps.md"), ("servers", "parameter-servers.md")):
        text = (EXPLAINED / page).read_text(encoding="utf-8")
        drawn = {path.stem for path in (EXPLAINED / folder).glob("*.png")}
        assert drawn == set(DRAWN["SCENES"][folder]) == {name for name in drawn if f"({folder}/{name}.png)" in text}
