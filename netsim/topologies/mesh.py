"""The mesh: a torus whose rows and columns do not close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen

from netsim.topologies._grids import Size, grid
from netsim.topologies.base import Host, Topology


def mesh(hosts: Sequence[Host], *, dims: Annotated[tuple[Size, ...], MinLen(1)] | None = None) -> Topology:
    """Hosts on a grid of any number of dimensions, each linked to its neighbours along each; rows end at the edge.

    dims: hosts along each dimension, the last one fastest; by default two, as near to a square as may be.
    Routes go along the first dimension first.
    """
    return grid(hosts, dims, wraps=False)
