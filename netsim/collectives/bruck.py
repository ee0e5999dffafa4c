"""Bruck's all-gather in ceil(log2 n) steps for any n (Bruck et al., IEEE TPDS 8(11), 1997), and its mirror image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netsim.collectives.rounds import Collective, Operation, Round, steps
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Bruck(Collective):
    """Pieces go round in doubling distances: ceil(log2 n) steps for any n, each with twice the pieces of the last.

    All-gather: in step k every rank gives the 2^k pieces that it has, from its own on, to the rank 2^k before it.
    Played backwards with adding, that is a reduce-scatter; both together are an all-reduce. For n = 5, and [pieces]::

        i -> i-1  [i]    i -> i-2  [i i+1]    i -> i-4  [i]
    """

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "reduce_scatter", "all_gather", "barrier")

    def pieces(self, ranks: int) -> int:
        return ranks

    def rounds(self, ranks: int) -> Iterator[Round]:
        rank, distances = np.arange(ranks), [1 << step for step in range(steps(ranks))]
        for distance in reversed(distances if self.reduces else []):
            count = min(distance, ranks - distance)
            yield Round.of((rank - distance) % ranks, rank, first=rank, count=count, add=True)
        for distance in distances if self.spreads else []:
            yield Round.of(
                rank, (rank - distance) % ranks, first=rank, count=min(distance, ranks - distance), add=False
            )

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 ceil(log2 n) a + 2 (n - 1) S / (n B) + (n - 1) S / (n G) for any n; half of the first two, and the third
        where it adds, for half of it. In one lane."""
        if self.lanes(nbytes, ranks) > 1:
            return None
        moved = (ranks - 1) / ranks * nbytes
        adding = moved / reduction_rate if reduction_rate and self.reduces else 0.0
        return (self.reduces + self.spreads) * (steps(ranks) * link.latency + moved / link.rate) + adding
