"""Two-dimensional torus all-reduce (Mikami et al.: Massively distributed SGD, 2018; Ying et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Interval

from netsim.collectives._dimensions import AlongDimensions, near_factors
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective


@dataclass(frozen=True, kw_only=True)
class Torus2D(AlongDimensions):
    """Reduce-scatter along rows, all-reduce along columns, all-gather along rows, each as a ring.

    For n = 8::

        0 -> 1 -> 0    2 -> 3 -> 2    4 -> 5 -> 4    6 -> 7 -> 6     rows of 2: the buffer, in halves
        0 -> 2 -> 4 -> 6 -> 0         1 -> 3 -> 5 -> 7 -> 1          columns of 4: a half, in eighths; then back

    rows: how many; by default as near to a square as n allows, with no more columns than rows.
    Closed form: 2 (rows + columns - 2) a + 2 (n - 1) S / (n B) + (n - 1) S / (n G).
    """

    each: ClassVar[Collective] = Ring()

    rows: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None

    def grid(self, ranks: int) -> tuple[int, ...]:
        return near_factors(ranks, 2) if self.rows is None else (self.rows, max(1, ranks // self.rows))
