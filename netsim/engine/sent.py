"""All messages that were recorded, as arrays, with the links that each went over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse, Trace, Transfer

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
        """Seconds that each message's bytes need at the rate of its slowest link."""
        slowest = np.asarray([min((self.topology.rates[link] for link in route), default=np.inf) for route in self.routes])
        return self.nbytes / slowest[self.route] if len(self.route) else self.nbytes

    def named(self, route: int) -> list[str]:
        """The names of a route's links."""
        return [self.topology.names[link] for link in self.routes[route]]

    def between(self, src: int, dst: int) -> str:
        """Who sent to whom."""
        return f"a message from {self.hosts[src]} to {self.hosts[dst]}"

    def told(self, row: int) -> str:
        """A message, as people find it among the records."""
        return f"{self.between(self.src[row], self.dst[row])} of {self.nbytes[row]:.9g} B, sent at {self.sent[row]:.9g} s,"


def traffic_of(trace: Trace, topology: Topology, *, complete: bool, undisturbed: bool, whole_ways: bool) -> Traffic:
    """The messages of a run: with the routes that SimPy noted down, or those that the topology gives, which the fast
    engine goes by."""
    known: dict[str, Any] = {"complete": complete, "undisturbed": undisturbed, "whole_ways": whole_ways}
    if not len(trace.activities):
        return traffic_of_transfers(trace.transfers, trace.hosts, topology, trace.links, **known)
    did = {name: column[trace.activities["kind"] == "message"] for name, column in trace.activities.columns.items()}
    number = {name: place for place, name in enumerate(topology.names)}
    return Traffic(
        hosts=trace.hosts,
        topology=topology,
        src=did["host"],
        dst=did["to"],
        nbytes=did["nbytes"],
        sent=did["start"],
        start=did["begin"],
        end=did["end"],
        latency=did["latency"] + did["overhead"],
        route=did["route"],
        routes=[tuple(number[name] for name in route) for route in trace.routes],
        links=trace.links,
        **known,
    )


def traffic_of_transfers(
    transfers: Columns[Transfer], hosts: tuple[str, ...], topology: Topology, links: Columns[LinkUse], **known: bool
) -> Traffic:
    """Messages that took the topology's routes."""
    numbers: dict[tuple[int, int], int] = {}
    ends = zip(transfers["src"].tolist(), transfers["dst"].tolist(), strict=True)
    route = np.asarray([numbers.setdefault(each, len(numbers)) for each in ends], dtype=np.int64)
    routes = [topology.route(*each) for each in numbers]
    latency = np.asarray([sum(topology.latencies[link] for link in each) for each in routes])
    return Traffic(
        hosts=hosts,
        topology=topology,
        **{name: transfers[name] for name in ("src", "dst", "nbytes", "sent", "start", "end")},
        latency=latency[route] if len(route) else np.zeros(0),
        route=route,
        routes=routes,
        links=links,
        **known,
    )
