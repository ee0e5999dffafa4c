"""All-reduce along the dimensions of a torus (Chan, Heimlich, Purkayastha, van de Geijn 2007, on meshes; TPU pods)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netsim.collectives._dimensions import AlongDimensions, near_factors
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective


@dataclass(frozen=True, kw_only=True)
class Torus(AlongDimensions):
    """Rings along each dimension in turn: the bytes of one ring in far fewer steps, the sum of 2 (d - 1).

    Reduce-scatter along the last dimension, then along the one before on what is left of the buffer, and so on; then
    all-gathers the same way back. For n = 8 as 2 x 2 x 2::

        0 <-> 1   2 <-> 3   4 <-> 5   6 <-> 7    the buffer, in halves
        0 <-> 2   1 <-> 3   4 <-> 6   5 <-> 7    a half, in quarters
        0 <-> 4   1 <-> 5   2 <-> 6   3 <-> 7    a quarter, in eighths; then back

    dims: how many ranks along each dimension, the last one fastest; by default three, as near as n allows.
    Closed form: 2 a sum of (d - 1) over the dimensions, and 2 (n - 1) S / (n B) + (n - 1) S / (n G).
    """

    each: ClassVar[Collective] = Ring()

    dims: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dims is not None and not (self.dims and all(size >= 1 for size in self.dims)):
            raise ValueError("dims must be numbers of ranks, each at least 1")

    def grid(self, ranks: int) -> tuple[int, ...]:
        return self.dims or near_factors(ranks, 3)
