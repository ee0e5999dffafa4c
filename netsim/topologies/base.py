"""What a topology is: directed links with a rate and a latency each, and a route between any two hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
import numpy.typing as npt

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.hardware import Link
from netsim.topologies._routes import Arcs, FewestHops, flow_of, path_over
from netsim.topologies._rows import Rows

Place = tuple[float, float]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Host:
    """A machine of the network, by name, with its own link. `apart`: a server, not one accelerator of several in a
    machine."""

    name: str
    link: Link
    apart: bool = False


class AlikeHosts(Rows[Host]):
    """So many hosts with one link, but those that have their `own`, by number; from the number `apart` on they are
    servers."""

    def __init__(
        self, size: int, name: Callable[[int], str], link: Link, *, own: Mapping[int, Link], apart: int
    ) -> None:
        self.link, self.own = link, {host: each for host, each in own.items() if host < size}
        super().__init__(size, lambda host: Host(name(host), self.own.get(host, link), apart=host >= apart))


def links_of(hosts: Sequence[Host]) -> tuple[list[Link], Whole]:
    """The links that hosts have, each once, and which of them is each host's."""
    if isinstance(hosts, AlikeHosts):
        number = np.zeros(len(hosts), dtype=np.int64)
        number[list(hosts.own)] = np.arange(1, 1 + len(hosts.own))
        return [hosts.link, *hosts.own.values()], number
    links = [host.link for host in hosts]
    different = {id(link): link for link in links}  # many hosts share one object
    places = {key: place for place, key in enumerate(different)}
    return list(different.values()), np.asarray([places[id(link)] for link in links], dtype=np.int64)


ROUTINGS = ("shortest", "ecmp")
_NUMBER_OF_AN_END = re.compile(r"\d+(?=\.|->|$)")


def without_numbers(link: str) -> str:
    """The name of a link without the numbers of its ends, as all links have it that play the same part.

    >>> without_numbers("worker3.up"), without_numbers("host0.gpu7->host0.nic1")
    ('worker.up', 'host.gpu->host.nic')
    """
    return _NUMBER_OF_AN_END.sub("", link)


def burst_problems(bursts: bool, *, sharing: str, faults: bool = False) -> list[Problem]:
    """What links with a burst do not go with: a bucket is emptied by one message after the other, and filled at one
    rate."""
    found = []
    if bursts and sharing != "fifo":
        text = 'links with a burst serve messages in order of arrival; they need sharing = "fifo"'
        found.append(Problem("sharing", text))
    if bursts and faults:
        found.append(Problem("fault", "is of links with a burst, which fill up at one rate; leave one of them out"))
    return found


def routed(topology: Topology, routing: str, *, seed: int) -> Topology:
    """The network with one shortest way between two hosts, or, with ECMP, those that `seed` draws."""
    if routing not in ROUTINGS:
        raise ScenarioError(f"no routing {routing!r}.{did_you_mean(routing, ROUTINGS)}", path="routing")
    return replace(topology, seed=seed) if routing == "ecmp" else topology


