"""The fast engine: whole rounds as array operations, where no port is ever shared.

It is the twin of the reference for collectives that go step by step (one lane) with at most one message out of and one
into each host a round, one at a time on one stream. Then a port carries the messages of its own host alone, one after
the other, so that each goes at the full rate of its slowest link, and the order in which rounds are played is the
order of arrival at every link: what the reference finds event by event is one maximum and two additions a message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective, PieceBytes, Round
from netsim.engine.log import Log
from netsim.engine.plan import Plan
from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse, Transfer

Times = npt.NDArray[np.float64]  # of each host, s
Numbers = npt.NDArray[np.int64]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Pattern:
    """Who sends to whom in a round, as the network sees it: one row a message."""

    links: Numbers  # [message, hop]
    latencies: Times  # of the whole route
    rates: Times  # of its slowest link


class FastNetwork:
    """The routes of a topology as arrays, and what its links have carried."""

    def __init__(self, topology: Topology) -> None:
        links = len(topology.names)
        self._topology = topology
        self._rates, self._latencies = np.asarray(topology.rates), np.asarray(topology.latencies)
        self._link_bytes, self._link_busy = np.zeros(links), np.zeros(links)
        self._link_pieces, self._pieces = np.zeros(links), 0.0  # carried, but not yet settled
        self._link_messages, self._owners = np.zeros(links, dtype=np.int64), np.full(links, -1)
        self._patterns: dict[tuple[bytes, bytes], Pattern] = {}
        self.messages, self.nbytes = 0, 0.0
        self.latency_sum = self.duration_sum = 0.0

    def why_not(
        self, collective: Collective, ranks: int, sizes: list[float], *, sharing: str, streams: int = 1
    ) -> str | None:
        """What keeps this engine from being exact, in words; None where it is."""
        if ranks == 1 or not sizes:
            return None
        links = {id(host.link): host.link for host in self._topology.hosts}  # few, however many hosts
        if not all(link.plain for link in links.values()):
            return "messages cost more than their latency and bytes"
        if sharing != "fair":
            return "links serve messages in order of arrival"
        if streams > 1:
            return "several all-reduces share the ports"
        if collective.helpers(ranks) or any(collective.lanes(nbytes, ranks) > 1 for nbytes in sizes):
            return "several messages may be on a port at once"
        return None if all(map(self._undisturbed, collective.rounds(ranks))) else "several messages share a link"

    def use(self) -> Columns[LinkUse]:
        """What each link has carried so far."""
        columns = self._link_bytes.tolist(), self._link_busy.tolist(), self._link_messages.tolist()
        each = zip(self._topology.names, self._topology.rates, *columns, strict=True)
        return Columns(LinkUse, [LinkUse(*values) for values in each])

    def carry(self, each: Round, start: Times, nbytes: Times, pieces: Any) -> tuple[Times, Times]:
        """When the first and the last byte of each of a round's messages come, each of which has so many `pieces`."""
        pattern = self._pattern(each)
        begin = start + pattern.latencies
        end = begin + nbytes / pattern.rates
        for hop in range(pattern.links.shape[1]):  # each link is there once, so that no addition is lost
            links = pattern.links[:, hop]
            self._link_pieces[links] += pieces
            self._link_busy[links] += end - begin
            self._link_messages[links] += 1
        self.messages += len(nbytes)
        self._pieces += float(pieces.sum())
        self.latency_sum += float(pattern.latencies.sum())
        self.duration_sum += float((end - start).sum())
        return begin, end

    def settle(self, piece: float) -> None:
        """The pieces counted since the last time had so many bytes each: bytes are summed without dust."""
        self._link_bytes += self._link_pieces * piece
        self.nbytes += self._pieces * piece
        self._link_pieces[:], self._pieces = 0.0, 0.0

    def _pattern(self, each: Round) -> Pattern:
        key = each.src.tobytes(), each.dst.tobytes()
        if key not in self._patterns:
            routes = [self._topology.route(s, d) for s, d in zip(each.src.tolist(), each.dst.tolist(), strict=True)]
            links = np.asarray(routes, dtype=np.int64).reshape(len(routes), -1)
            latencies = np.zeros(len(links))
            for hop in range(links.shape[1]):
                latencies = latencies + self._latencies[links[:, hop]]
            self._patterns[key] = Pattern(links, latencies, self._rates[links].min(axis=1))
        return self._patterns[key]

    def _undisturbed(self, each: Round) -> bool:
        """No two messages of the round meet, and each link only ever serves one host: the sender or the receiver."""
        if (each.src.tobytes(), each.dst.tobytes()) in self._patterns:
            return each.lane == 0
        if each.lane or any(len(np.unique(ends)) < len(ends) for ends in (each.src, each.dst)):
            return False
        if any(
            len(self._topology.route(*ends)) != 2 for ends in zip(each.src.tolist(), each.dst.tolist(), strict=True)
        ):
            return False  # longer ways have links in the middle, which serve many hosts
        links = self._pattern(each).links
        if len(np.unique(links)) != links.size:
            return False
        for ends, mine in ((each.src, links[:, 0]), (each.dst, links[:, 1])):
            if ((self._owners[mine] != -1) & (self._owners[mine] != ends)).any():
                return False
            self._owners[mine] = ends
        return True


