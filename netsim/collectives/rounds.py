"""Round: the one thing that a collective is made of; and the clockless player that proves a collective right.

What a round means, for every engine alike:

- The transfers of one round are independent of one another.
- Each transfer belongs to a lane. It may start once its source and its destination have finished, in the same lane,
  all that earlier rounds make them send and receive. Other lanes do not hold it back, so that a pipelined
  collective is many lanes sharing links, and a collective that goes step by step is one lane.
- The network decides when it arrives. A receiver that adds spends its reduction time before it goes on.
- Where one rank sends several messages at the same moment, they leave in the order in which the round lists them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from netsim.errors import RunError
from netsim.hardware import Link
from netsim.units import Size

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Round:
    """Transfers that are independent of one another: `src[i]` sends the pieces `first[i]` .. `first[i] + count[i] - 1`
    to `dst[i]`, which adds them to its own (`add`) or takes them as they are. All arrays have one entry a transfer.
    `lane`: rounds of different lanes do not wait for one another; slices multiply the lanes."""

    src: IntArray
    dst: IntArray
    first: IntArray
    count: IntArray
    add: bool
    lane: int = 0

    @classmethod
    def of(cls, src: Any, dst: Any, *, first: Any = 0, count: Any = 1, add: bool, lane: int = 0) -> Round:
        """A round from anything that numpy can broadcast to one entry a transfer."""
        src, dst, first, count = np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in (src, dst, first, count)))
        return cls(src, dst, first, count, add, lane)

    def __len__(self) -> int:
        return len(self.src)


@dataclass(frozen=True, kw_only=True)
class Collective:
    """An all-reduce: n ranks each hold S bytes, and each ends with the sum.

    slices: the buffer is cut into so many parts that travel independently (lanes), to keep links busy while others
    wait for their latency; or, with `slice`, into parts of that size (bytes). One lane is the textbook's form.
    """

    slices: Annotated[int, Interval(ge=1, le=1_000_000)] = 1
    slice: Size | None = None

    def __post_init__(self) -> None:
        if self.slice is not None and self.slices != 1:
            raise ValueError("slices and slice both given; one of them says it all")
        if self.slice == 0:
            raise ValueError("slice is empty; it must be more than 0 B")

    def lanes(self, nbytes: float) -> int:
        """Into how many parts `nbytes` are cut."""
        return self.slices if self.slice is None else max(1, math.ceil(nbytes / self.slice))

    def helpers(self, ranks: int) -> int:
        """Hosts beside the ranks that take part (servers that stand apart); they are numbered from `ranks` on."""
        return 0

    def pieces(self, ranks: int) -> int:
        """Into how many equal pieces each slice of the buffer is cut; rounds number them from 0."""
        return 1

    def rounds(self, ranks: int) -> Iterator[Round]:
        """The rounds of one slice, in order; none for one rank."""
        raise NotImplementedError

    def messages(self, ranks: int, *, enough: float = math.inf) -> int:
        """Messages of one slice; counting may stop beyond `enough`, so that a schedule too large is never laid out."""
        total = 0
        for each in self.rounds(ranks):
            total += len(each)
            if total > enough:
                break
        return total

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """Seconds until the last rank holds the sum on a star of equal links that nothing else uses, in closed form;
        None where no closed form is known. `reduction_rate` in bytes/s, None for reduction at no cost."""
        raise NotImplementedError

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """Bytes that enter hosts, all links together: each contribution moves once and each result moves once."""
        return 2 * (ranks - 1) * nbytes

    def lower_bound(self, ranks: int, nbytes: float, link: Link) -> float:
        """No all-reduce on a star of equal links takes less (s): every rank must send and receive 2 (n - 1) / n of the
        buffer (Patarasuk, Yuan 2009), and news of n ranks needs ceil(log2 n) messages in a row. With helpers, each
        rank must still send and receive the buffer once, and two messages follow one another."""
        if ranks == 1:
            return 0.0
        if self.helpers(ranks):
            return max(nbytes / link.rate, 2 * link.latency)
        return max(2 * (ranks - 1) * nbytes / (ranks * link.rate), link.latency * steps(ranks))


def steps(ranks: int) -> int:
    """ceil(log2 n): so many messages in a row it takes until news of one rank can be everywhere."""
    return (ranks - 1).bit_length()


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


def prove(collective: Collective, ranks: int) -> None:
    """Play the rounds without a clock; RunError unless every rank ends with each contribution exactly once.

    contributions[host, piece, rank] counts how often the host's copy of the piece contains the rank's contribution.
    """
    hosts, pieces = ranks + collective.helpers(ranks), collective.pieces(ranks)
    contributions = np.zeros((hosts, pieces, ranks), dtype=np.int64)
    contributions[np.arange(ranks), :, np.arange(ranks)] = 1
    for each in collective.rounds(ranks):
        before = contributions.copy()
        for src, dst, first, count in zip(each.src, each.dst, each.first, each.count, strict=True):
            moved = np.s_[first : first + count]
            if each.add:
                contributions[dst, moved] += before[src, moved]
            else:
                contributions[dst, moved] = before[src, moved]
    wrong = np.argwhere(contributions[:ranks] != 1)
    if len(wrong):
        host, piece, rank = wrong[0]
        times = contributions[host, piece, rank]
        fault = "is missing" if times == 0 else f"is counted {times} times"
        raise RunError(f"rank {host} ends with piece {piece} in which the contribution of rank {rank} {fault}")
