"""Ring all-reduce (Patarasuk, Yuan: Bandwidth optimal all-reduce algorithms, JPDC 69, 2009)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netsim.collectives._flights import Leg, Legs, in_loops
from netsim.collectives._libraries import GLOO_RING, NCCL_RING, OPENMPI_RING, Library, Segments
from netsim.collectives.binomial_tree import BinomialTree
from netsim.collectives.rounds import Collective, IntArray, Operation, Round
from netsim.errors import ScenarioError
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Ring(Collective):
    """Reduce-scatter, then all-gather, in 2 (n - 1) steps round a ring; every port carries 2 (n - 1) / n of the buffer.

    In each step every rank sends one of n pieces to its right neighbour::

        0 -> 1 -> 2 -> ... -> n-1 -> 0

    A broadcast is a binomial scatter and the ring's all-gather (van de Geijn), a reduction its mirror image.

    two_way: every other piece goes round the other way at the same time, so that a cable carries both directions.
    order: the ranks as they stand in the ring, where it is not 0, 1, 2, ...
    """

    operations: ClassVar[tuple[Operation, ...]] = (
        *("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "barrier"),
    )
    segments: ClassVar[dict[Library, Segments]] = {"nccl": NCCL_RING, "gloo": GLOO_RING, "openmpi": OPENMPI_RING}

    two_way: bool = False
    order: tuple[int, ...] | None = None

    def fit(self, ranks: int) -> None:
        super().fit(ranks)
        if self.order is not None and sorted(self.order) != list(range(ranks)):
            raise ScenarioError(f"it must name each of the ranks 0 to {ranks - 1} once", path="order")
        if self._rooted and (self.two_way or self.order is not None):
            raise ScenarioError(f"{self.operation} goes one way, in the order of the ranks", path="operation")

    def pieces(self, ranks: int) -> int:
        return 2 * ranks if self.two_way else ranks

    def owners(self, ranks: int) -> IntArray:
        return np.repeat(self._places(ranks), 2 if self.two_way else 1)

    def rounds(self, ranks: int) -> Iterator[Round]:
        if ranks == 1:
            return
        place, rank, ways = np.arange(ranks), self._places(ranks), 2 if self.two_way else 1
        if self.operation == "broadcast":
            yield from BinomialTree(operation="scatter").rounds(ranks)
        for add in [True] * self.reduces + [False] * self.spreads:
            late = 1 if add else 0  # what a rank sends first: its left neighbour's piece, then the sum that it has
            steps, first = ranks - 1, ways * ((place - late) % ranks)
            yield Round.of(rank, np.roll(rank, -1), first=first, add=add, times=steps, shift=-ways)
            if self.two_way:
                first = ways * ((place + late) % ranks) + 1
                yield Round.of(rank, np.roll(rank, 1), first=first, add=add, lane=1, times=steps, shift=ways)
        if self.operation == "reduce":
            yield from BinomialTree(operation="gather").rounds(ranks)

    @property
    def _rooted(self) -> bool:
        return self.operation in ("broadcast", "reduce")

    def legs(self, nbytes: float, ranks: int) -> Legs:
        """Hosts of a tree have several neighbours, whose steps may end in another order than they begin: there all
        slices of a library are under way."""
        legs, slices = super().legs(nbytes, ranks), self.lanes(nbytes, ranks)
        return in_loops(slices, slices) if self._rooted and legs[0].by_step else legs

    def waits_for_each_word(self, ranks: int) -> bool:
        """Ranks are in step, where no message goes the same way as a word on the same connection."""
        return ranks > 2 and not self.two_way and not self._rooted

    def _places(self, ranks: int) -> IntArray:
        """Which rank stands at each place of the ring."""
        return np.arange(ranks) if self.order is None else np.asarray(self.order)

    def messages(self, ranks: int, *, enough: float = float("inf")) -> int:
        """2 n (n - 1), n (n - 1) for half of it; twice as many where the halves go two ways; n - 1 more with a root."""
        steps = (self.reduces + self.spreads) * (ranks - 1) * (2 if self.two_way else 1)
        return steps * ranks + (ranks - 1) * self._rooted

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 (n - 1) (a + S / (n B)) + (n - 1) S / (n G) in one lane; half of the first, and the second where it adds,
        for half of it. m lanes have pieces c = S / (n m B). Of N steps at a port with w under way, the i-th begins when
        the (i - w)-th is done: after floor((N - 1) / w) times a + c, or w c where the port is never idle, the last
        ones pass, and wait out a. All legs of slices add up so. Two ways share the ports of a star, and win nothing."""
        if ranks == 1:
            return 0.0
        if self._rooted:
            return self._with_root(ranks, nbytes, link, reduction_rate)
        lanes, legs = self.lanes(nbytes, ranks), self.legs(nbytes, ranks)
        if self.two_way and (lanes > 1 or ranks == 2 or reduction_rate is not None):
            return None
        if reduction_rate is not None and max(leg.at_most for leg in legs if leg.adds is not False) > 1:
            return None
        piece = nbytes / (ranks * lanes) / link.rate
        adding = (ranks - 1) * nbytes / ranks / reduction_rate if reduction_rate and self.reduces else 0.0
        return math.fsum(self._leg_time(leg, ranks, lanes, piece, link.latency) for leg in legs) + adding

    def _leg_time(self, leg: Leg, ranks: int, lanes: int, piece: float, latency: float) -> float:
        """Seconds of a leg; `piece`: that a slice of a piece passes a port."""
        rounds = (ranks - 1) * (self.reduces * (leg.adds is not False) + self.spreads * (leg.adds is not True))
        if leg.abreast:
            return rounds * (latency + lanes * piece)
        loop = lanes if leg.by_step else leg.at_most
        loops, rest = divmod(lanes, loop)
        last = _passed(rounds * rest, rest, piece, latency)
        return loops * _passed(rounds * loop, leg.at_most, piece, latency) + last

    def _with_root(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None) -> float | None:
        """(log2 n + n - 1) a + 2 (n - 1) S / (n B), and (n - 1) S / (n G) for adding, for n = 2^p in one lane."""
        tree = BinomialTree(operation="scatter").ideal_time(ranks, nbytes, link)
        if tree is None or self.lanes(nbytes, ranks) > 1:
            return None
        moved = (ranks - 1) / ranks * nbytes
        adding = moved / reduction_rate if reduction_rate and self.reduces else 0.0
        return tree + (ranks - 1) * link.latency + moved / link.rate + adding

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """2 (n - 1) S, (n - 1) S for half of it; and the tree's where there is a root."""
        tree = BinomialTree(operation="scatter").wire_bytes(ranks, nbytes) if self._rooted else 0.0
        return super().wire_bytes(ranks, nbytes) + tree


def _passed(steps: int, at_once: int, piece: float, latency: float) -> float:
    """Seconds until so many steps of a port are done, each of which takes a piece's time and waits out the latency."""
    if steps == 0:
        return 0.0
    turns, rest = divmod(steps - 1, at_once)
    return turns * max(at_once * piece, latency + piece) + (rest + 1) * piece + latency