class FastPlay:
    """A collective's rounds on arrays: from the times at which ranks are ready to those at which they are done."""

    def __init__(self, collective: Collective, ranks: int, network: FastNetwork, reduction_rate: float | None) -> None:
        self._collective, self._ranks = collective, ranks
        self._network, self._reduction_rate = network, reduction_rate

    def __call__(self, ready: Times, nbytes: float, record: Callable[..., None] | None = None) -> Times:
        """Seconds at which each rank has done its part; `record` hears of every round's messages."""
        ready, bytes_of = ready.copy(), PieceBytes(self._collective, self._ranks, nbytes, slices=1)
        for each in self._collective.rounds(self._ranks):
            sizes = bytes_of(each.first, each.count)
            start = np.maximum(ready[each.src], ready[each.dst])
            begin, end = self._network.carry(each, start, sizes, sizes if bytes_of.uneven else each.count)
            if record:
                record(each, sizes, start, begin, end)
            added = end + sizes / self._reduction_rate if each.add and self._reduction_rate else end
            ready[each.src] = np.maximum(ready[each.src], end)
            ready[each.dst] = np.maximum(ready[each.dst], added)
        self._network.settle(1.0 if bytes_of.uneven else bytes_of.equal)
        return ready


def train(plan: Plan, network: FastNetwork, detail: str, progress: Progress | None = None) -> Log:
    """Play all iterations of workers whose exchange the network's `why_not` has no objection to."""
    log = Log(plan, detail)
    play = FastPlay(plan.strategy, plan.workers, network, plan.scenario.cluster.reduction_rate)
    gaps = np.asarray([computing.backward_until(plan.buckets) for computing in plan.computing])
    forward = np.asarray([sum(computing.forward) for computing in plan.computing])
    update = np.asarray([computing.update for computing in plan.computing])
    now = np.zeros(plan.workers)
    for iteration in range(plan.scenario.iterations):
        start, factor = now, plan.factors[:, iteration]
        now = start + forward * factor
        offers = []
        for bucket in range(len(plan.buckets)):
            now = now + gaps[:, bucket] * factor
            offers.append(now)
        computed = now + gaps[:, -1] * factor
        if not plan.scenario.job.overlap:
            offers = [computed] * len(plan.buckets)
        now, exchanging = _exchange(plan, play, log, iteration, offers, computed)
        end = now + update * factor
        log.whole_step(iteration, start, computed, now, exchanging, end)
        now = end
        if progress:
            progress(iteration)
    return log


def _exchange(
    plan: Plan, play: FastPlay, log: Log, iteration: int, offers: list[Times], computed: Times
) -> tuple[Times, Times]:
    """When each worker has all sums, and for how long it had an exchange under way."""
    done, exchanging = np.full(plan.workers, -np.inf), np.zeros(plan.workers)
    for bucket, offer in enumerate(offers):
        before = done
        recorder = _recorder(plan, log, iteration, bucket) if log.records(iteration) else None
        done = play(np.maximum(offer, before), plan.buckets[bucket].nbytes, recorder)
        exchanging = exchanging + np.maximum(0.0, done - np.maximum(offer, before))
    return np.maximum(computed, done), exchanging


def _recorder(plan: Plan, log: Log, iteration: int, bucket: int) -> Callable[..., None]:
    name = plan.buckets[bucket].name

    def record(each: Round, sizes: Times, sent: Times, begin: Times, end: Times) -> None:
        columns: Any = (each.src, each.dst, sizes, sent, begin, end)
        for src, dst, nbytes, asked, first, last in zip(*(column.tolist() for column in columns), strict=True):
            log.transfers.append(Transfer(src, dst, nbytes, name, iteration, asked, first, last))

    return record
