"""Ring all-reduce (Patarasuk, Yuan: Bandwidth optimal all-reduce algorithms, JPDC 69, 2009)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netsim.collectives.rounds import Collective, Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Ring(Collective):
    """Reduce-scatter, then all-gather, in 2 (n - 1) steps round a ring; every port carries 2 (n - 1) / n of the buffer.

    In each step every rank sends one of n pieces to its right neighbour::

        0 -> 1 -> 2 -> ... -> n-1 -> 0
    """

    def pieces(self, ranks: int) -> int:
        return ranks

    def rounds(self, ranks: int) -> Iterator[Round]:
        rank = np.arange(ranks)
        for step in range(2 * (ranks - 1)):
            yield Round.of(rank, (rank + 1) % ranks, first=(rank - step) % ranks, add=step < ranks - 1)

    def messages(self, ranks: int, *, enough: float = float("inf")) -> int:
        """2 n (n - 1)."""
        return 2 * ranks * (ranks - 1)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 (n - 1) (a + S / (n B)) + (n - 1) S / (n G) in one lane. With m lanes of pieces c = S / (n m B) a step
        takes a + c, or m c where the port is never idle; the last lane ends m c + a after the last step began."""
        if ranks == 1:
            return 0.0
        lanes = self.lanes(nbytes)
        if reduction_rate is not None and lanes > 1:
            return None
        piece = nbytes / (ranks * lanes) / link.rate
        step = max(lanes * piece, link.latency + piece)
        adding = 0.0 if reduction_rate is None else (ranks - 1) * nbytes / ranks / reduction_rate
        return (2 * ranks - 3) * step + lanes * piece + link.latency + adding
