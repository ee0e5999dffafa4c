"""The fast engine's events: all-reduces that contend for fairly shared links, played on arrays.

The plan and the rounds of the collective are laid out as arrays; kernels/events.py plays them, event by event, in the
words of the reference. `Meeting` is raised where the order of two things that happen at one moment would matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective, PieceBytes, unrolled
from netsim.engine import kernels
from netsim.engine.fast_rounds import Meeting, Progress, Times
from netsim.engine.log import Log
from netsim.engine.meter import BINS, Meter
from netsim.engine.plan import Plan
from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse, Transfer

Ints = npt.NDArray[np.int32]
_WHY = {
    1: "messages come at one moment whose order matters",
    2: "more all-reduces of a stream are under way than this engine keeps apart",
    3: "nothing can move any more",
}
_GOING = 4
_AT_A_STROKE = 1_000_000  # moments
_UNDER_WAY = 3  # all-reduces on one stream: hosts that are ahead are in the next one
_MOST_MESSAGES = 40_000_000  # at once, of some 70 bytes each


@dataclass(frozen=True)
class Schedule:
    """A collective's transfers, and in which steps of its lanes each host takes part in which of them."""

    src: Ints
    dst: Ints
    first: npt.NDArray[np.int64]
    count: Ints
    add: Ints
    owns: int  # lanes of the collective itself, which slices multiply
    step_of: Ints  # [lane, host], laid end to end: its first step
    step_first: Ints  # of each step: where its transfers begin in `in_step`
    in_step: Ints


def schedule(collective: Collective, ranks: int) -> Schedule:
    """The rounds, seen by each host."""
    rounds = list(unrolled(collective.rounds(ranks), collective.pieces(ranks)))
    if not rounds:
        raise Meeting("there is nothing to send")
    columns = (np.concatenate([getattr(each, name) for each in rounds]) for name in ("src", "dst", "first", "count"))
    src, dst, first, count = columns
    lengths = [len(each) for each in rounds]
    number, lane = (np.repeat(of, lengths) for of in (np.arange(len(rounds)), [each.lane for each in rounds]))
    hosts, owns = ranks + collective.helpers(ranks), int(lane.max()) + 1
    if (src == dst).any():
        raise Meeting("a host gives something to itself")
    who, what = np.concatenate([src, dst]), np.tile(np.arange(len(src)), 2)
    whose = np.tile(lane, 2) * hosts + who
    order = np.lexsort((what, number[what], whose))
    whose, what = whose[order], what[order]
    begins = np.flatnonzero(np.diff(whose, prepend=-1) | np.diff(number[what], prepend=-1))
    step_of = np.searchsorted(whose[begins], np.arange(owns * hosts + 1))
    add = np.repeat([each.add for each in rounds], lengths)
    ints = (column.astype(np.int32) for column in (src, dst, count, add))
    src32, dst32, count32, add32 = ints
    steps = (column.astype(np.int32) for column in (step_of, np.append(begins, len(what)), what))
    return Schedule(src32, dst32, first, count32, add32, owns, *steps)


