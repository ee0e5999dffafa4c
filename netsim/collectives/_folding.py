"""What kinds for powers of two do with the ranks beyond one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netsim.collectives.rounds import Round


def core_and_rest(ranks: int) -> tuple[int, int]:
    """The largest power of two within the ranks, and how many are beyond it."""
    core = 1 << (ranks.bit_length() - 1)
    return core, ranks - core


def fold(core: int, rest: int, pieces: int) -> Iterator[Round]:
    """The ranks beyond a power of two hand their buffers to the first ones."""
    if rest:
        yield Round.of(core + np.arange(rest), np.arange(rest), count=pieces, add=True)


def unfold(core: int, rest: int, pieces: int) -> Iterator[Round]:
    """The ranks beyond a power of two get the sum."""
    if rest:
        yield Round.of(np.arange(rest), core + np.arange(rest), count=pieces, add=False)
