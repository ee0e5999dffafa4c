"""A trace as the JSON that chrome://tracing and ui.perfetto.dev open."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from netsim.trace import Trace

# Format: "Trace Event Format" (Google, 2016): complete events "X" and counters "C" with times in microseconds, flows
# "s" and "f", names of processes and threads as metadata "M". Events of one thread must not overlap.
_MOST_POINTS = 2_000  # of a counter's curve
_NETWORK = "network"

Event = dict[str, Any]


class Bar(NamedTuple):
    """Something that lasts, on a track of a process."""

    process: str
    track: str
    name: str
    category: str
    start: float  # s
    end: float  # s
    about: dict[str, Any]


def events(trace: Trace) -> dict[str, Any]:
    """Hosts and the network as processes. A host has tracks for what it computes, adds, sends and receives; the network
    has one for each link that carried something, and counters of its use. Where bars of a track overlap, it has
    several lanes. Arrows lead from sending to receiving.

    Links and counters need the routes of messages, which are known where causes are: in the reference
    engine, and in the fast one's rounds.
    """
    spans, sent, received = _spans(trace), *_transfers(trace)
    bars = [*spans, *sent, *received, *_links(trace)]
    processes = {name: pid for pid, name in enumerate([*trace.hosts, *([_NETWORK] if trace.routes else [])])}
    threads = _threads(bars)
    found = [*_names(processes, bars, threads)]
    found += [_complete(bar, processes[bar.process], tid) for bar, tid in zip(bars, threads, strict=True)]
    for number, message in enumerate(sent):
        at = len(spans) + number
        flow = {"name": "message", "cat": "transfer", "id": number}
        source, target = processes[message.process], processes[received[number].process]
        found.append({**flow, "ph": "s", "pid": source, "tid": threads[at], "ts": _us(message.start)})
        to = threads[at + len(sent)]
        found.append({**flow, "ph": "f", "bp": "e", "pid": target, "tid": to, "ts": _us(message.end)})
    return {"traceEvents": [*found, *_counters(trace, len(trace.hosts))], "displayTimeUnit": "ms"}


def _spans(trace: Trace) -> list[Bar]:
    tracks = {"reduce": "add"}
    return [
        Bar(
            trace.hosts[span.host], tracks.get(span.phase, "compute"), span.name, span.phase, span.start, span.end,
            {"phase": span.phase, "iteration": span.iteration},
        )
        for span in trace.spans
    ]  # fmt: skip


def _transfers(trace: Trace) -> tuple[list[Bar], list[Bar]]:
    """Each message where it is sent, and where it is received."""
    sent, received = [], []
    for each in trace.transfers:
        by, to = trace.hosts[each.src], trace.hosts[each.dst]
        about = {"bytes": each.nbytes, "iteration": each.iteration, "sent_us": each.sent * 1e6}
        sent.append(Bar(by, "send", f"{each.label} to {to}", "transfer", each.start, each.end, about))
        received.append(Bar(to, "receive", f"{each.label} from {by}", "transfer", each.start, each.end, about))
    return sent, received


def _links(trace: Trace) -> Iterator[Bar]:
    rows = trace.activities.columns
    for at in np.flatnonzero(rows["kind"] == "message").tolist():
        name = f"{rows['name'][at]}: {trace.hosts[rows['host'][at]]} to {trace.hosts[rows['to'][at]]}"
        about = {"bytes": float(rows["nbytes"][at]), "iteration": int(rows["iteration"][at])}
        for link in trace.routes[rows["route"][at]]:
            yield Bar(_NETWORK, link, name, "link", float(rows["begin"][at]), float(rows["end"][at]), about)


def _threads(bars: Sequence[Bar]) -> list[int]:
    """The thread of each bar: tracks of a process get numbers as they come, and further lanes where bars overlap."""
    threads = [0] * len(bars)
    numbers: dict[tuple[str, str, int], int] = {}
    free: dict[tuple[str, str], list[int]] = {}
    busy: dict[tuple[str, str], list[tuple[float, int]]] = {}
    lanes: dict[int, int] = {}
    for at in sorted(range(len(bars)), key=lambda at: (bars[at].start, at)):
        track = bars[at].process, bars[at].track
        ended, waiting = busy.setdefault(track, []), free.setdefault(track, [])
        while ended and _us(ended[0][0]) <= _us(bars[at].start):
            heapq.heappush(waiting, heapq.heappop(ended)[1])
        lanes[at] = heapq.heappop(waiting) if waiting else len(ended)
        heapq.heappush(ended, (bars[at].end, lanes[at]))
    count: dict[str, int] = {}
    for at, bar in enumerate(bars):
        key = bar.process, bar.track, lanes[at]
        if key not in numbers:
            numbers[key] = count.get(bar.process, 0)
            count[bar.process] = numbers[key] + 1
        threads[at] = numbers[key]
    return threads


def _names(processes: dict[str, int], bars: Sequence[Bar], threads: Sequence[int]) -> Iterator[Event]:
    for name, pid in processes.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    tracks = {(processes[bar.process], tid): bar.track for bar, tid in zip(bars, threads, strict=True)}
    for (pid, tid), track in tracks.items():
        yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": track}}


def _counters(trace: Trace, pid: int) -> Iterator[Event]:
    """How much of each link's rate is used, and all bytes in flight."""
    rows, rates = trace.activities.columns, dict(zip(trace.links["link"], trace.links["rate"], strict=True))
    messages = np.flatnonzero(rows["kind"] == "message")
    begin, end, nbytes, route = (rows[name][messages] for name in ("begin", "end", "nbytes", "route"))
    pace = nbytes / np.maximum(end - begin, 1e-300)
    for link in dict.fromkeys(link for links in trace.routes for link in links):
        on = np.isin(route, [number for number, links in enumerate(trace.routes) if link in links])
        if link in rates:
            yield from _counter(f"{link} (%)", pid, begin[on], end[on], 100 * pace[on] / rates[link])
    yield from _counter("bytes in flight", pid, rows["start"][messages], end, nbytes)


def _counter(name: str, pid: int, begin: Any, end: Any, amounts: Any) -> Iterator[Event]:
    """A curve that rises by each amount when it begins and falls when it ends; thinned where it has too many steps."""
    times, places = np.unique(np.concatenate([begin, end]), return_inverse=True)
    if not len(times):
        return
    steps = np.bincount(places, weights=np.concatenate([amounts, -amounts]), minlength=len(times))
    levels = np.maximum(0.0, np.cumsum(steps))
    kept = np.unique(np.linspace(0, len(times) - 1, min(len(times), _MOST_POINTS)).astype(int))
    for time, level in zip(times[kept].tolist(), levels[kept].tolist(), strict=True):
        yield {"ph": "C", "name": name, "pid": pid, "tid": 0, "ts": _us(time), "args": {"value": round(level, 6)}}


def _us(seconds: float) -> float:
    """Microseconds, to the nanosecond, so that what follows at once does not overlap by a hair."""
    return round(seconds * 1e9) / 1e3


def _complete(bar: Bar, pid: int, tid: int) -> Event:
    lasts = (round(bar.end * 1e9) - round(bar.start * 1e9)) / 1e3
    times = {"ts": _us(bar.start), "dur": lasts}
    return {"ph": "X", "name": bar.name, "cat": bar.category, "pid": pid, "tid": tid, **times, "args": bar.about}