class EventPlay:
    """All hosts' steps and all-reduces, and what the links have carried."""

    def __init__(
        self, collective: Collective, ranks: int, topology: Topology, *, sizes: list[float], streams: int = 1
    ) -> None:
        self._topology, self._sizes, self._streams = topology, sizes, streams
        self._steps = steps = schedule(collective, ranks)
        self.hosts = ranks + collective.helpers(ranks)
        self._slices = [collective.lanes(nbytes, ranks) for nbytes in sizes]
        self._bytes = [PieceBytes(collective, ranks, s, slices=n) for s, n in zip(sizes, self._slices, strict=True)]
        self._lay_routes()
        self._lanes = max(self._slices) * steps.owns
        self.duration_sum, self.ended, self._iterations = 0.0, 0.0, 0
        self._busy = self._waited = np.zeros(len(topology.names))
        self.meter: Meter | None = None

    def _lay_routes(self) -> None:
        """Connections: one a pair of hosts and stream."""
        steps, topology = self._steps, self._topology
        pairs, self._pair = np.unique(steps.src.astype(np.int64) * self.hosts + steps.dst, return_inverse=True)
        ends = [divmod(pair, self.hosts) for pair in pairs.tolist()]
        routes = [topology.route(src, dst, stream) for src, dst in ends for stream in range(self._streams)]
        self._routes, self._pairs = routes, len(pairs)
        latencies = [sum(topology.latencies[link] for link in route) for route in routes]
        if any(latencies[i] != latencies[i - i % self._streams] for i in range(len(routes))):
            raise Meeting("streams take routes of different latency")
        self._wait = np.asarray(latencies)[:: self._streams][self._pair]

    def run(
        self,
        forward: Times,
        gaps: Times,
        update: Times,
        *,
        iterations: int = 1,
        overlap: bool = True,
        reduction_rate: float | None = None,
        recorded: range = range(0),
    ) -> dict[str, Any]:
        """Play so many iterations of [row, host] times, one row for all or one for each; what happened when.

        Raises Meeting where the order of what happens at one moment would matter."""
        steps, sharing, kernel = self._steps, kernels.load("sharing"), kernels.load("events")
        slots, rows = min(_UNDER_WAY, iterations * len(self._sizes)), len(forward)
        messages = slots * self._streams * self._lanes * len(steps.src)
        if messages > _MOST_MESSAGES:
            raise Meeting("there are too many messages")
        flows, joins = len(self._routes), self.hosts * self._streams
        things = flows + messages + joins
        at, heap, place = np.zeros(things), np.zeros(things, dtype=np.int32), np.full(things, -1, dtype=np.int32)
        agenda = sharing.Agenda(things, at, heap, place)
        network = self._network(flows, messages, watched=bool(recorded))
        fair = sharing.Fair(agenda, BINS, network)
        arrays = self._arrays(messages, slots, iterations, recorded)
        arrays.update(forward=forward.ravel(), gaps=gaps.ravel(), update=update.ravel())
        numbers = {
            "hosts": self.hosts, "transfers": len(steps.src), "lanes": self._lanes, "owns": steps.owns, "slots": slots,
            "streams": self._streams, "buckets": len(self._sizes), "iterations": iterations, "rows": rows,
            "flows": flows, "messages": messages, "overlap": int(overlap), "record_from": recorded.start,
            "record_to": recorded.stop if recorded else recorded.start,
        }  # fmt: skip
        run = kernel.Run(numbers, reduction_rate or 0.0, fair, agenda, arrays)
        while (why := run.run(_AT_A_STROKE)) == _GOING:  # so that an interrupt is heard in between
            pass
        if why:
            raise Meeting(_WHY[why])
        self._iterations, self.duration_sum, self.ended = iterations, run.duration, float(arrays["end"].max())
        self._busy, self._waited = network["busy"], network["waited"]
        if recorded:
            bins = network["meter"].reshape(-1, BINS)
            self.meter = Meter.of(range(len(bins)), fair.watched_from, fair.bin, bins)
        return arrays

    def _network(self, flows: int, messages: int, *, watched: bool) -> dict[str, Any]:
        """The state of links, connections and messages, of which there are none yet."""
        lengths = [len(route) for route in self._routes]
        first, links = np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([[*route] for route in self._routes])
        size, places = len(self._topology.names), len(links)
        whole = {
            **dict.fromkeys(("crowd", "changed", "is_changed", "many", "filling", "full"), np.zeros(size)),
            "head": np.full(size, -1), "first": first, "links": links, "owner": np.repeat(np.arange(flows), lengths),
            **dict.fromkeys(("after", "ahead"), np.full(places, -1)),
            **dict.fromkeys(("message", "queue", "last", "bottleneck", "narrowest"), np.full(flows, -1)),
            **dict.fromkeys(("reached", "seen"), np.zeros(flows)),
            "behind": np.zeros(messages),
        }  # fmt: skip
        times = {
            "rates": np.asarray(self._topology.rates, dtype=float),
            **dict.fromkeys(("busy", "busy_since", "left", "waited"), np.zeros(size)),
            "meter": np.zeros(size * BINS if watched else 0),
            **dict.fromkeys(("rate", "remaining", "since", "level", "alone"), np.zeros(flows)),
            "entered": np.full(flows, -np.inf),
            **dict.fromkeys(("nbytes", "begin"), np.zeros(messages)),
        }
        return {name: array.astype(np.int32) for name, array in whole.items()} | {k: v.copy() for k, v in times.items()}

    def _arrays(self, messages: int, slots: int, iterations: int, recorded: range) -> dict[str, Any]:
        """The schedule, and the state of plays, hosts and messages, of which nothing has begun."""
        steps, hosts, plays, buckets = self._steps, self.hosts, slots * self._streams, len(self._sizes)
        parts, uneven = plays * self._lanes * hosts, [self._uneven(b) for b in range(buckets)]
        places = np.cumsum([0, *map(len, uneven)])[:-1]
        kept = len(recorded) * self.messages_of_all(1)
        zeros = {
            "state": messages, "position": parts, "missing": parts, "hosts_left": plays, "lanes_left": plays * hosts,
            "adder_part": hosts, "iteration": hosts, "bucket": hosts * self._streams, "streams_left": hosts,
            "opening": len(self._routes),
        }  # fmt: skip
        times = {
            "sent": messages, "adder_free": hosts, "offered": hosts * buckets, "done": hosts * buckets,
            **dict.fromkeys(("start", "computed", "exchanged", "exchanging", "end"), iterations * hosts),
            "record_times": 4 * kept,
        }  # fmt: skip
        return {
            **{name: np.zeros(size, dtype=np.int32) for name, size in zeros.items()},
            **{name: np.zeros(size) for name, size in times.items()},
            **{name: getattr(steps, name) for name in ("src", "dst", "count", "add")},
            **{name: getattr(steps, name) for name in ("step_of", "step_first", "in_step")},
            "flow": self._pair.astype(np.int32), "wait": self._wait, "adder_last": np.full(hosts, -np.inf),
            "piece": np.asarray([each.equal for each in self._bytes]),
            "slices": np.asarray(self._slices, dtype=np.int32),
            "uneven": np.concatenate(uneven), "play": np.full(plays, -1, dtype=np.int64),
            "size_of": np.where([len(sizes) for sizes in uneven], places, -1).astype(np.int64),
            "record": np.zeros(2 * kept, dtype=np.int64),
        }  # fmt: skip

    def transfers(self, names: list[str], found: dict[str, Any]) -> list[Transfer]:
        """What was recorded of messages; `names` has those of the buckets."""
        (play, number), times = found["record"].reshape(-1, 2).T, found["record_times"].reshape(-1, 4).T
        iteration, bucket = np.divmod(play, len(names))
        labels = [names[each] for each in bucket.tolist()]
        columns = (self._steps.src[number], self._steps.dst[number], iteration, *times)
        src, dst, iterations, nbytes, sent, begin, end = (column.tolist() for column in columns)
        return list(map(Transfer, src, dst, nbytes, labels, iterations, sent, begin, end))

    def _uneven(self, bucket: int) -> Times:
        """Bytes of every transfer in every slice of a bucket whose pieces are not all equal; else nothing."""
        of, steps = self._bytes[bucket], self._steps
        if not of.uneven:
            return np.zeros(0)
        return np.concatenate([of(steps.first, steps.count, slice=part) for part in range(self._slices[bucket])])

    def messages_of_all(self, iterations: int) -> int:
        """Messages of all buckets in so many iterations."""
        return sum(self._slices) * len(self._steps.src) * iterations

    @property
    def messages(self) -> int:
        return self.messages_of_all(self._iterations)

    @property
    def nbytes(self) -> float:
        return float(sum(self._bytes_of_transfers(s).sum() for s in range(self._streams)) * self._iterations)

    @property
    def latency_sum(self) -> float:
        return float(self._wait.sum()) * sum(self._slices) * self._iterations

    def _bytes_of_transfers(self, stream: int) -> npt.NDArray[np.longdouble]:
        """Bytes of each transfer in one iteration: of all slices of the buckets that go on this stream."""
        total = np.zeros(len(self._steps.src), dtype=np.longdouble)
        for bucket in range(stream, len(self._bytes), self._streams):
            of = self._bytes[bucket]
            if of.uneven:
                total += self._uneven(bucket).reshape(self._slices[bucket], -1).sum(axis=0)
            else:
                total += (self._steps.count * of.equal).astype(np.longdouble) * self._slices[bucket]
        return total

    def use(self) -> Columns[LinkUse]:
        """What each link has carried."""
        size = len(self._topology.names)
        nbytes, messages = np.zeros(size, dtype=np.longdouble), np.zeros(size, dtype=np.int64)
        for stream in range(self._streams):
            of_pair, many = np.zeros(self._pairs, dtype=np.longdouble), np.zeros(self._pairs, dtype=np.int64)
            np.add.at(of_pair, self._pair, self._bytes_of_transfers(stream) * self._iterations)
            np.add.at(many, self._pair, sum(self._slices[stream :: self._streams]) * self._iterations)
            for pair in range(self._pairs):
                for link in self._routes[pair * self._streams + stream]:
                    nbytes[link] += of_pair[pair]
                    messages[link] += many[pair]
        columns = nbytes.astype(float).tolist(), self._busy.tolist(), messages.tolist(), self._waited.tolist()
        return Columns(LinkUse, list(map(LinkUse, self._topology.names, self._topology.rates, *columns)))


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, EventPlay]:
    """Play all iterations of workers that all-reduce; Meeting where the order of what happens at one moment matters."""
    log, scenario = Log(plan, detail), plan.scenario
    sizes = [bucket.nbytes for bucket in plan.buckets]
    play = EventPlay(plan.strategy, plan.workers, plan.topology, sizes=sizes, streams=scenario.job.streams)
    iterations = scenario.iterations
    recorded = [iteration for iteration in range(iterations) if log.records(iteration)]
    factors = plan.factors.T[: 1 if scenario.noise.none else None, :]
    gaps = np.asarray([computing.backward_until(plan.buckets) for computing in plan.computing])
    forward = np.asarray([computing.lead for computing in plan.computing])
    update = np.asarray([computing.update for computing in plan.computing])
    found = play.run(
        forward * factors,
        gaps * factors[:, :, None],
        update * factors,
        iterations=iterations,
        overlap=scenario.job.overlap,
        reduction_rate=scenario.cluster.reduction_rate,
        recorded=range(recorded[0], recorded[-1] + 1) if recorded else range(0),
    )
    names = ("start", "computed", "exchanged", "exchanging", "end")
    steps = [found[name].reshape(iterations, plan.workers) for name in names]
    for iteration in range(iterations):
        log.whole_step(iteration, *(column[iteration] for column in steps))
        if progress:
            progress(iteration)
    log.transfers += play.transfers([bucket.name for bucket in plan.buckets], found)
    return log, play
