"""The critical path: from the end of a run back through what let each thing begin, and what it is made of.

The path goes from the last worker's end to the activity that it waited for last, from that one's beginning to the one
that it had waited for, and so on: steps that meet end to start, without a gap, from the run's first moment to its last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.trace import NO_CAUSE, Trace

# What a path is made of, as explain.md describes it. Anything else that hosts do is a part under its own name.
PARTS = (
    "compute",
    "straggler_wait",
    "latency",
    "transfer",
    "sharing",
    "queueing",
    "overhead",
    "reduction",
    "server_work",
    "other",
)
_OTHERS = "traffic that is not the job's"
COMPUTE = ("forward", "backward", "update")
ON_LINKS = ("transfer", "sharing", "queueing", "degraded")

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Piece:
    """So many seconds of the path of one kind: of a layer, over a link, behind a rival."""

    part: str
    seconds: float
    what: str = ""  # the layer, the link, the host, or the rival flow
    link: str = ""  # of a message's pieces: the link that they were spent on
    iteration: int = 0


@dataclass(frozen=True)
class Step:
    """One activity on the path. `weight`: how much a second of it counts in an iteration: one over their number."""

    kind: str
    host: str
    to: str
    name: str
    iteration: int
    start: float  # s
    end: float  # s
    pieces: tuple[Piece, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class CriticalPath:
    """The steps of a path in order of time; or, where workers do not wait for one another, of each worker's path.
    `length`: seconds of an iteration."""

    steps: tuple[Step, ...]
    length: float

    @cached_property
    def decomposition(self) -> dict[str, float]:
        """Part -> seconds an iteration; they sum to `length`."""
        return {**dict.fromkeys(PARTS, 0.0), **self.sums(lambda piece: piece.part)}

    def by(self, *parts: str) -> dict[str, float]:
        """What these parts are about -> seconds an iteration, the most first."""
        return self.sums(lambda piece: piece.what if piece.part in parts else None)

    @cached_property
    def by_link(self) -> dict[str, float]:
        """Link -> seconds an iteration of transfer, of sharing it and of queueing for it, the most first."""
        return self.sums(lambda piece: piece.link if piece.part in ON_LINKS else None)

    def sums(self, key: Any) -> dict[str, float]:
        """Seconds an iteration by a key of pieces, the most first; pieces whose key is None do not count."""
        found: dict[str, list[float]] = {}
        for step in self.steps:
            for piece in step.pieces:
                name = key(piece)
                if name is not None:
                    found.setdefault(name, []).append(piece.seconds * step.weight)
        sums = {name: float(np.sum(seconds)) for name, seconds in found.items()}
        return dict(sorted(sums.items(), key=lambda each: -float(f"{each[1]:.9g}")))  # equals stay in the path's order

    @cached_property
    def bottleneck(self) -> str:
        """What most of the path is spent on: "compute", "stragglers", "latency", another part, or "link NAME", the
        link of most seconds, where it is spent on links."""
        parts = {name: seconds for name, seconds in self.decomposition.items() if name not in ON_LINKS}
        parts["stragglers"] = parts.pop("straggler_wait")
        if self.by_link:
            parts[f"link {next(iter(self.by_link))}"] = math.fsum(self.by_link.values())
        return max(parts, key=lambda part: parts[part])


def critical_path(trace: Trace) -> CriticalPath:
    """The path of a run, or, if the trace has the records of its last iteration alone, of that iteration.

    Where servers answer each worker at once, every worker has a path of its own; each counts by its share of all
    updates. Where backup workers are left out, the path ends with the last worker that was not.
    Empty for a trace without activities: with `detail="summary"` none are kept, and the fast engine follows causes
    where no two messages meet on a link (engine/record/story.py).
    """
    rows = trace.activities.columns
    ends = np.flatnonzero(rows["kind"] == "end")
    if not len(ends):
        return CriticalPath((), 0.0)
    if len(ends) < len(trace.steps):
        begin, at = _begin_of_the_last(trace), int(ends[np.argmax(rows["end"][ends])])
        return CriticalPath(_walk(_Pieces(trace), at, begin, 1.0), float(rows["end"][at]) - begin)
    if trace.facts["at_once"]:
        return _of_each_worker(trace, ends)
    last = ends[rows["iteration"][ends] == rows["iteration"][ends].max()]
    at = int(last[np.argsort(rows["end"][last], kind="stable")[trace.facts["needed"] - 1]])
    iterations = trace.facts["iterations"]
    return CriticalPath(_walk(_Pieces(trace), at, 0.0, 1 / iterations), float(rows["end"][at]) / iterations)


def _of_each_worker(trace: Trace, ends: npt.NDArray[np.int64]) -> CriticalPath:
    """Worker w makes d_w iterations until L_w; n workers make one each in T = n / sum(d_w / L_w) on the mean. A second
    of worker w's path counts T / L_w times its share of all updates, so that the parts sum to T. Where hosts stop, L_w
    is the end of the run for all of them, and who is done earlier idles until then."""
    rows, stops = trace.activities.columns, bool(trace.facts.get("stops"))
    hosts, lengths = rows["host"][ends], rows["end"][ends]
    workers = [host for host in np.unique(hosts).tolist() if lengths[hosts == host].max() > 0]
    last = {host: int(ends[hosts == host][np.argmax(lengths[hosts == host])]) for host in workers}
    until = {host: float(lengths.max() if stops else rows["end"][last[host]]) for host in workers}
    pace = {host: float((hosts == host).sum()) / until[host] for host in workers}
    whole = math.fsum(pace.values())
    time, taken = trace.facts["workers"] / whole if whole else 0.0, _Pieces(trace)
    steps: list[Step] = []
    for host in workers:
        weight, done, name = time * pace[host] / whole / until[host], float(rows["end"][last[host]]), trace.hosts[host]
        steps += _walk(taken, last[host], 0.0, weight)
        if until[host] > done:
            idle = (Piece("idle", until[host] - done, name),)
            steps.append(Step("idle", name, name, "", 0, done, until[host], idle, weight))
    return CriticalPath(tuple(steps), time)


def _walk(taken: _Pieces, at: int, begin: float, weight: float) -> tuple[Step, ...]:
    """From the end of an activity back to `begin`, in order of time."""
    rows = taken.rows
    steps: list[Step] = []
    now = float(rows["end"][at])
    while now > begin:
        end = begin if at == NO_CAUSE else float(rows["end"][at])
        if end < now:  # a wait that nobody named
            steps.append(Step("other", "", "", "", 0, end, now, (Piece("other", now - end),), weight))
        if at == NO_CAUSE:
            break
        start = max(begin, float(rows["start"][at]))
        if end > start:
            steps.append(replace(taken.step(at, start), weight=weight))
        now, at = start, int(rows["cause"][at])
    return tuple(reversed(steps))


def _begin_of_the_last(trace: Trace) -> float:
    """When all workers had ended the iteration before the last."""
    iteration, end = trace.steps["iteration"], trace.steps["end"]
    return float(end[iteration < iteration.max()].max(initial=0.0))


class _Pieces:
    """Takes activities of a trace apart."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self.rows = trace, trace.activities.columns
        self._rates: Mapping[str, float] = dict(zip(trace.links["link"], trace.links["rate"].tolist(), strict=True))
        self._rivals = Rivals(trace)

    def step(self, at: int, start: float) -> Step:
        """An activity of the path, from `start` on."""
        rows, hosts = self.rows, self._trace.hosts
        kind, host, iteration = str(rows["kind"][at]), int(rows["host"][at]), int(rows["iteration"][at])
        end, name = float(rows["end"][at]), str(rows["name"][at])
        if kind in COMPUTE:
            pieces = self._computing(host, iteration, start, end)
        elif kind == "message":
            pieces = self._message(at, start)
        elif kind == "reduce":
            part = "server_work" if host >= self._trace.facts["workers"] else "reduction"
            pieces = [Piece(part, end - start, hosts[host])]
        else:
            pieces = [Piece(kind, end - start, hosts[host])]
        dated = tuple(Piece(each.part, each.seconds, each.what, each.link, iteration) for each in pieces)
        return Step(kind, hosts[host], hosts[int(rows["to"][at])], name, iteration, start, end, dated)

    def _computing(self, host: int, iteration: int, start: float, end: float) -> Iterator[Piece] | list[Piece]:
        """By layer; what the worker takes longer than the median one is waiting for a straggler."""
        mine, median = self._compute[iteration, host], self._medians[iteration]
        late = max(0.0, 1.0 - median / mine) if mine else 0.0
        pieces = []
        for name, seconds in self._layers(host, start, end):
            pieces.append(Piece("compute", seconds * (1 - late), name))
            if late:
                pieces.append(Piece("straggler_wait", seconds * late, self._trace.hosts[host]))
        return pieces

    @cached_property
    def _compute(self) -> dict[tuple[int, int], float]:
        """(iteration, worker) -> s."""
        steps = (self._trace.steps[column].tolist() for column in ("iteration", "worker", "compute"))
        return {(iteration, worker): seconds for iteration, worker, seconds in zip(*steps, strict=True)}

    @cached_property
    def _medians(self) -> dict[int, float]:
        """Iteration -> s, over the workers that took part in it."""
        of: dict[int, list[float]] = {}
        for (iteration, _), seconds in self._compute.items():
            of.setdefault(iteration, []).append(seconds)
        return {iteration: float(np.median(seconds)) for iteration, seconds in of.items()}

    def _layers(self, host: int, start: float, end: float) -> list[tuple[str, float]]:
        """What the host computed in between, by layer; what no layer accounts for is the last one's."""
        starts, ends, names = self._spans.get(host, _NO_SPANS)
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, end, "left")
        within = np.minimum(ends[first:last], end) - np.maximum(starts[first:last], start)
        found = list(zip(names[first:last], within.tolist(), strict=True))
        rest = end - start - float(within.sum())
        return [*found[:-1], (found[-1][0], found[-1][1] + rest)] if found else [("", rest)]

    @cached_property
    def _spans(self) -> dict[int, tuple[Numbers, Numbers, list[str]]]:
        spans = self._trace.spans.columns
        computing = np.flatnonzero(np.isin(spans["phase"], COMPUTE))
        order = computing[np.lexsort((spans["start"][computing], spans["host"][computing]))]
        hosts = spans["host"][order]
        edges = np.flatnonzero(np.diff(hosts)) + 1
        return {
            int(spans["host"][rows[0]]): (spans["start"][rows], spans["end"][rows], spans["name"][rows].tolist())
            for rows in np.split(order, edges)
            if len(rows)
        }

    def _message(self, at: int, start: float) -> list[Piece]:
        """Overhead, latency, its bytes at the full rate, and what else it took: sharing links, or queueing for them."""
        rows = self.rows
        begun, end = float(rows["start"][at]), float(rows["end"][at])
        overhead, latency, wire = (float(rows[name][at]) for name in ("overhead", "latency", "wire"))
        wire = min(wire, max(0.0, end - begun - overhead - latency))  # by rounding it may take a hair less
        lost = end - begun - overhead - latency - wire
        if lost < 1e-12 * end:
            wire, lost = wire + lost, 0.0
        rivals, link = self._rivals.of(at) if lost else ({}, "")
        link = link or self._slowest(at, lost > 0)
        flow = f"{self._trace.hosts[int(rows['host'][at])]} to {self._trace.hosts[int(rows['to'][at])]}"
        pieces = [
            Piece("overhead", overhead, flow),
            *self._latency(at, latency, flow),
            Piece("transfer", wire, link, link),
            *self._losses(lost, rivals, flow, link),
        ]
        kept = [piece for piece in pieces if piece.seconds > 0]
        whole = math.fsum(piece.seconds for piece in kept)
        share = (end - start) / whole  # less than 1 where the path begins within it
        return [Piece(piece.part, piece.seconds * share, piece.what, piece.link) for piece in kept]

    def _latency(self, at: int, latency: float, flow: str) -> Iterator[Piece]:
        """Dealt to the links of the route as they have it; alike where none has any of its own."""
        route = self._trace.routes[int(self.rows["route"][at])]
        own = [self._latencies.get(link, 0.0) for link in route]
        whole = math.fsum(own)
        for link, each in zip(route, own, strict=True):
            yield Piece("latency", latency * (each / whole if whole else 1 / len(route)), flow, link)

    @cached_property
    def _latencies(self) -> dict[str, float]:
        """Of each link, s."""
        network = self._trace.scenario.network()
        return dict(zip(network.names, network.latencies, strict=True))

    def _losses(self, lost: float, rivals: Mapping[str, float], flow: str, link: str) -> list[Piece]:
        """What a message took beyond its due, dealt to the flows that were on its link by the bytes that they moved
        meanwhile. Where there may be traffic that is not the job's, or faults, the job's flows account for the time of
        their bytes and no more; without any of the three, the link gave less than its full rate."""
        queued = self._trace.scenario.cluster.sharing == "fifo"
        total, rate = math.fsum(rivals.values()), self._rates.get(link, np.inf)
        mine = lost if total and not self._disturbed else min(lost, total / rate)
        pieces = [
            Piece("queueing" if queued or rival == flow else "sharing", mine * nbytes / total, rival, link)
            for rival, nbytes in rivals.items()
        ]
        if lost - mine > 1e-12 * lost:
            others = ("queueing" if queued else "sharing", _OTHERS) if link in self._background else ("degraded", link)
            pieces.append(Piece(others[0], lost - mine, others[1], link))
        return pieces

    @cached_property
    def _background(self) -> set[str]:
        """The links that carried bytes of others than the job."""
        links = self._trace.links
        return set(links["link"][links["background"] > 0].tolist())

    @cached_property
    def _disturbed(self) -> bool:
        return bool(self._background or self._trace.scenario.cluster.fault)

    def _slowest(self, at: int, lost: bool) -> str:
        """The first of the slowest links of a message's route; if it lost time, of those that others use if any is."""
        route = self._trace.routes[int(self.rows["route"][at])]
        shared = [link for link in route if link in self._background] if lost else []
        return min(shared or route, key=lambda link: self._rates.get(link, np.inf))


