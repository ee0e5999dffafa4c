from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from netsim.chrome import events
from netsim.engine.run import simulate
from netsim.loading import from_table
from netsim.scenario import Scenario

TRACE = simulate(
    from_table(
        {
            "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
            "job": {"model": "mobilenet_v1", "batch": 1, "strategy": "parameter_server", "bucket": "all"},
        }
    ),
    engine="simpy",
)
EVENTS = events(TRACE)["traceEvents"]


def test_every_host_is_a_process_with_its_tracks() -> None:
    processes = {event["pid"]: event["args"]["name"] for event in EVENTS if event["name"] == "process_name"}
    assert processes == dict(enumerate(("worker0", "worker1", "server0", "network")))
    tracks = {event["args"]["name"] for event in EVENTS if event["name"] == "thread_name" and event["pid"] < 3}
    assert tracks == {"compute", "send", "receive"}
    links = {event["args"]["name"] for event in EVENTS if event["name"] == "thread_name" and event["pid"] == 3}
    assert links == set(TRACE.links["link"])


def test_every_span_is_an_event_and_every_message_two_with_an_arrow() -> None:
    whole = [event for event in EVENTS if event["ph"] == "X" and event["cat"] != "link"]
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
    assert last == pytest.approx(max(step.end for step in TRACE.steps) * 1e6, abs=1e-3)  # to the nanosecond


def test_bars_of_one_thread_do_not_overlap_and_every_thread_has_a_name() -> None:
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in EVENTS:
        if event["ph"] == "X":
            threads.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for bars in threads.values():
        assert all(end <= begin + 1e-6 for (_, end), (begin, _) in pairwise(sorted(bars)))
    named = {(event["pid"], event["tid"]) for event in EVENTS if event["name"] == "thread_name"}
    assert named == set(threads)


def test_counters_begin_and_end_at_what_is_there() -> None:
    counters: dict[str, list[tuple[float, float]]] = {}
    for event in EVENTS:
        if event["ph"] == "C":
            counters.setdefault(event["name"], []).append((event["ts"], event["args"]["value"]))
    assert set(counters) == {f"{link} (%)" for link in TRACE.links["link"]} | {"bytes in flight"}
    for name, points in counters.items():
        assert points == sorted(points) and points[-1][1] == pytest.approx(0, abs=1e-6)
        most = max(value for _, value in points)
        assert 0 < most <= (100 * (1 + 1e-9) if "%" in name else 4 * TRACE.transfers["nbytes"].max())


def test_events_have_what_the_format_asks_for() -> None:
    needed = {"X": {"dur", "ts"}, "M": {"args"}, "s": {"id", "ts"}, "f": {"id", "ts", "bp"}, "C": {"args", "ts"}}
    for event in EVENTS:
        assert {"name", "ph", "pid", "tid"} | needed[event["ph"]] <= set(event)
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int)


def test_a_trace_of_the_fast_engine_has_links_where_it_follows_causes() -> None:
    job = {"model": "alexnet", "batch": 1, "bucket": "all"}
    table: dict[str, Any] = {"cluster": {"workers": 3, "device": "v100", "link": "10gbe"}, "job": job}
    ring, tree = (from_table(table, {"job.strategy": kind}) for kind in ("ring", "tree"))
    assert shape_of(ring, "fast") == shape_of(ring, "simpy")
    assert {pid for pid, _, _ in shape_of(tree, "fast")} == {0, 1, 2}, "hosts alone, where messages contend"


def shape_of(scenario: Scenario, engine: str) -> Counter[tuple[int, str, str]]:
    trace = simulate(scenario, engine=engine)
    assert trace.engine == engine
    return Counter((event["pid"], event["ph"], event["name"]) for event in events(trace)["traceEvents"])


def test_the_trace_processor_of_perfetto_reads_it(tmp_path: Path) -> None:
    """Where its package is installed, with the binary that it fetches once."""
    processor = pytest.importorskip("perfetto.trace_processor")
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(events(TRACE)), encoding="utf-8")
    try:
        opened = processor.TraceProcessor(trace=str(file))
    except Exception as error:  # whatever it makes of a missing network
        pytest.skip(f"the trace processor does not start: {error}")
    with opened:
        counted = next(iter(opened.query("select count(*) as n from slice"))).n
        lost = next(iter(opened.query("select sum(value) as n from stats where severity = 'error' and value > 0"))).n
    assert counted == sum(event["ph"] == "X" for event in EVENTS) and not lost
