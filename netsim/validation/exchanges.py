"""Rows that measure one collective on links whose latency and rate were measured beforehand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np

from netsim.collectives._flights import Legs
from netsim.collectives.parameter_server import ParameterServer
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective, Round, unrolled
from netsim.engine import single
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, one_of
from netsim.hardware import Link
from netsim.units import Count, Duration, Rate, Size
from netsim.validation import gloo, machine, shards

Piece = Literal[
    "reduce",
    "broadcast",
    "broadcast, all children at once",
    "broadcast, one child after the other",
    "broadcast, to all at once",
    "broadcast, from one to the next",
]


@dataclass(frozen=True, kw_only=True)
class Part(Collective):
    """One half of a collective: what adds ("reduce") or what does not ("broadcast").

    "broadcast, all children at once": a rank posts the messages to all its children together, as Gloo and Open MPI do,
    and they share its port. "broadcast, one child after the other": it begins a message when the one before has come,
    as SimGrid's flat broadcast does. "broadcast, to all at once" and "broadcast, from one to the next": whatever the
    reduction, the root's buffer goes to all others together, or to the first of them, and from each to the next.
    """

    of: Collective
    piece: Piece

    def lanes(self, nbytes: float, ranks: int) -> int:
        return self.of.lanes(nbytes, ranks)

    def legs(self, nbytes: float, ranks: int) -> Legs:
        return self.of.legs(nbytes, ranks)

    def helpers(self, ranks: int) -> int:
        return self.of.helpers(ranks)

    def pieces(self, ranks: int) -> int:
        return self.of.pieces(ranks)

    def rounds(self, ranks: int) -> Iterator[Round]:
        half = [
            each
            for each in unrolled(self.of.rounds(ranks), self.of.pieces(ranks))
            if each.add == (self.piece == "reduce")
        ]
        return _ORDER[self.piece](half)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """No closed form is given here."""
        return None


def _by_depth(rounds: list[Round]) -> Iterator[Round]:
    """The messages of a broadcast anew: those of all ranks as far from the root in one round."""
    depth: dict[int, int] = {}
    levels: dict[int, list[tuple[int, int, int, int]]] = {}
    for each in rounds:
        for row in zip(each.src.tolist(), each.dst.tolist(), each.first.tolist(), each.count.tolist(), strict=True):
            depth[row[1]] = depth.setdefault(row[0], 0) + 1
            levels.setdefault(depth[row[0]], []).append(row)
    for _, rows in sorted(levels.items()):
        src, dst, first, count = np.transpose(rows)
        yield Round.of(src, dst, first=first, count=count, add=False)


def _one_by_one(rounds: list[Round]) -> Iterator[Round]:
    """Each message in a round of its own."""
    for each in rounds:
        for row in zip(each.src, each.dst, each.first, each.count, strict=True):
            src, dst, first, count = ([value] for value in row)
            yield Round.of(src, dst, first=first, count=count, add=each.add)


def _flat(rounds: list[Round]) -> Iterator[Round]:
    """Everything from the root to each other rank, in one round."""
    root, others, count = _reached(rounds)
    many = len(others)
    yield Round.of([root] * many, others, first=[0] * many, count=[count] * many, add=False)


def _chain(rounds: list[Round]) -> Iterator[Round]:
    """Everything from the root to the first of the others, and from each to the next."""
    root, others, count = _reached(rounds)
    for src, dst in pairwise([root, *others]):
        yield Round.of([src], [dst], first=[0], count=[count], add=False)


def _reached(rounds: list[Round]) -> tuple[int, list[int], int]:
    """A broadcast's root, those whom it reaches, and how many pieces each of them gets."""
    others = sorted({int(rank) for each in rounds for rank in each.dst})
    (root,) = {int(rank) for each in rounds for rank in each.src} - set(others)
    return root, others, max(int((each.first + each.count).max()) for each in rounds)


