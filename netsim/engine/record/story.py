"""Who waited for whom in rounds that were played at a stroke: the activities that the reference notes as it goes.

A message begins when the later of its two ends has come to it: when that end was ready, and which activity made it so,
is one entry a host in each lane. So causes are followed from round to round, whole rounds at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Round
from netsim.engine.plan import Plan
from netsim.trace import NO_CAUSE, Activity, Columns, Transfer

Times = npt.NDArray[np.float64]  # s
Numbers = npt.NDArray[np.int64]  # rows of activities


@dataclass
class _Lane:
    """When each host can go on in a lane of an exchange, and what lets it."""

    ready: Times
    because: Numbers

    def latest(self, one: Numbers, other: Numbers) -> Numbers:
        """Of pairs of hosts, what the one that can go on later waited for; at one moment, what happened last."""
        tie = self.ready[one] == self.ready[other]
        first = np.where(tie, self.because[one] > self.because[other], self.ready[one] > self.ready[other])
        return np.where(first, self.because[one], self.because[other])

    def go_on(self, hosts: Numbers, times: Times, rows: Numbers) -> None:
        """Hosts, some of them more than once, can go on no earlier than at these times, which are in order of what
        happens first at one moment."""
        order = np.argsort(times, kind="stable")
        hosts, times, rows = hosts[order], times[order], rows[order]
        later = times >= self.ready[hosts]  # of a host's several, the last is kept: it is the latest
        self.ready[hosts[later]], self.because[hosts[later]] = times[later], rows[later]


class Story:
    """The activities of the recorded iterations, told in order: computing, exchanges bucket by bucket, updates."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._rows = plan, 0
        self._parts: list[tuple[Any, ...]] = []  # columns of activities
        self._routes: dict[tuple[str, ...], int] = {}
        self._known: dict[tuple[bytes, bytes], Numbers] = {}
        self._adder_free = np.zeros(plan.workers)
        self._before = np.full(plan.workers, NO_CAUSE)  # the last activity of each worker's step before

    def begin(self, iteration: int, start: Times, lead: Times, gaps: Times) -> None:
        """Workers compute: forward from `start` for `lead`, then backward in `gaps` [worker, bucket]."""
        self._iteration, self.transfers = iteration, list[Transfer]()
        self._now, self._last = start, self._before
        self._compute("forward", lead)
        self._offers = [self._compute("backward", gap) for gap in gaps.T]
        self._computed = self._now
        self._done, self._because = np.full(len(start), -np.inf), self._last

    def _compute(self, kind: str, seconds: Times) -> Numbers:
        hosts, start = np.arange(len(seconds)), self._now
        self._now = start + seconds
        self._last = self._add(kind, hosts, "", start, self._now, hosts, self._last)
        return self._last

    def exchange(self, bucket: int, offered: Times) -> None:
        """The next exchange begins: each worker joins with its bucket when it is done with the one before."""
        overlap = self._plan.scenario.job.overlap
        offer = self._offers[bucket] if overlap else self._offers[-1]
        self._name = self._plan.buckets[bucket].name
        ready = np.maximum(offered, self._done)
        self._join = _Lane(ready, np.where(offered >= self._done, offer, self._because))
        self._lanes: dict[tuple[int, int], _Lane] = {}

    def round(
        self, each: Round, chain: int, sizes: Times, lasts: Times, wait: Times, *, sent: Times, end: Times
    ) -> None:
        """Messages of a round in one chain of steps: their bytes, s on the wire and of latency, and when they were sent
        and delivered."""
        join = self._join
        lane = self._lanes.setdefault((each.lane, chain), _Lane(join.ready.copy(), join.because.copy()))
        cause = lane.latest(each.src, each.dst)
        order = np.lexsort((cause, sent))  # as they are sent, one after the other even where that is at one moment
        src, dst, cause = (column[order] for column in (each.src, each.dst, cause))
        sizes, lasts, wait, sent, end = (column[order] for column in (sizes, lasts, wait, sent, end))
        begin = end - lasts
        details = sizes, begin, wait, np.zeros(len(src)), lasts, self._route(src, dst)
        rows = self._add("message", src, self._name, sent, end, dst, cause, *details)
        found = src, dst, sizes, sent, begin, end
        for one, other, nbytes, *times in zip(*(column.tolist() for column in found), strict=True):
            self.transfers.append(Transfer(one, other, nbytes, self._name, self._iteration, *times))
        had, done = rows, end
        if each.add and self._plan.scenario.cluster.reduction_rate:
            had, done = self._added(dst, sizes / self._plan.scenario.cluster.reduction_rate, end, rows)
        hosts, rows = (np.column_stack(pair).ravel() for pair in ((src, dst), (rows, had)))
        lane.go_on(hosts, np.column_stack((end, done)).ravel(), rows)

    def _added(self, hosts: Numbers, adding: Times, came: Times, rows: Numbers) -> tuple[Numbers, Times]:
        """Hosts add what came, one piece after the other, as the kernel has it."""
        done = came.copy()
        for place in np.argsort(came, kind="stable").tolist():
            host = hosts[place]
            free = max(self._adder_free[host], came[place]) + adding[place]
            self._adder_free[host] = free
            done[place] += free - came[place]
        return self._add("reduce", hosts, self._name, came, done, hosts, rows), done

    def go_on(self) -> None:
        """Hosts end all that they have under way in the exchange, and go on from there."""
        because, latest = self._join.because, self._join.ready.copy()
        for lane in self._lanes.values():
            later = lane.ready >= latest
            because, latest = np.where(later, lane.because, because), np.where(later, lane.ready, latest)
        self._join, self._lanes = _Lane(latest, because), {}

    def exchanged(self, done: Times) -> None:
        """The exchange is over for each worker."""
        self.go_on()
        self._done, self._because = done, self._join.because

    def end(self, exchanged: Times, end: Times) -> None:
        """Workers update once they have computed and have all sums, and their step is over."""
        self._last = np.where(self._computed >= self._done, self._last, self._because)
        hosts = np.arange(len(end))
        update = self._add("update", hosts, "", exchanged, end, hosts, self._last)
        self._before = self._add("end", hosts, "", end, end, hosts, update)

    def _add(
        self, kind: str, host: Any, name: str, start: Any, end: Any, to: Any, cause: Any, *details: Any
    ) -> Numbers:
        """Activities, one an entry of the arrays; gives their rows."""
        size = len(host)
        rest = details or (*(np.zeros(size) for _ in range(5)), np.full(size, -1))
        nbytes, begin, latency, overhead, wire, route = rest
        columns = host, start, end, to, cause, nbytes, begin, latency, overhead, wire, route
        self._parts.append((kind, name, self._iteration, *columns))
        self._rows += size
        return np.arange(self._rows - size, self._rows)

    def _route(self, src: Numbers, dst: Numbers) -> Numbers:
        """The numbers of the routes between hosts."""
        key = src.tobytes(), dst.tobytes()
        if key not in self._known:
            topology = self._plan.topology
            routes = [topology.route(one, other) for one, other in zip(src.tolist(), dst.tolist(), strict=True)]
            names = [tuple(topology.names[link] for link in route) for route in routes]
            self._known[key] = np.asarray([self._routes.setdefault(each, len(self._routes)) for each in names])
        return self._known[key]

    @property
    def routes(self) -> tuple[tuple[str, ...], ...]:
        """The links of each route that a message took; activities name them by number."""
        return tuple(self._routes)

    @property
    def activities(self) -> Columns[Activity]:
        """In order of their ends, as things happen."""
        if not self._parts:
            return Columns(Activity, ())
        sizes = [len(part[3]) for part in self._parts]
        kind, name, iteration = (np.repeat([part[place] for part in self._parts], sizes) for place in range(3))
        rest = [np.concatenate(column) for column in zip(*(part[3:] for part in self._parts), strict=True)]
        host, start, end, to, cause, *details = rest
        order = np.argsort(end, kind="stable")
        row = np.empty(len(order) + 1, dtype=np.int64)  # the last entry is what NO_CAUSE finds
        row[order], row[-1] = np.arange(len(order)), NO_CAUSE
        columns = (kind, host, name, iteration, start, end, to, row[cause], *details)
        return Columns.of(Activity, *(column[order] for column in columns))
