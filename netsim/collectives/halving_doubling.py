"""Recursive halving and doubling (Rabenseifner 2004; Thakur, Rabenseifner, Gropp 2005, section 4.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netsim.collectives._folding import core_and_rest, fold, unfold
from netsim.collectives.rounds import Collective, IntArray, Operation, Round
from netsim.errors import ScenarioError
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class HalvingDoubling(Collective):
    """Swap halves, quarters, ... with partners 1, 2, 4, ... apart, and the same way back: a ring's bytes in 2 log2 n
    steps. A reduce-scatter, then an all-gather.

    For n = 4, pieces 0 to 3::

        0 <-> 1   2 <-> 3    half of the buffer: even ranks keep pieces 0 1, odd ranks 2 3
        0 <-> 2   1 <-> 3    a quarter of it: each keeps one piece; then back

    Where n is no power of two, the ranks beyond it hand their buffers in first, and get the sum at the end. A broadcast
    scatters along the same pairs, from rank 0, and doubles; a reduction halves and gathers.
    """

    operations: ClassVar[tuple[Operation, ...]] = (
        *("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "barrier"),
    )

    def fit(self, ranks: int) -> None:
        super().fit(ranks)
        if core_and_rest(ranks)[1] and not (self.reduces and self.spreads):
            raise ScenarioError(f"{self.operation} takes a power of two of ranks, not {ranks}", path="operation")

    def pieces(self, ranks: int) -> int:
        return core_and_rest(ranks)[0]

    def owners(self, ranks: int) -> IntArray:
        core, _ = core_and_rest(ranks)
        bits = core.bit_length() - 1
        piece = sum((((np.arange(core) >> i) & 1) << (bits - 1 - i) for i in range(bits)), np.zeros(core, np.int64))
        return np.argsort(piece)

    def rounds(self, ranks: int) -> Iterator[Round]:
        core, rest = core_and_rest(ranks)
        yield from fold(core, rest, self.pieces(ranks))
        yield from self._within(np.arange(core))
        yield from unfold(core, rest, self.pieces(ranks))

    def _within(self, names: IntArray) -> Iterator[Round]:
        """The halvings and doublings among a power of two of ranks of those names."""
        core = len(names)
        halvings = [self._halving(core, step) for step in range(core.bit_length() - 1)]
        for partner, _, given, count in halvings if self.reduces else []:
            yield Round.of(names, names[partner], first=given, count=count, add=True)
        for step, (partner, _, given, count) in enumerate(halvings if self.operation == "broadcast" else []):
            have = np.arange(1 << step)
            yield Round.of(names[have], names[partner[have]], first=given[have], count=count, add=False)
        for partner, kept, _, count in reversed(halvings if self.spreads else []):
            yield Round.of(names, names[partner], first=kept, count=count, add=False)
        for step in reversed(range(len(halvings) if self.operation == "reduce" else 0)):
            partner, kept, _, count = halvings[step]
            give = np.arange(1 << step, 2 << step)
            yield Round.of(names[give], names[partner[give]], first=kept[give], count=count, add=False)

    def _halving(self, core: int, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Each rank's partner in a step, the first piece of the half that it keeps and of the one that it gives, and
        how many pieces these are. Bit i of a rank says which half it kept in step i."""
        rank = np.arange(core)
        start = sum((((rank >> i) & 1) * (core >> (i + 1)) for i in range(step)), start=np.zeros(core, dtype=np.int64))
        half, bit = core >> (step + 1), (rank >> step) & 1
        return rank ^ (1 << step), start + bit * half, start + (1 - bit) * half, half

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 p a + 2 (n - 1) S / (n B) + (n - 1) S / (n G) for n = 2^p; beyond a power of two, 2 (a + S / B) + S / G
        more. Reduce-scatter and all-gather are half of it each, a broadcast and a reduction all of it. In one lane."""
        if self.lanes(nbytes, ranks) > 1:
            return None
        core, rest = core_and_rest(ranks)
        moved, gamma = (core - 1) / core * nbytes, 1 / reduction_rate if reduction_rate and self.reduces else 0.0
        inner = (2 if self._rooted else self.reduces + self.spreads) * (
            (core.bit_length() - 1) * link.latency + moved / link.rate
        ) + moved * gamma
        return inner + (2 * (link.latency + nbytes / link.rate) + nbytes * gamma if rest else 0.0)

    @property
    def _rooted(self) -> bool:
        return self.operation in ("broadcast", "reduce")

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """2 (n - 1) S, (n - 1) S for half of it; and S / 2 in each of log2 n steps where there is a root."""
        core, _ = core_and_rest(ranks)
        return super().wire_bytes(ranks, nbytes) + self._rooted * (core.bit_length() - 1) * nbytes / 2
