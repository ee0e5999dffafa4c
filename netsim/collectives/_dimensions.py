"""Collectives along the dimensions of a grid of ranks, one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar

from netsim.collectives.hierarchical import Hierarchical
from netsim.collectives.rounds import Collective, IntArray, Operation, Round
from netsim.errors import ScenarioError
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class AlongDimensions(Collective):
    """The same kind along each dimension, the last one first: a hierarchy of hierarchies of it."""

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "reduce_scatter", "all_gather", "barrier")
    each: ClassVar[Collective]  # what runs along one dimension

    def grid(self, ranks: int) -> tuple[int, ...]:
        """How many ranks there are along each dimension; neighbours of the last one have neighbouring numbers."""
        raise NotImplementedError

    def fit(self, ranks: int) -> None:
        grid = self.grid(ranks)
        if math.prod(grid) != ranks:
            told = f"{' x '.join(map(str, grid))} are {math.prod(grid)} ranks, not {ranks}"
            raise ScenarioError(told, path="dims" if len(grid) != 2 else "rows")
        super().fit(ranks)

    def _nested(self, ranks: int) -> Collective:
        others = self.grid(ranks)[1:]
        whole: Collective = reduce(
            lambda between, size: Hierarchical(per_host=size, inside=self.each, between=between), others, self.each
        )
        return replace(whole, operation=self.operation)

    def pieces(self, ranks: int) -> int:
        return self._nested(ranks).pieces(ranks)

    def owners(self, ranks: int) -> IntArray:
        return self._nested(ranks).owners(ranks)

    def rounds(self, ranks: int) -> Iterator[Round]:
        return self._nested(ranks).rounds(ranks)

    def fan(self, ranks: int) -> int:
        return max(self.each.fan(size) for size in self.grid(ranks))

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """The sum of the closed forms along each dimension, each on what is left of the buffer. In one lane."""
        if self.lanes(nbytes, ranks) > 1:
            return None
        return self._nested(ranks).ideal_time(ranks, nbytes, link, reduction_rate)


def near_factors(number: int, count: int) -> tuple[int, ...]:
    """So many whole numbers with that product, the largest first, each as near as may be to an equal share.

    >>> near_factors(64, 3), near_factors(12, 2), near_factors(7, 3)
    ((4, 4, 4), (4, 3), (7, 1, 1))
    """
    factors: list[int] = []
    for left in range(count, 1, -1):
        most = round(number ** (1 / left))
        factors.append(next(size for size in range(max(1, most), 0, -1) if number % size == 0))
        number //= factors[-1]
    return tuple(sorted([*factors, number], reverse=True))
