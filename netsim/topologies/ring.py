"""The ring: every host between two others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netsim.topologies._grids import grid
from netsim.topologies._places import circle
from netsim.topologies.base import Host, Topology


def ring(hosts: Sequence[Host]) -> Topology:
    """Every host linked to the next one, and the last to the first.

    Routes go the shorter way round; upwards where both are as short. It is a torus of one dimension.
    """
    return replace(grid(hosts, (len(hosts),), wraps=True), places=lambda: circle(len(hosts)))
