"""Round: the one thing that a collective is made of; what a collective is; and the clockless proof of it.

What a round means, for every engine alike:

- The transfers of one round are independent of one another.
- Each transfer belongs to a lane. It may start once its source and its destination have finished, in the same lane,
  all that earlier rounds make them send and receive. Other lanes do not hold it back, so that a pipelined
  collective is many lanes sharing links, and a collective that goes step by step is one lane.
- The network decides when it arrives. A receiver that adds spends its reduction time before it goes on.
- Where one rank sends several messages at the same moment, they leave in the order in which the round lists them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from annotated_types import Interval

from netsim.collectives._flights import Legs, in_loops
from netsim.collectives._libraries import Library, Segments
from netsim.errors import RunError, ScenarioError
from netsim.hardware import Link
from netsim.units import Size

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Operation = Literal[
    "all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "all_to_all", "gather", "scatter", "barrier"
]


def digest(*columns: IntArray) -> bytes:
    """What tells columns of one length from any others: they may be a million long, and processors have SHA-256."""
    taken = hashlib.sha256()
    for column in columns:
        taken.update(np.ascontiguousarray(column).data)
    return taken.digest()


@dataclass(frozen=True)
class Round:
    """Transfers that are independent of one another: `src[i]` sends the pieces `first[i]` .. `first[i] + count[i] - 1`
    to `dst[i]`, which adds them to its own (`add`) or takes them as they are; after the last piece comes the first.
    All arrays have one entry a transfer. `lane`: rounds of different lanes do not wait for one another; slices multiply
    the lanes. `times`: it takes place so often in a row, each time with pieces `shift` further round, so that a ring of
    a million ranks is two of them; `unrolled` spells them out."""

    src: IntArray
    dst: IntArray
    first: IntArray
    count: IntArray
    add: bool
    lane: int
    times: int
    shift: int

    @cached_property
    def who(self) -> bytes:
        """What tells who sends how much to whom in this round from any other round's."""
        return digest(self.src, self.dst, self.count)

    @classmethod
    def of(
        cls,
        src: Any,
        dst: Any,
        *,
        first: Any = 0,
        count: Any = 1,
        add: bool,
        lane: int = 0,
        times: int = 1,
        shift: int = 0,
    ) -> Round:
        """A round from anything that numpy can broadcast to one entry a transfer."""
        src, dst, first, count = np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in (src, dst, first, count)))
        return cls(src, dst, first, count, add, lane, times, shift)

    def __len__(self) -> int:
        """Transfers each time."""
        return len(self.src)


