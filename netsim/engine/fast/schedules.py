"""Who takes part in what when, as arrays: a collective's rounds, or what goes between workers and servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives._flights import Legs
from netsim.collectives.rounds import Collective, PieceBytes, unrolled
from netsim.engine.plan import Plan
from netsim.training.parameter_server import ParameterServer

Ints = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]
ABSENT = -1.0  # bytes of a lane in which there is nothing to send


@dataclass(frozen=True)
class Schedule:
    """Transfers, as many places for them in each lane, and in which steps of its lanes each host takes part in which.

    `real` says which places hold a transfer. Hosts from `joining` on are servers, which take part whenever others do;
    `machines` has where each host stands in the network.
    """

    src: Ints
    dst: Ints
    first: Numbers
    count: Ints
    add: Ints
    real: Numbers
    machines: Numbers
    joining: int
    owns: int  # lanes of the collective itself, which slices multiply
    step_of: Ints  # [lane, host], laid end to end: its first step
    step_first: Ints  # of each step: where its transfers begin in `in_step`
    in_step: Ints  # by their places in their lane
    adding: Ints  # [lane, host], laid end to end: how many of its steps add, which come first

    @property
    def hosts(self) -> int:
        return len(self.machines)

    @property
    def a_lane(self) -> int:
        """Places for transfers in a lane."""
        return len(self.src) // self.owns


@dataclass(frozen=True)
class Sizes:
    """Bytes of what is exchanged: buckets in slices, [bucket, lane] bytes of a piece, and of every transfer of those
    whose pieces are not all equal."""

    slices: list[int]
    piece: Times
    uneven: list[Times]  # [slice, place], nothing where all are equal
    legs: list[Legs]  # of each bucket

    def rules(self, owns: int) -> dict[str, Ints]:
        """Of each bucket's two legs, the second of which may be missing: what hosts take up, how much of it they have
        under way at most, and how much they begin at a time; in lanes, of which each slice has so many."""
        rules = np.zeros((3, 2 * len(self.legs)), dtype=np.int32)
        for bucket, legs in enumerate(self.legs):
            for place, leg in enumerate(legs, 2 * bucket):
                takes = 0 if not leg.by_step else 1 if leg.adds else 2
                rules[:, place] = takes, leg.at_most * owns, leg.at_a_time * (1 if takes and not leg.abreast else owns)
        return dict(zip(("takes", "most", "at_a_time"), rules, strict=True))


def of_collective(collective: Collective, ranks: int) -> Schedule | None:
    """The rounds, seen by each host; None where there is nothing to send."""
    rounds = list(unrolled(collective.rounds(ranks), collective.pieces(ranks)))
    if not rounds:
        return None
    names = "src", "dst", "first", "count"
    src, dst, first, count = (np.concatenate([getattr(each, name) for each in rounds]) for name in names)
    lengths = [len(each) for each in rounds]
    add, lane = (np.repeat([getattr(each, name) for each in rounds], lengths) for name in ("add", "lane"))
    hosts = ranks + collective.helpers(ranks)
    turn = np.repeat(np.arange(len(rounds)), lengths)
    return _laid_out(src, dst, first, count, add, turn, lane, np.arange(hosts), hosts)


def of_servers(plan: Plan, strategy: ParameterServer) -> Schedule:
    """A lane for each server, which gets from all workers, adds, and gives to all: the story of servers.py."""
    workers, servers = plan.workers, strategy.shards(plan.workers)
    server, worker = np.divmod(np.arange(servers * workers), workers)
    src, dst = np.concatenate([worker, workers + server]), np.concatenate([workers + server, worker])
    turn = np.repeat([0, 1], servers * workers)
    stands = np.arange(servers) + (workers if strategy.helpers(workers) else 0)
    machines = np.concatenate([np.arange(workers), stands])
    lane, zeros = np.tile(server, 2), np.zeros_like(src)
    return _laid_out(src, dst, zeros, zeros + 1, turn == 0, 2 * lane + turn, lane, machines, workers)


def sizes_of_collective(collective: Collective, ranks: int, sizes: list[float], steps: Schedule) -> Sizes:
    """Of buckets of these sizes."""
    slices = [collective.lanes(nbytes, ranks) for nbytes in sizes]
    bytes_of = [PieceBytes(collective, ranks, nbytes, slices=n) for nbytes, n in zip(sizes, slices, strict=True)]
    uneven = [
        np.concatenate([of(steps.first, steps.count, slice=part) for part in range(n)]) if of.uneven else np.zeros(0)
        for of, n in zip(bytes_of, slices, strict=True)
    ]
    legs = [collective.legs(nbytes, ranks) for nbytes in sizes]
    return Sizes(slices, np.repeat([[of.equal] for of in bytes_of], steps.owns, axis=1), uneven, legs)


def sizes_of_servers(plan: Plan, strategy: ParameterServer) -> Sizes:
    """Of each bucket's part that each server owns."""
    slices = [strategy.lanes(bucket.nbytes, plan.workers) for bucket in plan.buckets]
    sent = np.asarray([sent for _, sent in plan.sent])
    piece = np.asarray(plan.owned_of_buckets) * sent[:, None] / np.asarray(slices)[:, None]
    legs = [strategy.legs(bucket.nbytes, plan.workers) for bucket in plan.buckets]
    return Sizes(slices, np.where(piece > 0, piece, ABSENT), [np.zeros(0)] * len(slices), legs)


