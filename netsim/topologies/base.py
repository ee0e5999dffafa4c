"""What a topology is: directed links with a rate and a latency each, and a route between any two hosts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

from netsim.hardware import Link
from netsim.topologies._routes import Arcs, FewestHops, flow_of, path_over

Place = tuple[float, float]


@dataclass(frozen=True)
class Host:
    """A machine of the network, by name, with its own link. `apart`: a server, not one accelerator of several in a
    machine."""

    name: str
    link: Link
    apart: bool = False


def halves_in_order(topology: Topology) -> Iterable[Collection[int]]:
    """The first half of the hosts."""
    yield range(len(topology.hosts) // 2)


@dataclass(frozen=True)
class Topology:
    """Directed links, each by its number: `names`, `ends` (the nodes that it leads from and to), `rates` (bytes/s) and
    `latencies` (s) have one entry a link. Where both directions of a cable share its rate (half duplex), both routes
    name one link, which is then among those `both_ways`.

    Hosts are numbered from 0; nodes are called by the hosts' names, or by the switches'. `path(src, dst, flow)` gives
    the numbers of the links from one host to another: among ways with as few hops the one that the kind of topology
    says, or, with a flow, the one that this number draws.

    `seed`: of ECMP; without one, all messages between two hosts take the same way. `ideal`: whether hosts share nothing
    but a switch that never slows anything, so that the closed forms of collectives hold. `places`: where nodes are
    drawn. `halves`: sets of half of the hosts, of which one is cut off by as little bandwidth as any.
    """

    hosts: tuple[Host, ...]
    switches: tuple[str, ...]
    names: tuple[str, ...]
    ends: tuple[tuple[str, str], ...]
    rates: tuple[float, ...]
    latencies: tuple[float, ...]
    path: Callable[[int, int, int | None], tuple[int, ...]]
    places: Callable[[], Sequence[Place]]
    both_ways: frozenset[int] = frozenset()
    seed: int | None = None
    ideal: bool = False
    halves: Callable[[Topology], Iterable[Collection[int]]] = halves_in_order

    def route(self, src: int, dst: int, stream: int = 0) -> tuple[int, ...]:
        """The numbers of the links from one host to another, in order. Under ECMP, messages on other streams may go
        another way."""
        return self.path(src, dst, None if self.seed is None else flow_of(self.seed, src, dst, stream))

    def avoiding(self, links: Collection[int]) -> Topology:
        """The same network with routes, of as few hops as may be, that use none of these links. Where there is none
        left, `route` raises RunError."""
        arcs = {ends: link for ends, link in self.arcs.items() if link not in links}
        onward = FewestHops(len(self.nodes), arcs)
        return replace(self, path=path_over(arcs, onward, self.nodes))

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """Hosts, then switches."""
        return (*(host.name for host in self.hosts), *self.switches)

    @cached_property
    def arcs(self) -> Arcs:
        """The number of the link from one node to another, nodes by their place in `nodes`."""
        number: Mapping[str, int] = {name: place for place, name in enumerate(self.nodes)}
        arcs = {}
        for link, (one, other) in enumerate(self.ends):
            arcs[number[one], number[other]] = link
            if link in self.both_ways:
                arcs[number[other], number[one]] = link
        return arcs

    @cached_property
    def fastest_port(self) -> Link:
        """What bounds every collective on this network from below: the most that any host could send or receive on all
        of its links together, and the least latency of a message between any two hosts."""
        hosts = len(self.hosts)
        out, into = [0.0] * hosts, [0.0] * hosts
        leaves = comes = direct = inf
        for (one, other), link in self.arcs.items():
            if one < hosts:
                out[one] += self.rates[link]
                leaves = min(leaves, self.latencies[link])
            if other < hosts:
                into[other] += self.rates[link]
                comes = min(comes, self.latencies[link])
            if one < hosts and other < hosts:
                direct = min(direct, self.latencies[link])
        cheapest = min((host.link.lowest_latency - host.link.latency for host in self.hosts), default=0.0)
        return Link(rate=max([*out, *into], default=0.0), latency=max(0.0, min(direct, leaves + comes) + cheapest))
