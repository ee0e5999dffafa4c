"""The dragonfly: groups of routers, each group linked to every other (Kim, Dally, Scott, Abts 2008)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Annotated

from netsim.errors import ScenarioError
from netsim.presets import ALink
from netsim.topologies import _places
from netsim.topologies._routes import FewestHops
from netsim.topologies._wiring import Cable, between_switches, fabric_link, to_switch, wired
from netsim.topologies.base import Host, Topology
from netsim.units import Count

Ports = Annotated[int, Count("a number of ports", at_most=1000)]


def dragonfly(
    hosts: Sequence[Host],
    *,
    per_router: Ports | None = None,
    routers: Ports | None = None,
    global_links: Ports | None = None,
    link: ALink | None = None,
    global_link: ALink | None = None,
) -> Topology:
    """Groups of routers that are all linked to one another; one link between any two groups.

    per_router: hosts a router (p); routers: in a group (a); global_links: ports of a router to other groups (h); by
    default a = 2 p = 2 h, the smallest such network that has room. There are as many groups as the hosts fill, at most
    a h + 1. link: between routers of a group, global_link: between groups; each by default as the fastest host's.
    A message goes to the router with the link to the other group, over it, and on; or a shorter way where there is one.
    """
    p, a, h = _sizes(len(hosts), per_router, routers, global_links)
    count, groups = len(hosts), math.ceil(len(hosts) / (p * a))
    local = fabric_link(link, hosts)
    wide = fabric_link(global_link, hosts)

    def gateway(group: int, other: int) -> int:
        """The router of a group that has its link to another one."""
        return count + group * a + ((other - group - 1) % groups) // h

    def cables() -> Iterator[Cable]:
        for host in range(count):
            yield to_switch(hosts, host, count + host // p)
        for group in range(groups):
            for one, other in combinations(range(a), 2):
                yield between_switches(local, count + group * a + one, count + group * a + other)
        for one, other in combinations(range(groups), 2):
            yield between_switches(wide, gateway(one, other), gateway(other, one))

    def onward(at: int, dst: int) -> Sequence[int]:
        """The next nodes on shortest ways over routers, first the one on the way over the groups' own link."""
        if at < count:
            return [count + at // p]
        home = count + dst // p
        if at == home:
            return [dst]
        here, there = (at - count) // a, (home - count) // a
        best = home if here == there else gateway(here, there)
        best = gateway(there, here) if best == at else best
        choices = over_routers(at - count, home - count)
        return sorted((count + each for each in choices), key=lambda each: each != best)

    switches = [f"group{number // a}.router{number % a}" for number in range(groups * a)]
    all_cables = list(cables())
    pairs = [(each.one - count, each.other - count) for each in all_cables if each.one >= count]
    over_routers = FewestHops(groups * a, dict.fromkeys([*pairs, *((other, one) for one, other in pairs)], 0))

    def places() -> list[_places.Place]:
        centres = _places.circle(groups, radius=groups * 0.9)
        size = 1.4 if groups > 1 else 1.0
        at = [place for centre in centres for place in _places.circle(a, radius=size, centre=centre)]
        half = (p - 1) / 2  # so that a router's hosts stand before it
        around = [_places.circle(a * p, radius=1.7 * size, centre=centre, turned=half) for centre in centres]
        return [*(around[host // (a * p)][host % (a * p)] for host in range(count)), *at]

    return wired(hosts, switches, all_cables, onward, places=places)


def _sizes(hosts: int, p: int | None, a: int | None, h: int | None) -> tuple[int, int, int]:
    """Hosts a router, routers a group, global links a router; ScenarioError where there is no room."""
    sizes = [(p or size, a or 2 * size, h or size) for size in range(1, round(hosts ** (1 / 4)) + 2)]
    found = next((each for each in sizes if _room(*each) >= hosts), None)
    if found is None:
        p, a, h = sizes[-1]
        told = f"has room for {_room(p, a, h)} hosts, {a * h + 1} groups of {a} routers with {p}; there are {hosts}"
        raise ScenarioError(told, path="global_links")
    return found


def _room(p: int, a: int, h: int) -> int:
    return p * a * (a * h + 1)
