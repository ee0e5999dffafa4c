"""Binomial tree all-reduce (Thakur, Rabenseifner, Gropp: Optimization of collective communication operations, 2005)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netsim.collectives.rounds import Collective, Round, steps
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class BinomialTree(Collective):
    """Reduce to rank 0 in ceil(log2 n) steps that halve the ranks still holding partial sums, then broadcast likewise.

    For n = 8, upwards (downwards the arrows turn)::

        1 -> 0   3 -> 2   5 -> 4   7 -> 6
        2 -> 0            6 -> 4
        4 -> 0
    """

    def rounds(self, ranks: int) -> Iterator[Round]:
        distances = [1 << step for step in range(steps(ranks))]
        for distance in distances:
            parent = np.arange(0, ranks - distance, 2 * distance)
            yield Round.of(parent + distance, parent, add=True)
        for distance in reversed(distances):
            parent = np.arange(0, ranks - distance, 2 * distance)
            yield Round.of(parent, parent + distance, add=False)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 ceil(log2 n) (a + S / B) + ceil(log2 n) S / G for any n, in one lane."""
        if self.lanes(nbytes) > 1:
            return None
        adding = 0.0 if reduction_rate is None else nbytes / reduction_rate
        return steps(ranks) * (2 * (link.latency + nbytes / link.rate) + adding)
