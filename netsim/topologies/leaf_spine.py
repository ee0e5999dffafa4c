"""Leaves and spines: two levels of switches, with as much or as little between them as one pays for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.presets import ALink
from netsim.topologies import _places
from netsim.topologies._routes import turned
from netsim.topologies._wiring import Cable, between_switches, fabric_link, to_switch, wired
from netsim.topologies.base import Host, Topology
from netsim.units import Count, Number

Switches = Annotated[int, Count("a number of switches", at_most=100_000)]
Hosts = Annotated[int, Count("a number of hosts", at_most=1_000_000)]


def leaf_spine(
    hosts: Sequence[Host],
    *,
    per_leaf: Hosts | None = None,
    spines: Switches | None = None,
    oversubscription: Annotated[float, Number("a ratio", at_least=0.001, at_most=1000)] | None = None,
    link: ALink | None = None,
) -> Topology:
    """Hosts on leaf switches, each of which is linked to every spine switch; oversubscribed as asked for.

    per_leaf: hosts a leaf, by default about the root of their number. Hosts fill the leaves one after another.
    oversubscription: the rates of a full leaf's hosts over those of its links up, by default 1; or give `link`, that
    between a leaf and a spine. spines: by default as many as give links up the rate of a host's.
    Of the spines, a message takes number (destination modulo spines).
    """
    if link and oversubscription is not None:
        raise ScenarioError("is what link and spines make it; leave one of them out", path="oversubscription")
    per_leaf = per_leaf or math.ceil(math.sqrt(len(hosts)))
    spines = spines or math.ceil(per_leaf / (oversubscription or 1))
    fabric = fabric_link(link, hosts) if link else _uplink(hosts, per_leaf, spines, oversubscription or 1)
    count, leaves = len(hosts), math.ceil(len(hosts) / per_leaf)
    leaf, spine = count, count + leaves  # the first switch of each level

    def onward(at: int, dst: int) -> Sequence[int]:
        mine = leaf + dst // per_leaf
        if at < leaf:
            return [leaf + at // per_leaf]
        if at < spine and at != mine:
            return turned(range(spine, spine + spines), dst)
        return [dst] if at == mine else [mine]

    def cables() -> Iterator[Cable]:
        for host in range(count):
            yield to_switch(hosts, host, leaf + host // per_leaf)
        for one in range(leaves):
            for other in range(spines):
                yield between_switches(fabric, leaf + one, spine + other)

    switches = [*(f"leaf{number}" for number in range(leaves)), *(f"spine{number}" for number in range(spines))]
    return wired(
        hosts,
        switches,
        list(cables()),
        onward,
        places=lambda: _places.tree(count, leaves * per_leaf, leaves, spines),
    )


def _uplink(hosts: Sequence[Host], per_leaf: int, spines: int, oversubscription: float) -> Link:
    """Rate such that the leaf with the most has so many times as much below it as above."""
    rates = [host.link.rate for host in hosts]
    most = max(math.fsum(rates[first : first + per_leaf]) for first in range(0, len(rates), per_leaf))
    if len(rates) < per_leaf:
        most *= per_leaf / len(rates)
    return replace(fabric_link(None, hosts), rate=most / spines / oversubscription)
