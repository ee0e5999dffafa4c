"""BCube all-reduce, as Gloo's (gloo/allreduce_bcube.h), for networks of Guo et al.: BCube, SIGCOMM 2009."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from netsim.collectives._dimensions import AlongDimensions
from netsim.collectives.direct import Direct
from netsim.collectives.rounds import Collective


@dataclass(frozen=True, kw_only=True)
class Bcube(AlongDimensions):
    """Groups of `base` ranks swap and add parts of their buffer, all pairs at once; then groups of ranks `base` apart
    on what is left, and so on, and the same way back: 2 log_base n steps.

    For n = 4, base 2::

        0 <-> 1   2 <-> 3    halves
        0 <-> 2   1 <-> 3    quarters; then back

    Where n is no power of base, the last groups have as many ranks as are left to divide by.
    Closed form: 2 a a dimension, and 2 (n - 1) S / (n B) + (n - 1) S / (n G).
    """

    each: ClassVar[Collective] = Direct()

    base: Annotated[int, Interval(ge=2, le=1_000_000)] = 2

    def grid(self, ranks: int) -> tuple[int, ...]:
        sizes = []
        while ranks % self.base == 0:
            ranks //= self.base
            sizes.append(self.base)
        return (ranks, *sizes) if ranks > 1 or not sizes else tuple(sizes)