_ORDER: dict[Piece, Callable[[list[Round]], Iterator[Round]]] = {
    "reduce": iter,
    "broadcast": iter,
    "broadcast, all children at once": _by_depth,
    "broadcast, one child after the other": _one_by_one,
    "broadcast, to all at once": _flat,
    "broadcast, from one to the next": _chain,
}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One collective: its columns in a table of rows.

    link: the name of one of `known.links`, of every host; links: of each host, servers last, where they differ.
    late_rank is ready `late` after the others. parts: of the collective, one after the other; all of it by default.
    in_flight: the ring is played in Gloo's own loop, with so many segments under way, each of which waits for its
    receiver's word; a rank is `late` to its barrier.
    pushes: a server on every host is played in the measured program's own loop, with a worker's pushes together or each
    when the one before has left all but a window; `staggered` of the collective says in which order servers answer.
    start_up: what connections that were idle take once before they are as fast as the link, known beforehand.
    """

    collective: Annotated[Any, one_of("collectives")]
    ranks: Annotated[int, Count("a number of ranks", at_most=100_000)]
    size: Size
    link: str
    links: tuple[str, ...] = ()
    late_rank: int | None = None
    late: Duration = 0.0
    parts: tuple[Piece, ...] = ()
    in_flight: Annotated[int, Count("a number of segments", at_most=1_000_000)] | None = None
    pushes: Literal["together", "in turn"] | None = None
    start_up: Duration = 0.0
    sharing: Literal["fair", "fifo"] = "fair"
    forwarding: Literal["cut_through", "store_and_forward"] = "cut_through"
    topology: Annotated[Any, one_of("topologies")] = "star"
    reduction_rate: Rate | None = None

    def __post_init__(self) -> None:
        of = self.collective
        if self.in_flight is not None:
            if not isinstance(of, Ring) or of.operation != "all_reduce":
                raise ScenarioError("Gloo's loop is that of a ring all-reduce", path="in_flight")
            if self.parts or self.links:
                raise ScenarioError("goes with neither parts nor links", path="in_flight")
        if self.pushes is not None:
            placed = isinstance(of, ParameterServer) and of.placement == "colocated" and of.staggered != "neither"
            if not placed or of.shards(self.ranks) != self.ranks:
                raise ScenarioError("are staggered ones, to a server on every host", path="pushes")
            if self.parts or self.in_flight or self.sharing != "fifo" or self.reduction_rate:
                told = "go with sharing = fifo, and with none of parts, in_flight and reduction_rate"
                raise ScenarioError(told, path="pushes")


def fit(row: Exchange, link: Link) -> None:
    """ScenarioError where a row has what is not played over such a link."""
    others = row.links or row.late_rank is not None or row.in_flight or row.reduction_rate
    plain = (row.topology, row.forwarding) == ("star", "cut_through")
    if isinstance(link, machine.MachineLink) and (others or not plain):
        told = "is of one machine: a star, cut_through, and none of links, late_rank, in_flight and reduction_rate"
        raise ScenarioError(told, path="link")


def seconds(row: Exchange, known: Mapping[str, Link]) -> float:
    """Until the last rank is done, from the known links alone, which have those that the row names."""
    fluid = row.sharing == "fair"  # which knows of no bursts
    known = {name: replace(known[name], burst=None) if fluid else known[name] for name in {row.link, *row.links}}
    link = known[row.link]
    links = {host: known[name] for host, name in enumerate(row.links)}
    late = {} if row.late_rank is None else {row.late_rank: row.late}
    fit(row, link)
    if row.in_flight:
        segments = row.collective.lanes(row.size, row.ranks)
        adding = row.size / (row.ranks * segments) / row.reduction_rate if row.reduction_rate else 0.0
        return row.start_up + gloo.seconds(row.ranks, row.size, segments, row.in_flight, link, late, adding)
    if row.pushes:
        own = [links.get(host, link) for host in range(row.ranks)]
        staggered, in_turn = row.collective.staggered == "both", row.pushes == "in turn"
        return row.start_up + shards.seconds(own, row.size, in_turn=in_turn, staggered=staggered, late=late)
    topology = FAMILIES["topologies"].build(row.topology) if isinstance(row.topology, str) else row.topology
    kinds = [Part(of=row.collective, piece=piece) for piece in row.parts] or [row.collective]
    if isinstance(link, machine.MachineLink):
        parts = [machine.seconds(kind, row.ranks, row.size, link, row.sharing) for kind in kinds]
        return math.fsum([row.start_up, *parts])
    total = 0.0
    for kind in kinds:
        result = single.collective(
            kind,
            ranks=row.ranks,
            size=row.size,
            rate=link.rate,
            latency=link.latency,
            topology=topology,
            sharing=row.sharing,
            forwarding=row.forwarding,
            reduction_rate=row.reduction_rate,
            link=link,
            links=links,
            late=late,
        )
        total, late = total + result.time_s, {}
    return row.start_up + total
