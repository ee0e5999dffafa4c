"""One collective inside groups of ranks, another between the groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

import numpy as np

from netsim.collectives.rounds import Collective, IntArray, Operation, Round, unrolled
from netsim.hardware import Link


class Nested:
    """`groups` groups of `size` ranks, which are numbered group after group.

    Where `inside` can scatter, each rank reduces a part of the buffer within its group, all parts are all-reduced
    `between` the groups side by side, and the groups gather. Where it cannot, the first rank of each group has the sum
    of its group and all-reduces the whole buffer. Nothing of it happens where an operation leaves it out.
    """

    def __init__(
        self, inside: Collective, between: Collective, *, size: int, groups: int, operation: Operation
    ) -> None:
        self.size, self.groups, self.operation = size, groups, operation
        self.scatters = "reduce_scatter" in inside.operations
        self.up: Collective = replace(inside, operation="reduce_scatter" if self.scatters else "reduce")
        self.down: Collective = replace(inside, operation="all_gather" if self.scatters else "broadcast")
        self.between: Collective = replace(between, operation=operation)
        self.reduces, self.spreads = self.between.reduces, self.between.spreads

    def pieces(self) -> int:
        return self.up.pieces(self.size) * self.between.pieces(self.groups)

    def owners(self) -> IntArray:
        inner, outer = self.up.owners(self.size), self.between.owners(self.groups)
        return np.add.outer(inner, outer * self.size).ravel()

    def rounds(self) -> Iterator[Round]:
        parts, inner = self.between.pieces(self.groups), self.up.pieces(self.size)
        starts = np.arange(self.groups) * self.size
        for each in _in_one_lane(self.up, self.size) if self.reduces else ():
            yield self._side_by_side(each, each.first * parts, each.count * parts, starts, np.zeros_like(starts))
        for each in _in_one_lane(self.between, self.groups):
            ranks = Round.of(each.src * self.size, each.dst * self.size, add=each.add)
            if self.scatters:
                parted = _without_wrap(replace(each, src=ranks.src, dst=ranks.dst), parts)
                who, owned = self.up.owners(self.size), np.arange(inner)
                yield self._side_by_side(parted, parted.first, parted.count, who, owned * parts)
            else:
                yield replace(ranks, first=each.first * inner, count=each.count * inner)
        for each in _in_one_lane(self.down, self.size) if self.spreads else ():
            yield self._side_by_side(each, each.first * parts, each.count * parts, starts, np.zeros_like(starts))

    def _side_by_side(self, each: Round, first: IntArray, count: IntArray, ranks: IntArray, pieces: IntArray) -> Round:
        """The same round by many at once: each has its own offset of ranks and of pieces."""
        src, dst = (np.add.outer(ranks, ends).ravel() for ends in (each.src, each.dst))
        first, count = np.add.outer(pieces, first).ravel(), np.tile(count, len(ranks))
        return Round.of(src, dst, first=first, count=count, add=each.add)

    def ideal_time(self, nbytes: float, link: Link, reduction_rate: float | None) -> float | None:
        """The sum of the parts' closed forms: groups use ports of their own, and all end a part at the same moment."""
        part = nbytes / self.size if self.scatters else nbytes
        times = [self.between.ideal_time(self.groups, part, link, reduction_rate)]
        if self.reduces:
            times.append(self.up.ideal_time(self.size, nbytes, link, reduction_rate))
        if self.spreads:
            times.append(self.down.ideal_time(self.size, nbytes, link, reduction_rate))
        return None if None in times else math.fsum(time for time in times if time is not None)

    def wire_bytes(self, nbytes: float) -> float:
        """What the groups move inside, and what goes between them."""
        up, down = self.up.wire_bytes(self.size, nbytes), self.down.wire_bytes(self.size, nbytes)
        return self.groups * (self.reduces * up + self.spreads * down) + self.between.wire_bytes(self.groups, nbytes)


def _in_one_lane(collective: Collective, ranks: int) -> Iterator[Round]:
    """Lanes round by round, side by side, so that what comes after them waits for all."""
    lanes: dict[int, list[Round]] = defaultdict(list)
    for each in unrolled(collective.rounds(ranks), collective.pieces(ranks)):
        lanes[each.lane].append(each)
    for together in zip_longest(*lanes.values()):
        for add in (True, False):
            same = [each for each in together if each is not None and each.add == add]
            if same:
                names = ("src", "dst", "first", "count")
                src, dst, first, count = (np.concatenate([getattr(each, name) for each in same]) for name in names)
                yield Round.of(src, dst, first=first, count=count, add=add)


def _without_wrap(each: Round, pieces: int) -> Round:
    """The same transfers, those that go beyond the last piece as two, since a part of a buffer is no ring."""
    over = np.maximum(0, each.first + each.count - pieces)
    again = over > 0
    src, dst = (np.concatenate([ends, ends[again]]) for ends in (each.src, each.dst))
    first = np.concatenate([each.first, np.zeros(again.sum(), dtype=np.int64)])
    count = np.concatenate([each.count - over, over[again]])
    return Round.of(src, dst, first=first, count=count, add=each.add)
