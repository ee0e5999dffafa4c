"""Hosts with several accelerators: a network inside each, network cards, and a network between them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, count
from math import fsum, hypot
from typing import Annotated, Any, NamedTuple

from netsim.errors import Problem, ScenarioError
from netsim.families import FAMILIES, Chosen, Reads
from netsim.hardware import Link
from netsim.presets import ALink
from netsim.topologies._places import nearest, shrunk
from netsim.topologies._wiring import direct, wired
from netsim.topologies.base import Host, Place, Topology
from netsim.topologies.star import star
from netsim.units import Count

_A_KIND = Reads(  # whose schema would go on for ever, as networks hold networks
    lambda value: FAMILIES["topologies"].build(value),
    lambda: {"anyOf": [{"enum": FAMILIES["topologies"].names()}, {"type": "object", "required": ["kind"]}]},
)
_STAR = Chosen(star, {})
Accelerators = Annotated[int, Count("a number of accelerators", at_most=1024)]
Cards = Annotated[int, Count("a number of network cards", at_most=64)]


def nodes(
    hosts: Sequence[Host],
    *,
    per_host: Accelerators,
    link: ALink,
    inside: Annotated[Any, _A_KIND] = _STAR,
    nics: Cards = 1,
    bus: ALink | None = None,
    between: Annotated[Any, _A_KIND] = _STAR,
) -> Topology:
    """Several accelerators a host, over NVLink or PCIe, and any other network between the hosts' network cards.

    per_host: accelerators of one host, numbered host after host. link, inside: what connects them there, and as which
    kind of network, by default one switch. nics: network cards a host, each with `cluster.link`; accelerators are dealt
    to them evenly, in order. bus: a link of its own from each accelerator to its card, as PCIe beside NVLink; without
    one, cards are plugged into the network inside. between: the network of the cards, and of servers that stand apart.
    Messages between accelerators of one host stay inside.
    """
    workers = [number for number, host in enumerate(hosts) if not host.apart]
    parts = [workers[first : first + per_host] for first in range(0, len(workers), per_host)]
    _refuse_what_cards_cannot(hosts, parts)
    machines = [_Machine(f"host{number}", part, min(nics, len(part))) for number, part in enumerate(parts)]
    cards = [Host(card, hosts[each.members[0]].link) for each in machines for card in each.cards]
    outer = _built(between, [*cards, *(host for host in hosts if host.apart)], "between")
    within = [_inside(inside, machine, hosts, link.for_payload, plugged=bus is None) for machine in machines]
    buses = [] if bus is None else [_bus(machine, hosts, bus.for_payload) for machine in machines]
    return _Whole(hosts, machines, outer, within, buses).topology()


@dataclass(frozen=True)
class _Machine:
    """A host: its accelerators by their numbers, and how many cards it has."""

    name: str
    members: Sequence[int]
    nics: int

    @property
    def cards(self) -> list[str]:
        return [f"{self.name}.nic{card}" for card in range(self.nics)]

    @property
    def ports(self) -> list[str]:
        """Of the network inside, for the cards."""
        return [f"{self.name}.port{card}" for card in range(self.nics)]

    def card_of(self, place: int) -> int:
        """The card of the accelerator in that place."""
        return place * self.nics // len(self.members)


def _refuse_what_cards_cannot(hosts: Sequence[Host], parts: Sequence[Sequence[int]]) -> None:
    problems = []
    for members in parts:
        links, first, last = {hosts[member].link for member in members}, hosts[members[0]].name, hosts[members[-1]].name
        if len(links) > 1:
            problems.append(Problem("per_host", f"{first} to {last} would be one host, but their links differ"))
    dear = [host for host in hosts if not host.apart and not replace(host.link, duplex="full").unpriced]
    if dear:
        here = "here links have rate, latency, efficiency, duplex, burst"
        told = f"the link of {dear[0].name} says what messages cost; {here}"
        problems.append(Problem("", told))
    if problems:
        raise ScenarioError(problems)


def _inside(kind: Any, machine: _Machine, hosts: Sequence[Host], link: Link, *, plugged: bool) -> Topology:
    """The network inside, of accelerators and, where they are plugged into it, of the cards."""
    ports = machine.ports if plugged else []
    names = [*(hosts[member].name for member in machine.members), *ports]
    return _built(kind, [Host(name, link) for name in names], "inside")


def _built(kind: Any, hosts: Sequence[Host], path: str) -> Topology:
    try:
        built: Topology = kind(hosts)
    except ScenarioError as error:
        raise ScenarioError([problem.within(path) for problem in error.problems]) from None
    return built


def _bus(machine: _Machine, hosts: Sequence[Host], link: Link) -> Topology:
    """A cable from each accelerator to its card."""
    names = [*(hosts[member].name for member in machine.members), *machine.cards]
    ends, size = [Host(name, link) for name in names], len(machine.members)
    return wired(ends, (), [direct(ends, place, size + machine.card_of(place)) for place in range(size)])


class _Spot(NamedTuple):
    """Where a host is: the part inside that it belongs to (0 for servers apart) and its place there, the part that
    leads to its card and the card's place there, and its end of the network between."""

    inside: int
    place: int
    access: int
    port: int
    end: int


