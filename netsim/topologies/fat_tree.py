"""The k-ary fat tree: three levels of switches with k ports each (Al-Fares, Loukissas, Vahdat 2008)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated

from netsim.errors import ScenarioError
from netsim.presets import ALink
from netsim.topologies import _places
from netsim.topologies._routes import turned
from netsim.topologies._wiring import Cable, between_switches, fabric_link, to_switch, wired
from netsim.topologies.base import Host, Topology
from netsim.units import Count

Ports = Annotated[int, Count("a number of ports", at_least=2, at_most=400)]


def fat_tree(hosts: Sequence[Host], *, k: Ports | None = None, link: ALink | None = None) -> Topology:
    """k pods of k/2 edge and k/2 aggregation switches, k/2 hosts an edge switch, (k/2)^2 core switches: full bisection.

    k: ports of each switch, an even number; by default the smallest that has a port for each host. Hosts fill the edge
    switches one after another. link: between switches, by default as the fastest host's.
    Of equally short ways up, a message takes the one that belongs to its destination's place (D-mod-k: Zahavi 2012), so
    that each host is reached over switches and links that no other host of its pod or edge switch is reached over.
    """
    k = _fitting(len(hosts), k)
    half, count, fabric = k // 2, len(hosts), fabric_link(link, hosts)
    edge, aggregation, core = count, count + k * half, count + 2 * k * half  # the first switch of each level

    def onward(at: int, dst: int) -> Sequence[int]:
        place, pod = dst // half, dst // (half * half)  # of the destination: its edge switch, its pod
        if at < edge:
            return [edge + at // half]
        if at < aggregation:
            if at - edge == place:
                return [dst]
            first = aggregation + (at - edge) // half * half
            return turned(range(first, first + half), dst)
        if at < core:
            mine, column = divmod(at - aggregation, half)
            if mine == pod:
                return [edge + place]
            return turned(range(core + column * half, core + (column + 1) * half), dst // half)
        return [aggregation + pod * half + (at - core) // half]

    def cables() -> Iterator[Cable]:
        for host in range(count):
            yield to_switch(hosts, host, edge + host // half)
        for switch in range(k * half):
            for port in range(half):
                yield between_switches(fabric, edge + switch, aggregation + switch // half * half + port)
        for switch in range(k * half):
            for port in range(half):
                yield between_switches(fabric, aggregation + switch, core + switch % half * half + port)

    levels = (("edge", k * half), ("aggregation", k * half), ("core", half * half))
    switches = [f"{level}{number}" for level, size in levels for number in range(size)]
    return wired(
        hosts,
        switches,
        list(cables()),
        onward,
        places=lambda: _places.tree(count, k * half * half, *(size for _, size in levels)),
    )


def _fitting(hosts: int, k: int | None) -> int:
    smallest = next(ports for ports in itertools.count(2, 2) if ports**3 // 4 >= hosts)
    if k is None:
        return smallest
    if k % 2:
        raise ScenarioError(f"{k} is odd; half of a switch's ports go up, so that {k + 1} would do", path="k")
    if k < smallest:
        told = f"switches of {k} ports make a tree for {k**3 // 4} hosts, but there are {hosts}; {smallest} would do"
        raise ScenarioError(told, path="k")
    return k
