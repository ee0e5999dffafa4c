"""Tree all-reduce: reduce to the root of a k-ary tree, then broadcast from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from netsim.collectives._libraries import NCCL_TREE, Library, Segments
from netsim.collectives.rounds import Collective, Operation, Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Tree(Collective):
    """Reduce up and broadcast down a k-ary tree; children share their parent's port, which carries k times the buffer
    each way. Slices are the segments of a pipelined tree.

    Nodes are numbered level by level. For arity 2::

               0
             /   \\
            1     2
           / \\   / \\
          3   4 5   6
    """

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "broadcast", "reduce", "barrier")
    segments: ClassVar[dict[Library, Segments]] = {"nccl": NCCL_TREE}

    arity: Annotated[int, Interval(ge=1, le=1_000_000)] = 2

    def rounds(self, ranks: int) -> Iterator[Round]:
        levels = self._levels(ranks)
        if self.reduces:
            for children in reversed(levels):
                yield Round.of(children, (children - 1) // self.arity, add=True)
        if self.spreads:
            for children in levels:
                yield Round.of((children - 1) // self.arity, children, add=False)

    def fan(self, ranks: int) -> int:
        return self.arity

    def _levels(self, ranks: int) -> list[np.ndarray]:
        """The ranks of each level below the root."""
        levels, first, size = [], 1, self.arity
        while first < ranks:
            levels.append(np.arange(first, min(first + size, ranks)))
            first, size = first + size, size * self.arity
        return levels

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 depth (a + k S / B) + depth k S / G for a full tree in one lane, and `_with_gaps` for others without
        reduction. With m segments of t = k S / (m B), a full tree takes 2 depth (a + t) + (m - 1) t as long as no
        inner node still sends upwards when it begins to send downwards: m t <= 2 (a + t). One way, for a broadcast or a
        reduction, is half of it."""
        depth, lanes, phases = len(self._levels(ranks)), self.lanes(nbytes, ranks), self.reduces + self.spreads
        segment = self.arity * nbytes / lanes / link.rate
        if ranks < sum(self.arity**level for level in range(depth + 1)):
            one = lanes == 1 and reduction_rate is None
            return self._with_gaps(ranks, nbytes / link.rate, link.latency) if one else None
        if lanes == 1:
            adding = self.arity * nbytes / reduction_rate if reduction_rate and self.reduces else 0.0
            return depth * (phases * (link.latency + segment) + adding)
        if not self.all_at_once(nbytes, ranks):
            return None
        if reduction_rate is not None or (phases > 1 and depth > 1 and lanes * segment > 2 * (link.latency + segment)):
            return None
        return phases * depth * (link.latency + segment) + (lanes - 1) * segment if depth else 0.0

    def _with_gaps(self, ranks: int, message: float, latency: float) -> float:
        """A node has its children's sum when the last has come: its port works without a pause from the i-th earliest
        on if the later ones are waiting by then, so that is the largest of start_i + (children from i on) S / B.
        Downwards, all children of a node have the buffer a + (its children) S / B after the node."""
        arity = self.arity
        children = [range(node * arity + 1, min(node * arity + arity + 1, ranks)) for node in range(ranks)]
        ready = [0.0] * ranks
        for node in reversed(range(ranks)):
            starts = sorted(ready[child] for child in children[node])
            ends = [start + (len(starts) - i) * message + latency for i, start in enumerate(starts)]
            ready[node] = max(ends, default=0.0)
        if not self.reduces:
            ready = [0.0] * ranks
        for node in range(ranks if self.spreads else 0):
            for child in children[node]:
                ready[child] = ready[node] + latency + len(children[node]) * message
        return max(ready)