class _Whole:
    """Networks inside and the one between, joined at the cards: `parts` is the one between, then those inside, then, if
    there are any, the buses, and `first` the number of each one's first link."""

    def __init__(
        self,
        hosts: Sequence[Host],
        machines: Sequence[_Machine],
        outer: Topology,
        within: Sequence[Topology],
        buses: Sequence[Topology],
    ) -> None:
        self.hosts, self.machines, self.parts = hosts, machines, (outer, *within, *buses)
        self.first = list(accumulate((len(part.names) for part in self.parts), initial=0))
        self.spots = list(self._spots())

    def _spots(self) -> Iterator[_Spot]:
        ends, plugged = 0, len(self.parts) == 1 + len(self.machines)
        found = {}
        for number, machine in enumerate(self.machines):
            access = 1 + number + (0 if plugged else len(self.machines))
            for place, member in enumerate(machine.members):
                card = machine.card_of(place)
                found[member] = _Spot(1 + number, place, access, len(machine.members) + card, ends + card)
            ends += machine.nics
        servers = count(ends)
        yield from (found[h] if h in found else _Spot(0, 0, 0, 0, next(servers)) for h in range(len(self.hosts)))

    def topology(self) -> Topology:
        renamed = [lambda name: name, *(self._called(machine) for machine in self.machines)]
        renamed += [lambda name: name] * (len(self.parts) - len(renamed))
        parts = list(zip(self.parts, renamed, strict=True))
        switches = [name(switch) for part, name in parts for switch in part.switches]
        cards = [card for machine in self.machines for card in machine.cards]
        return Topology(
            hosts=tuple(self._of_any_link(host) for host in self.hosts),
            switches=(*cards, *switches),
            names=tuple(name(link) for part, name in parts for link in part.names),
            ends=tuple((name(one), name(other)) for part, name in parts for one, other in part.ends),
            rates=tuple(rate for part in self.parts for rate in part.rates),
            latencies=tuple(latency for part in self.parts for latency in part.latencies),
            path=self._path,
            both_ways=frozenset(
                first + link for part, first in zip(self.parts, self.first, strict=False) for link in part.both_ways
            ),
            bursts=tuple(chain.from_iterable(part.bursts or [0.0] * len(part.names) for part in self.parts))
            if any(part.bursts for part in self.parts)
            else (),
            places=self._places,
            halves=self._halves,
        )

    def _called(self, machine: _Machine) -> Callable[[str], str]:
        """What nodes and links inside a host are called outside: its ports are its cards, its switches have its name
        before theirs."""
        mine = tuple([*(self.hosts[member].name for member in machine.members), *machine.ports])
        ports = dict(zip(machine.ports, machine.cards, strict=True))
        return lambda name: ports.get(name, name if name.startswith(mine) else f"{machine.name}.{name}")

    def _of_any_link(self, host: Host) -> Host:
        """A host whose link bounds no message: those inside may be faster than its card."""
        rate = max([host.link.rate, *(part.rates[0] for part in self.parts if part.names)])
        return replace(host, link=Link(rate=rate, latency=host.link.latency))

    def _path(self, src: int, dst: int, flow: int | None) -> tuple[int, ...]:
        one, other = self.spots[src], self.spots[dst]
        if one.inside and one.inside == other.inside:
            return self._over(one.inside, one.place, other.place, flow)
        out = self._over(one.access, one.place, one.port, flow) if one.inside else ()
        back = self._over(other.access, other.port, other.place, flow) if other.inside else ()
        return (*out, *self._over(0, one.end, other.end, flow), *back)

    def _over(self, part: int, src: int, dst: int, flow: int | None) -> tuple[int, ...]:
        """The links from one of a part's hosts to another."""
        first = self.first[part]
        return tuple(first + link for link in self.parts[part].path(src, dst, flow))

    def _halves(self, _: Topology) -> Iterator[Collection[int]]:
        """Hosts whose cards are in a half of the network between, then as many others as make it a half of all."""
        hosts = range(len(self.hosts))
        for half in self.parts[0].halves(self.parts[0]):
            ends = set(half)
            yield sorted(hosts, key=lambda host: self.spots[host].end not in ends)[: len(hosts) // 2]

    def _places(self) -> list[Place]:
        """The network between, drawn so large that each host has room before its cards."""
        outer = self.parts[0]
        scale = 4.5 / nearest(outer.places()[: len(outer.hosts)])
        room = [(scale * x, scale * y) for x, y in outer.places()]
        middle = _mean(room)
        places: dict[int, Place] = {}
        switches: list[Place] = []
        ends = 0
        for machine, inside in zip(self.machines, self.parts[1:], strict=False):
            cards = _mean(room[ends : ends + machine.nics])
            ends += machine.nics
            away = hypot(cards[0] - middle[0], cards[1] - middle[1]) or 1.0
            x, y = (here + 2.2 * (here - there) / away for here, there in zip(cards, middle, strict=True))
            drawn = [(x + right, y + up) for right, up in shrunk(inside.places(), 1.2)]
            places |= dict(zip(machine.members, drawn, strict=False))
            switches += drawn[len(inside.hosts) :]
        servers = iter(room[ends : len(outer.hosts)])
        return [
            *(places[host] if host in places else next(servers) for host in range(len(self.hosts))),
            *room[:ends],
            *room[len(outer.hosts) :],
            *switches,
        ]


def _mean(places: Sequence[Place]) -> Place:
    return fsum(x for x, _ in places) / len(places), fsum(y for _, y in places) / len(places)
