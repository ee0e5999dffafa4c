"""The complete graph: a cable between any two hosts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from netsim.topologies._places import circle
from netsim.topologies._wiring import direct, wired
from netsim.topologies.base import Host, Topology


def fully_connected(hosts: Sequence[Host]) -> Topology:
    """A link of its own between any two hosts, so that no two pairs share one."""
    cables = [direct(hosts, one, other) for one, other in combinations(range(len(hosts)), 2)]
    return wired(hosts, (), cables, lambda at, dst: [dst], places=lambda: circle(len(hosts)))
