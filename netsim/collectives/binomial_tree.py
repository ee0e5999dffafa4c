"""Binomial tree all-reduce (Thakur, Rabenseifner, Gropp: Optimization of collective communication operations, 2005)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netsim.collectives.rounds import Collective, IntArray, Operation, Round, steps
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class BinomialTree(Collective):
    """Reduce to rank 0 in ceil(log2 n) steps, each of which halves who still holds a sum; then broadcast likewise.

    For n = 8, upwards (downwards the arrows turn)::

        1 -> 0   3 -> 2   5 -> 4   7 -> 6
        2 -> 0            6 -> 4
        4 -> 0
    """

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "broadcast", "reduce", "gather", "scatter", "barrier")

    def pieces(self, ranks: int) -> int:
        return ranks if self.operation in ("gather", "scatter") else 1

    def rounds(self, ranks: int) -> Iterator[Round]:
        distances = [1 << step for step in range(steps(ranks))]
        if self.reduces or self.operation == "gather":
            for distance in distances:
                parent, first, count = self._subtrees(ranks, distance)
                yield Round.of(parent + distance, parent, first=first, count=count, add=self.reduces)
        if self.spreads or self.operation == "scatter":
            for distance in reversed(distances):
                parent, first, count = self._subtrees(ranks, distance)
                yield Round.of(parent, parent + distance, first=first, count=count, add=False)

    def _subtrees(self, ranks: int, distance: int) -> tuple[IntArray, IntArray | int, IntArray | int]:
        """Who has a child at that distance, and which pieces go to or come from it: those of the child's subtree, or
        the whole buffer where it is one piece."""
        parent = np.arange(0, ranks - distance, 2 * distance)
        if self.pieces(ranks) == 1:
            return parent, 0, 1
        return parent, parent + distance, np.minimum(distance, ranks - parent - distance)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 ceil(log2 n) (a + S / B) + ceil(log2 n) S / G for any n, in one lane; half of the first, and the second
        where it adds, for half of it. Gather and scatter for n = 2^p: p a + (n - 1) S / (n B); for others less."""
        if self.lanes(nbytes, ranks) > 1:
            return None
        if self.operation in ("gather", "scatter"):
            moved = (ranks - 1) / ranks * nbytes
            return steps(ranks) * link.latency + moved / link.rate if ranks & (ranks - 1) == 0 else None
        adding = nbytes / reduction_rate if reduction_rate and self.reduces else 0.0
        return steps(ranks) * ((self.reduces + self.spreads) * (link.latency + nbytes / link.rate) + adding)

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """2 (n - 1) S, half of that for half of it; in gather and scatter, a piece moves once for each set bit."""
        if self.operation in ("gather", "scatter"):
            return sum(rank.bit_count() for rank in range(ranks)) * nbytes / ranks
        return super().wire_bytes(ranks, nbytes)
