from __future__ import annotations

import json

import pytest

from netsim.chrome import events
from netsim.engine.run import simulate
from netsim.loading import from_table

TRACE = simulate(
    from_table(
        {
            "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
            "job": {"model": "mobilenet_v1", "batch": 1, "strategy": "parameter_server", "bucket": "all"},
        }
    )
)
EVENTS = events(TRACE)["traceEvents"]


def test_every_host_is_a_process_with_its_tracks() -> None:
    processes = {event["pid"]: event["args"]["name"] for event in EVENTS if event["name"] == "process_name"}
    assert processes == dict(enumerate(("worker0", "worker1", "server0")))
    tracks = {event["args"]["name"] for event in EVENTS if event["name"] == "thread_name"}
    assert tracks == {"compute", "send", "receive"}


def test_every_span_is_an_event_and_every_message_two_with_an_arrow() -> None:
    whole = [event for event in EVENTS if event["ph"] == "X"]
    assert len(whole) == len(TRACE.spans) + 2 * len(TRACE.transfers)
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in whole)
    starts, ends = ({event["id"] for event in EVENTS if event["ph"] == phase} for phase in "sf")
    assert starts == ends == set(range(len(TRACE.transfers)))


def test_an_arrow_begins_and_ends_within_the_bars_of_its_message() -> None:
    bars = {(event["pid"], event["tid"], event["ts"]): event["dur"] for event in EVENTS if event["ph"] == "X"}
    for number, sent in enumerate(TRACE.transfers):
        (begin,) = [event for event in EVENTS if event["ph"] == "s" and event["id"] == number]
        (end,) = [event for event in EVENTS if event["ph"] == "f" and event["id"] == number]
        assert (begin["pid"], end["pid"]) == (sent.src, sent.dst)
        assert (begin["pid"], begin["tid"], begin["ts"]) in bars
        assert end["ts"] == pytest.approx(begin["ts"] + bars[begin["pid"], begin["tid"], begin["ts"]])  # a sum


def test_a_trace_is_json_without_numbers_that_are_none() -> None:
    json.dumps(events(TRACE), allow_nan=False)


def test_times_are_microseconds() -> None:
    last = max(event["ts"] + event["dur"] for event in EVENTS if event["ph"] == "X")
    assert abs(last - max(step.end for step in TRACE.steps) * 1e6) < 1e-6
