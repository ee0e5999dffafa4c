"""The hypercube: hosts whose numbers differ in one bit are neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from netsim.errors import ScenarioError
from netsim.topologies import _places
from netsim.topologies._wiring import direct, wired
from netsim.topologies.base import Host, Topology


def hypercube(hosts: Sequence[Host]) -> Topology:
    """A link between any two hosts whose numbers differ in one binary digit; their count is a power of two.

    Routes set right the lowest differing digit first.
    """
    count = len(hosts)
    bits = [1 << bit for bit in range((count - 1).bit_length())]
    if count != 1 << len(bits):
        raise ScenarioError(f"{count} hosts are no power of two; {1 << len(bits) >> 1} or {1 << len(bits)} would do")

    def onward(at: int, dst: int) -> list[int]:
        return [at ^ bit for bit in bits if (at ^ dst) & bit]

    def places() -> list[_places.Place]:
        return _places.cube([[int(host & bit > 0) for bit in bits] for host in range(count)])

    cables = [direct(hosts, host, host | bit) for host in range(count) for bit in bits if not host & bit]
    return wired(hosts, (), cables, onward, places=places)
