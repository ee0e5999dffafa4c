"""All messages that were recorded, as arrays, with the links that each went over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.engine.messages import Message
from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse, Trace

Numbers = npt.NDArray[np.int64]
Figures = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """One entry a message in all arrays but those of links. `route` is the number of its links in `routes`.

    `complete`: links carried nothing else. `undisturbed`: nothing but latency and links' rates keeps messages.
    `whole_ways`: no message was sent another way in its midst.
    """

    hosts: tuple[str, ...]
    topology: Topology
    src: Numbers
    dst: Numbers
    nbytes: Figures
    sent: Figures  # s
    start: Figures  # s
    end: Figures  # s
    latency: Figures  # s, of the whole route, and what it costs the two hosts
    route: Numbers
    routes: Sequence[tuple[int, ...]]
    links: Columns[LinkUse]
    complete: bool
    undisturbed: bool
    whole_ways: bool = True

    @property
    def carried(self) -> list[float]:
        """Bytes that each link counted."""
        return list(self.links["nbytes"].tolist())

    @property
    def counts(self) -> list[int]:
        """Messages that each link counted."""
        return list(self.links["messages"].tolist())

    @property
    def places(self) -> tuple[list[int], list[int], list[int]]:
        """Source, destination and route of each message."""
        return self.src.tolist(), self.dst.tolist(), self.route.tolist()

    @cached_property
    def by_link(self) -> dict[int, Numbers]:
        """The rows of the messages that went over each link."""
        by_route = {number: np.flatnonzero(self.route == number) for number in range(len(self.routes))}
        found: dict[int, list[Numbers]] = {}
        for number, route in enumerate(self.routes):
            for link in route:
                found.setdefault(link, []).append(by_route[number])
        return {link: np.sort(np.concatenate(rows)) for link, rows in found.items()}

    @cached_property
    def wire(self) -> Figures:
        """Seconds that each message's bytes need at the least: at the rate of its slowest link, but for a burst."""
        least = np.zeros(len(self.nbytes))
        for link, rows in self.by_link.items():
            needed = (self.nbytes[rows] - self.burst(link)) / self.topology.rates[link]
            least[rows] = np.maximum(least[rows], needed)
        return least

    def burst(self, link: int) -> float:
        """Bytes that a link passes at once."""
        return self.topology.bursts[link] if self.topology.bursts else 0.0

    def named(self, route: int) -> list[str]:
        """The names of a route's links."""
        return [self.topology.names[link] for link in self.routes[route]]

    def between(self, src: int, dst: int) -> str:
        """Who sent to whom."""
        return f"a message from {self.hosts[src]} to {self.hosts[dst]}"

    def told(self, row: int) -> str:
        """A message, as people find it among the records."""
        return (
            f"{self.between(self.src[row], self.dst[row])} of {self.nbytes[row]:.9g} B, sent at {self.sent[row]:.9g} s,"
        )


class Sent:
    """Hears of every message that a network delivers (`Network`'s record), and keeps what `Traffic` needs."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, float, float, float, float, float]] = []

    def __call__(self, message: Message, now: float) -> None:
        cost = message.latency + message.overhead
        self._rows.append((message.src, message.dst, message.nbytes, message.sent, message.start, now, cost))

    def traffic(self, topology: Topology, links: Columns[LinkUse], *, undisturbed: bool) -> Traffic:
        """The messages, all of which took the topology's routes."""
        columns = np.asarray(self._rows, dtype=np.float64).reshape(-1, 7).T
        src, dst = (column.astype(np.int64) for column in columns[:2])
        hosts = tuple(host.name for host in topology.hosts)
        nbytes, sent, start, end, cost = columns[2:]
        route, routes = _routes(topology, src, dst)
        ends = src, dst, nbytes, sent, start, end, cost, route
        return Traffic(hosts, topology, *ends, routes, links, complete=True, undisturbed=undisturbed)


def traffic_of(trace: Trace, topology: Topology, *, complete: bool, undisturbed: bool, whole_ways: bool) -> Traffic:
    """The messages of a run: with the routes that SimPy noted down, or those that the topology gives, which the fast
    engine goes by."""
    told = (_followed if len(trace.activities) else _of_transfers)(trace, topology)
    known: dict[str, Any] = {"complete": complete, "undisturbed": undisturbed, "whole_ways": whole_ways}
    return Traffic(hosts=trace.hosts, topology=topology, links=trace.links, **told, **known)


def _followed(trace: Trace, topology: Topology) -> dict[str, Any]:
    """Messages whose routes and costs were noted down."""
    did = {name: column[trace.activities["kind"] == "message"] for name, column in trace.activities.columns.items()}
    number = {name: place for place, name in enumerate(topology.names)}
    names = {"src": "host", "dst": "to", "nbytes": "nbytes", "sent": "start", "start": "begin", "end": "end"}
    return {
        **{name: did[theirs] for name, theirs in names.items()},
        "latency": did["latency"] + did["overhead"],
        "route": did["route"],
        "routes": [tuple(number[name] for name in route) for route in trace.routes],
    }


def _of_transfers(trace: Trace, topology: Topology) -> dict[str, Any]:
    """Messages that took the topology's routes, and nothing but its latencies."""
    told = {name: trace.transfers[name] for name in ("src", "dst", "nbytes", "sent", "start", "end")}
    route, routes = _routes(topology, told["src"], told["dst"])
    latency = np.asarray([math.fsum(topology.latencies[link] for link in each) for each in routes])
    return {**told, "latency": latency[route] if len(route) else np.zeros(0), "route": route, "routes": routes}


def _routes(topology: Topology, src: Numbers, dst: Numbers) -> tuple[Numbers, list[tuple[int, ...]]]:
    """The number of each message's route, and the links of each route."""
    numbers: dict[tuple[int, int], int] = {}
    ends = zip(src.tolist(), dst.tolist(), strict=True)
    route = np.asarray([numbers.setdefault(each, len(numbers)) for each in ends], dtype=np.int64)
    return route, [topology.route(*each) for each in numbers]
