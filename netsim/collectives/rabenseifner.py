"""Rabenseifner's all-reduce for any number of ranks (Rabenseifner: Optimization of collective reduction operations,
ICCS 2004, section 2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netsim.collectives._folding import core_and_rest
from netsim.collectives.halving_doubling import HalvingDoubling
from netsim.collectives.rounds import Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class Rabenseifner(HalvingDoubling):
    """Recursive halving and doubling; where n is no power of two, the first ranks fold in pairs that share the adding.

    For n = 6::

        0 <-> 1   2 <-> 3              each adds one half for both
        1 -> 0    3 -> 2               and the even ones get the other half: a power of two goes on, 0 2 4 5
        0 <-> 2   4 <-> 5              a half of the buffer
        0 <-> 4   2 <-> 5              a quarter of it; then back
        0 -> 1    2 -> 3               the sum
    """

    def rounds(self, ranks: int) -> Iterator[Round]:
        core, rest = core_and_rest(ranks)
        even = 2 * np.arange(rest)
        if rest:
            half = core // 2
            pair, other = np.concatenate([even, even + 1]), np.concatenate([even + 1, even])
            yield Round.of(pair, other, first=np.repeat([half, 0], rest), count=half, add=True)
            yield Round.of(even + 1, even, first=half, count=half, add=False)
        yield from self._within(np.concatenate([even, np.arange(2 * rest, ranks)]))
        if rest:
            yield Round.of(even, even + 1, count=core, add=False)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 p a + 2 (n - 1) S / (n B) + (n - 1) S / (n G) for n = 2^p; beyond a power of two, 3 a + 2 S / B + S / (2 G)
        more. In one lane."""
        core, rest = core_and_rest(ranks)
        inner = super().ideal_time(core, nbytes, link, reduction_rate)
        if inner is None or self.lanes(nbytes, ranks) > 1:
            return None
        adding = nbytes / 2 / reduction_rate if reduction_rate else 0.0
        return inner + (3 * link.latency + 2 * nbytes / link.rate + adding if rest else 0.0)

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """2 (n - 1) S for n = 2^p; beyond it, S / 2 more for each pair, which swaps halves."""
        rest = core_and_rest(ranks)[1]
        return super().wire_bytes(ranks, nbytes) + rest * nbytes / 2
