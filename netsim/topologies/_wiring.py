"""From hosts, switches and cables to a topology.

A link's latency is from host to host: a cable between two hosts has all of it (the mean of the two hosts' links), and a
cable at a switch half of it, as on the star.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, NamedTuple

from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.topologies._places import circle
from netsim.topologies._routes import FewestHops, Onward, path_over
from netsim.topologies.base import Host, Place, Topology, halves_in_order

_MOST_CABLES = 1_000_000
Halves = Callable[[Topology], Iterable[Collection[int]]]


class Cable(NamedTuple):
    """Two nodes by their numbers, hosts first; the rate each way (bytes/s), the latency (s), whether both ways share
    the rate (half), or there is only the one from the first node to the second (simplex), and what the cable passes at
    once when it has been idle (bytes)."""

    one: int
    other: int
    rate: float
    latency: float
    duplex: Literal["full", "half", "simplex"] = "full"
    burst: float = 0.0


def direct(hosts: Sequence[Host], one: int, other: int) -> Cable:
    """Between two hosts: at the slower one's rate, and with the smaller burst."""
    links = hosts[one].link, hosts[other].link
    duplex: Literal["full", "half"] = "half" if "half" in (links[0].duplex, links[1].duplex) else "full"
    latency, burst = math.fsum(k.latency for k in links) / 2, min(k.burst or 0.0 for k in links)
    return Cable(one, other, min(k.rate for k in links), latency, duplex, burst)


def to_switch(hosts: Sequence[Host], host: int, switch: int) -> Cable:
    """A host's own cable, as on the star."""
    link = hosts[host].link
    return Cable(host, switch, link.rate, link.latency / 2, link.duplex, link.burst or 0.0)


def between_switches(link: Link, one: int, other: int) -> Cable:
    """A cable of the fabric."""
    link = link.for_payload
    return Cable(one, other, link.rate, link.latency / 2, link.duplex, link.burst or 0.0)


def fabric_link(link: Link | None, hosts: Sequence[Host]) -> Link:
    """What connects switches: the link given, or one like the fastest of the hosts'. What else a link may say of
    messages is a host's to say."""
    if link is None:
        fastest = max((host.link for host in hosts), key=lambda each: each.rate)
        return Link(rate=fastest.rate, latency=fastest.latency, duplex=fastest.duplex)
    plain = Link(link.rate, link.latency, efficiency=link.efficiency, duplex=link.duplex, burst=link.burst)
    if plain != link:
        told = "between switches has rate, latency, efficiency, duplex and burst; what messages cost, hosts' links say"
        raise ScenarioError(told, path="link")
    return link


def wired(
    hosts: Sequence[Host],
    switches: Sequence[str],
    cables: Sequence[Cable],
    onward: Onward | None = None,
    *,
    places: Callable[[], Sequence[Place]] | None = None,
    halves: Halves | None = None,
) -> Topology:
    """The topology of these cables. `onward` says which nodes are next on shortest ways, the best first; where it is
    not given, it is found on the graph."""
    if len(cables) > _MOST_CABLES:
        raise ScenarioError(f"{len(hosts)} hosts would need {len(cables)} cables; at most {_MOST_CABLES} are simulated")
    nodes = [*(host.name for host in hosts), *switches]
    cables_at = Counter(end for cable in cables for end in (cable.one, cable.other))
    arcs: dict[tuple[int, int], int] = {}
    names: list[str] = []
    ends, owners, both = [], [], []
    for cable in cables:
        port = nodes[cable.one] if cable.one < len(hosts) <= cable.other and cables_at[cable.one] == 1 else None
        for one, other, way in _ways(cable):
            arcs[one, other] = len(names)
            if way == "both":
                arcs[other, one] = len(names)
                both.append(len(names))
            sign = "<->" if way == "both" else "->"
            names.append(f"{port}.{way}" if port else f"{nodes[one]}{sign}{nodes[other]}")
            ends.append((nodes[one], nodes[other]))
            owners.append(cable)
    return Topology(
        hosts=tuple(hosts),
        switches=tuple(switches),
        names=tuple(names),
        ends=tuple(ends),
        rates=tuple(cable.rate for cable in owners),
        latencies=tuple(cable.latency for cable in owners),
        path=path_over(arcs, onward or FewestHops(len(nodes), arcs), nodes),
        both_ways=frozenset(both),
        bursts=tuple(cable.burst for cable in owners) if any(cable.burst for cable in cables) else (),
        places=places or (lambda: circle(len(nodes))),
        halves=halves or halves_in_order,
    )


def _ways(cable: Cable) -> list[tuple[int, int, str]]:
    one, other, *_ = cable
    if cable.duplex == "half":
        return [(one, other, "both")]
    return [(one, other, "up"), (other, one, "down")][: 1 if cable.duplex == "simplex" else 2]
