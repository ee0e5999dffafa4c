"""The torus: a grid whose rows and columns close to rings, as in TPU pods and Blue Gene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import MinLen

from netsim.topologies._grids import Size, grid
from netsim.topologies.base import Host, Topology


def torus(hosts: Sequence[Host], *, dims: Annotated[tuple[Size, ...], MinLen(1)] | None = None) -> Topology:
    """Hosts on a grid of any number of dimensions, each linked to two neighbours along each; rows close to rings.

    dims: hosts along each dimension, the last one fastest; by default two, as near to a square as may be.
    Routes go along the first dimension first, the shorter way round, and upwards where both are as short.
    """
    return grid(hosts, dims, wraps=True)