@dataclass(frozen=True, kw_only=True)
class Collective:
    """What n ranks do with a buffer of S bytes; by default an all-reduce: each holds S bytes, and ends with the sum.

    operation: one of those that the kind can do (`operations`). S is the whole buffer: each rank begins with S for
    all_reduce, reduce and reduce_scatter, which leaves S / n on each; with S / n for all_gather and gather, which leave
    S; rank 0 begins with S for broadcast and scatter; in all_to_all each rank sends S / n to each; a barrier has none.
    slices: the buffer is cut into so many parts that travel independently (lanes), to keep links busy while others
    wait for their latency; or, with `slice`, into parts of that size (bytes). One lane is the textbook's form.
    in_flight: a rank has at most so many slices under way, and begins the next ones when these are done; else all.
    library: slices, those under way at once, and rendezvous, as that library has them by its documented defaults.
    rendezvous: a message leaves when its receiver's word has come that it is ready for it; else as soon as both are.
    shares: one number a piece, in proportion to which the pieces are cut: unequal ranks carry unequal shares.
    element: pieces are whole elements of that size (bytes), some with one more than others; by default a buffer is cut
    into equal pieces, of fractions of a byte if need be.
    """

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "barrier")
    segments: ClassVar[dict[Library, Segments]] = {}  # where a library cuts this kind of all-reduce; else it does not

    operation: Operation = "all_reduce"
    slices: Annotated[int, Interval(ge=1, le=1_000_000)] = 1
    slice: Size | None = None
    in_flight: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    library: Library | None = None
    rendezvous: bool = False
    shares: tuple[float, ...] | None = None
    element: Size | None = None

    def __post_init__(self) -> None:
        if self.operation not in self.operations:
            raise ValueError(f"operation {self.operation!r} is not in its power, which is {', '.join(self.operations)}")
        if self.slice is not None and self.slices != 1:
            raise ValueError("slices and slice both given; one of them says it all")
        if self.library and (self.sliced or self.in_flight is not None):
            given = "slices" if self.sliced else "in_flight"
            raise ValueError(f"library and {given} both given; the library's defaults say how it slices")
        if self.in_flight is not None and not self.sliced:
            raise ValueError("in_flight is of slices, and there are none; give slices, or the size of a slice")
        if self.slice == 0:
            raise ValueError("slice is empty; it must be more than 0 B")
        if self.element == 0:
            raise ValueError("element is empty; it must be more than 0 B")
        if self.shares is not None and not (all(0 <= s < math.inf for s in self.shares) and math.fsum(self.shares) > 0):
            raise ValueError("shares must be numbers of at least 0, and not all of them 0")

    @property
    def sliced(self) -> bool:
        """Whether it says itself how it is to be sliced."""
        return self.slice is not None or self.slices != 1

    @property
    def announced(self) -> bool:
        """Whether a message waits for its receiver's word: Gloo sends nothing before (gloo/transport/tcp/pair.cc)."""
        return self.rendezvous or self.library == "gloo"

    def waits_for_each_word(self, ranks: int) -> bool:
        """Whether each message would wait for its receiver's word just as long as for its own latency."""
        return False

    @property
    def reduces(self) -> bool:
        """Whether the operation begins by adding contributions up."""
        return self.operation in ("all_reduce", "reduce_scatter", "reduce", "barrier")

    @property
    def spreads(self) -> bool:
        """Whether the operation ends by giving everyone everything."""
        return self.operation in ("all_reduce", "all_gather", "broadcast", "barrier")

    def fit(self, ranks: int) -> None:
        """ScenarioError, with the field as its path, where this cannot be played by so many ranks."""
        if self.shares is not None and len(self.shares) != self.pieces(ranks):
            told = f"{len(self.shares)} shares for the {self.pieces(ranks)} pieces among {ranks} ranks"
            raise ScenarioError(f"{told}; there must be one a piece", path="shares")

    def lanes(self, nbytes: float, ranks: int) -> int:
        """Into how many parts `nbytes` are cut."""
        if self.library:
            return self.segments.get(self.library, Segments()).count(nbytes / self.pieces(ranks))
        return self.slices if self.slice is None else max(1, math.ceil(nbytes / self.slice))

    def legs(self, nbytes: float, ranks: int) -> Legs:
        """Which of the slices of `nbytes` are under way at once at a rank, and which follow."""
        slices = self.lanes(nbytes, ranks)
        if self.library and slices > 1:
            return self.segments.get(self.library, Segments()).legs(slices)
        return in_loops(slices, self.in_flight or slices)

    def all_at_once(self, nbytes: float, ranks: int) -> bool:
        """Whether slices do not wait for one another."""
        slices = self.lanes(nbytes, ranks)
        return self.legs(nbytes, ranks) == in_loops(slices, slices)

    def helpers(self, ranks: int) -> int:
        """Hosts beside the ranks that take part (servers that stand apart); they are numbered from `ranks` on."""
        return 0

    def pieces(self, ranks: int) -> int:
        """Into how many pieces each slice of the buffer is cut; rounds number them from 0."""
        return 1

    def owners(self, ranks: int) -> IntArray:
        """The rank that ends with each piece of a reduce_scatter or scatter, and begins with that of a gathering."""
        return np.arange(self.pieces(ranks)) * ranks // self.pieces(ranks)

    def held(self, ranks: int, nbytes: float) -> float:
        """Bytes of all pieces together: those of the buffer, or of all ranks' buffers in an all-to-all."""
        return ranks * nbytes if self.operation == "all_to_all" else nbytes

    def sizes(self, ranks: int, nbytes: float) -> FloatArray | None:
        """Bytes of each piece in each slice: [slice, piece]. None where all are equal.

        Piece k of p begins at floor(k E / p) of E elements, or where the shares before it say, and slices cut a piece
        likewise: nothing is lost, and no element is cut."""
        if self.shares is None and self.element is None:
            return None
        total, lanes = self.held(ranks, nbytes), self.lanes(nbytes, ranks)
        shares = np.ones(self.pieces(ranks)) if self.shares is None else np.asarray(self.shares)
        ends = np.concatenate([[0.0], np.cumsum(shares)]) / shares.sum() * total
        part = np.arange(lanes + 1)[:, None] / lanes
        places = ends[:-1] + part * np.diff(ends) if self.element is None else self._whole(ends, part, total)
        sizes: FloatArray = np.diff(places, axis=0)
        return sizes

    def _whole(self, ends: FloatArray, part: FloatArray, total: float) -> FloatArray:
        """The elements before which pieces and their slices begin and end, in bytes; an unfinished one stays last."""
        assert self.element is not None
        ends = np.where(ends >= total, total, np.floor(ends / self.element * (1 + 1e-12)) * self.element)
        inside = np.floor(part * np.diff(ends) / self.element * (1 + 1e-12)) * self.element
        return ends[:-1] + np.where(part == 1.0, np.diff(ends), inside)

    def rounds(self, ranks: int) -> Iterator[Round]:
        """The rounds of one slice, in order, repeated ones as one; none for one rank."""
        raise NotImplementedError

    def messages(self, ranks: int, *, enough: float = math.inf) -> int:
        """Messages of one slice; counting may stop beyond `enough`, so that a schedule too large is never laid out."""
        total = 0
        for each in self.rounds(ranks):
            total += len(each) * each.times
            if total > enough:
                break
        return total

    def messages_of(self, nbytes: float, ranks: int, *, enough: float = math.inf) -> int:
        """Messages of `nbytes` in all slices, and of words about them; counting may stop beyond `enough`."""
        return self.messages(ranks, enough=enough) * self.lanes(nbytes, ranks) * (1 + self.announced)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """Seconds until the last rank is done on a star of equal links that nothing else uses, in closed form, for
        equal pieces; None where no closed form is known. `reduction_rate` in bytes/s, None for reduction at no cost."""
        raise NotImplementedError

    def closed_form(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """`ideal_time`, which is that of equal pieces, with receivers' words; None where either is not known."""
        sizes = self.sizes(ranks, nbytes)
        if sizes is not None and np.ptp(sizes) > 1e-9 * sizes.max():
            return None
        if self.announced:
            if not self.waits_for_each_word(ranks):
                return None
            link = replace(link, latency=2 * link.latency)
        return self.ideal_time(ranks, nbytes, link, reduction_rate)

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """Bytes that enter hosts, all links together: each contribution moves once and each result moves once."""
        if self.operation == "all_to_all":
            return (ranks - 1) * nbytes
        if self.operation in ("gather", "scatter"):
            return (ranks - 1) / ranks * nbytes
        return (self.reduces + self.spreads) * (ranks - 1) * nbytes

    def fan(self, ranks: int) -> int:
        """To how many others a host may send at the same moment, or from how many it may get."""
        return 1

    def lower_bound(self, ranks: int, nbytes: float, link: Link) -> float:
        """No schedule of the operation on a star of equal links takes less (s).

        Bandwidth: every rank must send and receive 2 (n - 1) / n of the buffer in an all-reduce (Patarasuk, Yuan 2009),
        (n - 1) / n of it in a scatter, gather or all-to-all, and all of it in a broadcast or reduction. Latency: where
        a host sends to f others at once, news of n ranks takes ceil(log_{f+1} n) messages in a row. With helpers, each
        rank must still send and receive the buffer once, and two messages follow one another. A link's burst passes at
        once."""
        if ranks == 1:
            return 0.0
        at_once = link.burst or 0.0
        if self.helpers(ranks):
            return max((nbytes - at_once) / link.rate, 2 * link.latency)
        part = (ranks - 1) / ranks
        times = {"all_reduce": 2 * part, "barrier": 0.0, "broadcast": 1.0, "reduce": 1.0}.get(self.operation, part)
        return max((times * nbytes - at_once) / link.rate, link.latency * steps(ranks, self.fan(ranks)))


class PieceBytes:
    """The bytes of ranges of pieces, of a collective's exchange of `nbytes` in so many slices."""

    def __init__(self, collective: Collective, ranks: int, nbytes: float, *, slices: int) -> None:
        self.equal = collective.held(ranks, nbytes) / (slices * collective.pieces(ranks))
        sizes = collective.sizes(ranks, nbytes)
        self.uneven = sizes is not None
        if sizes is not None:  # twice round, since after the last piece comes the first
            self._before = np.cumsum(np.hstack([np.zeros((len(sizes), 1)), sizes, sizes]), axis=1)

    def __call__(self, first: Any, count: Any, *, slice: int = 0) -> Any:
        """Bytes of `count` pieces from the `first` on: numbers, or arrays of them."""
        if not self.uneven:
            return count * self.equal
        return self._before[slice, first + count] - self._before[slice, first]


def unrolled(rounds: Iterable[Round], pieces: int) -> Iterator[Round]:
    """The rounds one by one, each of which takes place once; `pieces` in all, after the last of which comes the first.

    >>> [each.first.tolist() for each in unrolled([Round.of(0, 1, first=[1], add=True, times=3, shift=-1)], 4)]
    [[1], [0], [3]]
    """
    for each in rounds:
        if each.times == 1:
            yield each
        else:
            for time in range(each.times):
                yield replace(each, first=(each.first + time * each.shift) % pieces, times=1, shift=0)


def steps(ranks: int, fan: int = 1) -> int:
    """ceil(log_{f+1} n): so many messages in a row it takes until news of one rank can be everywhere.

    >>> [steps(9), steps(9, fan=2), steps(9, fan=8)]
    [4, 2, 1]
    """
    taken, reached = 0, 1
    while reached < ranks:
        taken, reached = taken + 1, reached * (fan + 1)
    return taken


def prove(collective: Collective, ranks: int) -> None:
    """Play the rounds without a clock; RunError unless every rank ends with what the operation promises.

    contributions[host, piece, rank] counts how often the host's copy of the piece contains the rank's contribution.
    """
    start, goal = _start(collective, ranks), _goal(collective, ranks)
    pieces = start.shape[1]
    contributions = start
    for each in unrolled(collective.rounds(ranks), pieces):
        columns = each.src, each.dst, each.first, each.count
        moves = [(s, d, (first + np.arange(count)) % pieces) for s, d, first, count in zip(*columns, strict=True)]
        sent = [contributions[src, moved] for src, _, moved in moves]  # all that leaves, before any of it arrives
        for (_, dst, moved), arriving in zip(moves, sent, strict=True):
            contributions[dst, moved] = arriving + contributions[dst, moved] if each.add else arriving
    found = contributions[:ranks]
    if collective.operation == "barrier":  # that all have come is all that counts
        found = np.minimum(found, 1)
    wrong = np.argwhere((found != goal) & (goal >= 0))
    if len(wrong):
        host, piece, rank = wrong[0]
        times = contributions[host, piece, rank]
        fault = "is missing" if times == 0 else f"is counted {times} times"
        if goal[host, piece, rank] == 0:
            fault = "does not belong"
        raise RunError(f"rank {host} ends with piece {piece} in which the contribution of rank {rank} {fault}")


def _start(collective: Collective, ranks: int) -> IntArray:
    """Who holds what at first: [host, piece, rank]."""
    pieces, who = collective.pieces(ranks), np.arange(ranks)
    held = np.zeros((ranks + collective.helpers(ranks), pieces, ranks), dtype=np.int64)
    if collective.reduces:
        held[who, :, who] = 1
    elif collective.operation in ("broadcast", "scatter"):
        held[0, :, 0] = 1
    else:
        owners = _senders(collective, ranks)
        held[owners, np.arange(pieces), owners] = 1
    return held


def _goal(collective: Collective, ranks: int) -> IntArray:
    """What each rank must hold in the end: [rank, piece, rank]; -1 where that does not matter."""
    pieces = np.arange(collective.pieces(ranks))
    goal = np.full((ranks, len(pieces), ranks), -1)
    if collective.reduces:
        content = np.ones((len(pieces), ranks), dtype=np.int64)
    else:
        senders = _senders(collective, ranks)
        source = np.zeros_like(pieces) if collective.operation in ("broadcast", "scatter") else senders
        content = (source[:, None] == np.arange(ranks)).astype(np.int64)
    if collective.spreads:
        goal[:] = content
    elif collective.operation in ("reduce", "gather"):
        goal[0] = content
    elif collective.operation == "all_to_all":
        goal[pieces % ranks, pieces] = content
    else:
        goal[collective.owners(ranks), pieces] = content
    return goal


def _senders(collective: Collective, ranks: int) -> IntArray:
    """Who begins with each piece; those of an all-to-all are numbered source by source, n from each."""
    if collective.operation == "all_to_all":
        return np.arange(ranks * ranks) // ranks
    return collective.owners(ranks)
