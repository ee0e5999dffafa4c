"""Recursive doubling all-reduce (Thakur, Rabenseifner, Gropp 2005, section 4.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from netsim.collectives._folding import core_and_rest, fold, unfold
from netsim.collectives.rounds import Collective, Round
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class RecursiveDoubling(Collective):
    """Partners at distances 1, 2, 4, ... swap and add their whole buffers: few steps, many bytes.

    For n = 8::

        0 <-> 1   2 <-> 3   4 <-> 5   6 <-> 7
        0 <-> 2   1 <-> 3   4 <-> 6   5 <-> 7
        0 <-> 4   1 <-> 5   2 <-> 6   3 <-> 7

    Where n is no power of two, the ranks beyond it hand their buffers in first, and get the sum at the end.
    """

    def rounds(self, ranks: int) -> Iterator[Round]:
        core, rest = core_and_rest(ranks)
        yield from fold(core, rest, self.pieces(ranks))
        rank = np.arange(core)
        for step in range(core.bit_length() - 1):
            yield Round.of(rank, rank ^ (1 << step), add=True)
        yield from unfold(core, rest, self.pieces(ranks))

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """p (a + S / B + S / G) for n = 2^p; beyond a power of two, 2 (a + S / B) + S / G more. In one lane."""
        if self.lanes(nbytes, ranks) > 1:
            return None
        core, rest = core_and_rest(ranks)
        message = link.latency + nbytes / link.rate
        adding = 0.0 if reduction_rate is None else nbytes / reduction_rate
        return (core.bit_length() - 1) * (message + adding) + (2 * message + adding if rest else 0.0)

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """n p S for n = 2^p, and 2 S for each rank beyond a power of two."""
        core, rest = core_and_rest(ranks)
        return (core * (core.bit_length() - 1) + 2 * rest) * nbytes
