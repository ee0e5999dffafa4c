"""Direct exchange: everyone to everyone, all pairs at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netsim.collectives.rounds import Collective, Operation, Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Direct(Collective):
    """Rank i gets piece i from everyone, adds, and gives the sum to everyone: two steps, n (n - 1) messages each.

    Each rank begins with its right neighbour and goes round, so that nobody is everybody's first. In the operations
    with a root, all others talk to rank 0 at once::

        1 -> 0   2 -> 0   ...   n-1 -> 0
    """

    operations: ClassVar[tuple[Operation, ...]] = (
        *("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "all_to_all", "gather", "scatter"),
        "barrier",
    )

    @property
    def _rooted(self) -> bool:
        return self.operation in ("broadcast", "reduce", "gather", "scatter")

    def pieces(self, ranks: int) -> int:
        if self.operation in ("broadcast", "reduce"):
            return 1
        return ranks * ranks if self.operation == "all_to_all" else ranks

    def rounds(self, ranks: int) -> Iterator[Round]:
        if ranks == 1:
            return
        if self._rooted:
            other = np.arange(1, ranks)
            first = other if self.pieces(ranks) > 1 else 0
            inward = self.operation in ("reduce", "gather")
            yield Round.of(other if inward else 0, 0 if inward else other, first=first, add=self.reduces)
            return
        rank, turn = np.divmod(np.arange(ranks * (ranks - 1)), ranks - 1)
        other = (rank + turn + 1) % ranks
        if self.operation == "all_to_all":
            yield Round.of(rank, other, first=rank * ranks + other, add=False)
        if self.reduces:
            yield Round.of(rank, other, first=other, add=True)
        if self.spreads:
            yield Round.of(rank, other, first=rank, add=False)

    def fan(self, ranks: int) -> int:
        return max(1, ranks - 1)

    def messages(self, ranks: int, *, enough: float = float("inf")) -> int:
        """2 n (n - 1); half of that for half of it, n - 1 to or from a root."""
        if self._rooted:
            return ranks - 1
        return max(1, self.reduces + self.spreads) * ranks * (ranks - 1)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 (a + (n - 1) S / (n B)) + (n - 1) S / (n G), in one lane; without what an operation leaves out. A broadcast
        or reduction moves n - 1 buffers through the port of rank 0."""
        if self.lanes(nbytes, ranks) > 1:
            return None
        if ranks == 1:
            return 0.0
        moved = (ranks - 1) * nbytes / (1 if self.operation in ("broadcast", "reduce") else ranks)
        adding = moved / reduction_rate if reduction_rate and self.reduces else 0.0
        return max(1, self.reduces + self.spreads) * (link.latency + moved / link.rate) + adding