def orders_of_servers(plan: Plan, strategy: ParameterServer, sizes: Sizes) -> Numbers:
    """Of the transfers of each bucket, laid end to end: the place of each among what its host sends at one moment, in
    slices one after another (servers.py). Each worker begins with another server, each server with another worker."""
    workers, servers = plan.workers, strategy.shards(plan.workers)
    server, worker = np.indices((servers, workers))
    answers = (worker - server - 1) % workers
    slices = np.arange(max(sizes.slices))[:, None, None]
    orders = np.zeros((len(sizes.slices), len(slices), servers, 2, workers), dtype=np.int64)
    for bucket, piece in enumerate(sizes.piece):
        owners = piece >= 0
        turns = np.where(owners[:, None], (server - worker - 1) % servers, servers)
        rank = np.argsort(np.argsort(turns, axis=0, kind="stable"), axis=0)
        orders[bucket, :, :, 0] = slices * owners.sum() + rank
        orders[bucket, :, :, 1] = answers
    return orders.ravel()


def _laid_out(
    src: Numbers,
    dst: Numbers,
    first: Numbers,
    count: Numbers,
    add: Any,
    turn: Numbers,
    lane: Numbers,
    machines: Numbers,
    joining: int,
) -> Schedule:
    """Transfers in lanes, and steps of hosts: what a host does in one turn of a lane."""
    hosts, owns = len(machines), int(lane.max()) + 1
    by_lane = np.argsort(lane, kind="stable")
    starts = np.searchsorted(lane[by_lane], np.arange(owns))
    local = np.empty_like(by_lane)
    local[by_lane] = np.arange(len(lane)) - starts[lane[by_lane]]
    a_lane = int(local.max()) + 1
    real = lane * a_lane + local
    who, what = np.concatenate([src, dst]), np.tile(np.arange(len(src)), 2)
    whose = np.tile(lane, 2) * hosts + who
    order = np.lexsort((what, turn[what], whose))
    whose, what = whose[order], what[order]
    begins = np.flatnonzero((np.diff(whose, prepend=-1) != 0) | (np.diff(turn[what], prepend=-1) != 0))
    step_of = np.searchsorted(whose[begins], np.arange(owns * hosts + 1))
    adding = np.bincount(whose[begins], weights=np.asarray(add)[what[begins]], minlength=owns * hosts)

    def placed(column: Any, kind: Any = np.int32) -> Any:
        laid = np.zeros(owns * a_lane, dtype=kind)
        laid[real] = column
        return laid

    ends = placed(src), placed(dst), placed(first, np.int64), placed(count), placed(add)
    steps = (column.astype(np.int32) for column in (step_of, np.append(begins, len(what)), local[what], adding))
    return Schedule(*ends, real, machines, joining, owns, *steps)