_NO_SPANS: tuple[Numbers, Numbers, list[str]] = np.zeros(0), np.zeros(0), []


class Rivals:
    """Who else moved bytes over a message's links while it was under way."""

    def __init__(self, trace: Trace) -> None:
        self._hosts, self._routes = trace.hosts, trace.routes
        self._rows = trace.activities.columns
        self._rates = dict(zip(trace.links["link"], trace.links["rate"].tolist(), strict=True))

    @cached_property
    def _on(self) -> dict[str, npt.NDArray[np.int64]]:
        """Link -> the messages that came over it, in order of their ends."""
        messages = np.flatnonzero(self._rows["kind"] == "message")
        routes = self._rows["route"][messages]
        found: dict[str, list[npt.NDArray[np.int64]]] = {}
        for number in np.unique(routes):
            for link in self._routes[number]:
                found.setdefault(link, []).append(messages[routes == number])
        return {link: np.sort(np.concatenate(parts)) for link, parts in found.items()}

    def of(self, at: int) -> tuple[dict[str, float], str]:
        """Bytes that each other flow moved meanwhile over the busiest link of the message's route, each taken to have
        had an even pace; and that link. ({}, "") if nobody did."""
        start, end = float(self._rows["start"][at]), float(self._rows["end"][at])
        best: tuple[dict[str, float], str] = {}, ""
        load = 0.0
        for link in self._routes[int(self._rows["route"][at])]:
            moved = self._moved(self._on[link], at, start, end)
            busy = math.fsum(moved.values()) / self._rates.get(link, np.inf)
            if busy > load:
                best, load = (moved, link), busy
        return best

    def _moved(self, rows: Sequence[int] | npt.NDArray[Any], at: int, start: float, end: float) -> dict[str, float]:
        columns = self._rows
        rows = np.asarray(rows)[np.searchsorted(columns["end"][rows], start, "right") :]
        begin, stop = columns["begin"][rows], columns["end"][rows]
        within = np.minimum(stop, end) - np.maximum(begin, start)
        there = (within > 0) & (rows != at)
        rows, nbytes = rows[there], (columns["nbytes"][rows] * within / np.maximum(stop - begin, 1e-300))[there]
        moved: dict[str, float] = {}
        for src, dst, part in zip(
            columns["host"][rows].tolist(), columns["to"][rows].tolist(), nbytes.tolist(), strict=True
        ):
            flow = f"{self._hosts[src]} to {self._hosts[dst]}"
            moved[flow] = moved.get(flow, 0.0) + part
        return moved