def built_of(build: Callable[[Sequence[Host]], Topology], hosts: Sequence[Host], *, path: str) -> Topology:
    """The network of these hosts; ScenarioError, at the topology's path, where they do not fit it."""
    try:
        return build(hosts)
    except ScenarioError as error:
        apart = sum(host.apart for host in hosts)
        problems = [problem.within(path) for problem in error.problems]
        if apart:
            of_all = f"servers that stand apart are {apart} of these {len(hosts)}"
            hint = f'{of_all}; placement = "colocated" leaves {len(hosts) - apart}'
            problems = [Problem(each.path, f"{each.message} ({hint})") for each in problems]
        raise ScenarioError(problems) from None


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
    says, or, with a flow, the one that this number draws. `paths`, where the kind has a quick way, gives those of many
    pairs at once, as `routes` does.

    `bursts` (bytes) has what each link passes at once when it has been idle, or is empty where none does.

    `seed`: of ECMP; without one, all messages between two hosts take the same way. `ideal`: whether hosts share nothing
    but a switch that never slows anything, so that the closed forms of collectives hold. `places`: where nodes are
    drawn. `halves`: sets of half of the hosts, of which one is cut off by as little bandwidth as any.
    """

    hosts: Sequence[Host]
    switches: tuple[str, ...]
    names: Sequence[str]
    ends: Sequence[tuple[str, str]]
    rates: Sequence[float]
    latencies: Sequence[float]
    path: Callable[[int, int, int | None], tuple[int, ...]]
    places: Callable[[], Sequence[Place]]
    paths: Callable[[Whole, Whole], Whole] | None = None
    both_ways: frozenset[int] = frozenset()
    bursts: Sequence[float] = ()
    seed: int | None = None
    ideal: bool = False
    halves: Callable[[Topology], Iterable[Collection[int]]] = halves_in_order

    def route(self, src: int, dst: int, stream: int = 0) -> tuple[int, ...]:
        """The numbers of the links from one host to another, in order. Under ECMP, messages on other streams may go
        another way."""
        return self.path(src, dst, None if self.seed is None else flow_of(self.seed, src, dst, stream))

    def routes(self, src: Whole, dst: Whole) -> Whole:
        """The routes of many pairs of hosts on the first stream: [pair, hop], -1 after the last hop."""
        if self.paths:
            return self.paths(src, dst)
        found = [self.route(one, other) for one, other in zip(src.tolist(), dst.tolist(), strict=True)]
        longest = max(map(len, found), default=1)
        padded = [(*route, *(-1,) * (longest - len(route))) for route in found]
        return np.asarray(padded, dtype=np.int64).reshape(len(found), longest)

    def avoiding(self, links: Collection[int]) -> Topology:
        """The same network with routes, of as few hops as may be, that use none of these links. Where there is none
        left, `route` raises RunError."""
        arcs = {ends: link for ends, link in self.arcs.items() if link not in links}
        onward = FewestHops(len(self.nodes), arcs)
        return replace(self, path=path_over(arcs, onward, self.nodes), paths=None)

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

    @property
    def unpriced(self) -> bool:
        """Whether messages between its hosts cost nothing but latency and bytes."""
        return all(link.unpriced for link in links_of(self.hosts)[0])

    @cached_property
    def fastest_port(self) -> Link:
        """What bounds every collective on this network from below: the most that any host could send or receive on all
        of its links together, and the least latency of a message between any two hosts."""
        cheapest = min((link.lowest_latency - link.latency for link in links_of(self.hosts)[0]), default=0.0)
        if self.ideal:  # one link each way a host, with half of the latency
            rate, hop = max(self.rates, default=0.0), min(self.latencies, default=0.0)
            return Link(rate=rate, latency=max(0.0, 2 * hop + cheapest), burst=max(self.bursts, default=0.0))
        hosts = len(self.hosts)
        out, into = [0.0] * hosts, [0.0] * hosts
        bursts_out, bursts_into = [0.0] * hosts, [0.0] * hosts
        leaves = comes = direct = inf
        for (one, other), link in self.arcs.items():
            if one < hosts:
                out[one] += self.rates[link]
                bursts_out[one] += self.bursts[link] if self.bursts else 0.0
                leaves = min(leaves, self.latencies[link])
            if other < hosts:
                into[other] += self.rates[link]
                bursts_into[other] += self.bursts[link] if self.bursts else 0.0
                comes = min(comes, self.latencies[link])
            if one < hosts and other < hosts:
                direct = min(direct, self.latencies[link])
        rate, burst = max([*out, *into], default=0.0), max([*bursts_out, *bursts_into], default=0.0)
        return Link(rate=rate, latency=max(0.0, min(direct, leaves + comes) + cheapest), burst=burst)
