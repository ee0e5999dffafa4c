from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective, Round, prove, steps
from netsim.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Wrong(Collective):
    """A ring that goes round once too little, or once too often while adding."""

    rounds_left_out: int = 0

    def pieces(self, ranks: int) -> int:
        return ranks

    def rounds(self, ranks: int) -> Iterator[Round]:
        rank = np.arange(ranks)
        for step in range(2 * (ranks - 1) - self.rounds_left_out):
            add = step < ranks - 1 if self.rounds_left_out else True
            yield Round.of(rank, (rank + 1) % ranks, first=(rank - step) % ranks, add=add)


def test_a_collective_that_stops_early_is_found_out() -> None:
    with pytest.raises(RunError, match=r"rank 0 ends with piece \d in which the contribution of rank \d is missing"):
        prove(Wrong(rounds_left_out=1), 4)


def test_a_collective_that_adds_twice_is_found_out() -> None:
    with pytest.raises(RunError, match="is counted 2 times"):
        prove(Wrong(), 4)


def test_a_slice_size_makes_as_many_lanes_as_it_takes() -> None:
    assert [Ring(slice=512e3).lanes(nbytes, 4) for nbytes in (0, 1, 512e3, 512e3 + 1, 2e6)] == [1, 1, 1, 2, 4]


def test_slices_and_slice_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="both"):
        Ring(slices=2, slice=1e6)


def test_a_slice_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Ring(slice=0.0)


def test_counting_messages_stops_when_there_are_enough() -> None:
    assert Wrong().messages(10) == Ring().messages(10) == 180
    assert Wrong().messages(10, enough=25) == 30


def test_steps_are_the_logarithm_rounded_up() -> None:
    assert [steps(ranks) for ranks in (1, 2, 3, 4, 5, 8, 9)] == [0, 1, 2, 2, 3, 3, 4]
