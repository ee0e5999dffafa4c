"""The line: a ring that does not close."""

from __future__ import annotations

from collections.abc import Sequence

from netsim.topologies._grids import grid
from netsim.topologies.base import Host, Topology


def line(hosts: Sequence[Host]) -> Topology:
    """Every host linked to the next one; the first and the last have one neighbour."""
    return grid(hosts, (len(hosts),), wraps=False)
