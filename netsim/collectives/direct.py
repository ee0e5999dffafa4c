"""Direct all-reduce: everyone to everyone, twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netsim.collectives.rounds import Collective, Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Direct(Collective):
    """Rank i gets piece i from everyone, adds, and gives the sum to everyone: two steps, n (n - 1) messages each.

    Each rank begins with its right neighbour and goes round, so that nobody is everybody's first.
    """

    def pieces(self, ranks: int) -> int:
        return ranks

    def rounds(self, ranks: int) -> Iterator[Round]:
        if ranks == 1:
            return
        rank, turn = np.divmod(np.arange(ranks * (ranks - 1)), ranks - 1)
        other = (rank + turn + 1) % ranks
        yield Round.of(rank, other, first=other, add=True)
        yield Round.of(rank, other, first=rank, add=False)

    def messages(self, ranks: int, *, enough: float = float("inf")) -> int:
        """2 n (n - 1)."""
        return 2 * ranks * (ranks - 1)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 (a + (n - 1) S / (n B)) + (n - 1) S / (n G). In one lane."""
        if self.lanes(nbytes) > 1:
            return None
        moved = (ranks - 1) / ranks * nbytes
        adding = 0.0 if reduction_rate is None else moved / reduction_rate
        return 2 * (link.latency + moved / link.rate) + adding if ranks > 1 else 0.0
