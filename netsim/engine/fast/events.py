"""The fast engine's events: all-reduces that contend for fairly shared links, played on arrays.

The plan and the rounds of the collective are laid out as arrays; kernels/events.py plays them, event by event, in the
words of the reference. `Meeting` is raised where the order of two things that happen at one moment would matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective
from netsim.engine.fast import kernels, schedules
from netsim.engine.fast.faults import Faults
from netsim.engine.fast.layers import Layers
from netsim.engine.fast.links import Links, Sharing, agenda_of
from netsim.engine.fast.patterns import Meeting, Times
from netsim.engine.fast.rounds import Progress, timetable
from netsim.engine.fast.schedules import Numbers, Schedule, Sizes
from netsim.engine.health import NOTHING, Health
from netsim.engine.messages import STUCK
from netsim.engine.plan import Plan
from netsim.engine.record.log import Log
from netsim.engine.record.meter import Meter
from netsim.topologies.base import Topology
from netsim.trace import Columns, Interruption, LinkChange, LinkUse, ServerUse, Transfer
from netsim.training.parameter_server import ParameterServer

_WHY = {
    1: "messages come at one moment whose order matters",
    2: "more all-reduces of a stream are under way than this engine keeps apart",
    3: STUCK,
}
_GOING, _ASKS = 4, 5
_AT_A_STROKE = 1_000_000  # moments
_UNDER_WAY = 2  # exchanges on one stream: hosts that are ahead are in the next one
_MOST_MESSAGES = 40_000_000  # at once, of some 70 bytes each


class EventPlay:
    """All hosts' steps and all-reduces, and what the links have carried."""

    def __init__(
        self,
        steps: Schedule,
        sizes: Sizes,
        topology: Topology,
        *,
        streams: int,
        ways: int,
        sharing: Sharing,
        orders: Numbers | None = None,
        priorities: Sequence[int | None] = (),
        health: Mapping[int, Health] = NOTHING,
        announced: bool = False,
    ) -> None:
        """streams: on which exchanges follow one another. ways: as many of them have connections of their own.
        announced: whether each message waits for its receiver's word. orders: of what hosts send at one moment, bucket
        by bucket; None for that of the transfers. priorities: of buckets, where messages go ahead of others, or servers
        take what is most urgent. health: of links that change."""
        self._health, self._announced = health, announced
        self.changes: Sequence[LinkChange] = ()
        self.interruptions: Sequence[Interruption] = ()
        self._priorities = np.asarray([each for each in priorities if each is not None], dtype=np.int32)
        if len(self._priorities) and sharing.queues:
            raise Meeting("hosts hand queues in the network their most urgent slice")
        self._topology, self._streams, self._ways, self._sharing = topology, streams, ways, sharing
        self._orders = np.zeros(0, dtype=np.int64) if orders is None else orders
        self._steps, self._sizes, self._buckets = steps, sizes, len(sizes.slices)
        self._lay_routes()
        self._lanes = max(sizes.slices) * steps.owns
        self.duration_sum = 0.0
        self._times = np.zeros(len(steps.src), dtype=np.int64)  # how often each transfer has taken place
        self._busy = self._waited = np.zeros(len(topology.names))
        self.meter: Meter | None = None

    @classmethod
    def of(
        cls,
        collective: Collective,
        ranks: int,
        topology: Topology,
        sizes: list[float],
        *,
        streams: int,
        sharing: Sharing,
        health: Mapping[int, Health] = NOTHING,
    ) -> EventPlay:
        """All-reduces of these sizes, or whatever else the collective does."""
        steps = schedules.of_collective(collective, ranks)
        if steps is None:
            raise Meeting("there is nothing to send")
        if (steps.src == steps.dst)[steps.real].any():
            raise Meeting("a host gives something to itself")
        cut = schedules.sizes_of_collective(collective, ranks, sizes, steps)
        how: dict[str, Any] = {"sharing": sharing, "health": health, "announced": collective.announced}
        return cls(steps, cut, topology, streams=streams, ways=streams, **how)

    def _lay_routes(self) -> None:
        """Connections: one a pair of machines, and stream of its own. What stays on a machine has none. Words go over
        those from receiver to sender."""
        steps, topology, ways = self._steps, self._topology, self._ways
        src, dst = steps.machines[steps.src], steps.machines[steps.dst]
        self._local = (src == dst).astype(np.int32)
        self._sent = steps.real[src[steps.real] != dst[steps.real]]
        machines = len(topology.hosts)
        there, back = ((one * machines + other)[self._sent] for one, other in ((src, dst), (dst, src)))
        pairs, pair = np.unique([there, back] if self._announced else [there], return_inverse=True)
        self._pairs = len(pairs)
        self._pair, self._back = np.zeros((2, len(src)), dtype=np.int64)
        self._pair[self._sent], self._back[self._sent] = pair.reshape(-1, len(self._sent))[[0, -1]]
        ends = [divmod(each, machines) for each in pairs.tolist()]
        self._ends = [each for each in ends for _ in range(ways)]
        self._routes = [topology.route(one, other, way) for one, other in ends for way in range(ways)]
        self._sources = [one for one, _ in self._ends]
        latencies = [math.fsum(topology.latencies[link] for link in route) for route in self._routes]
        if any(latencies[i] != latencies[i - i % ways] for i in range(len(latencies))):
            raise Meeting("streams take routes of different latency")
        waits = np.asarray([*latencies[::ways], 0.0])
        self._wait, self._word_wait = (waits[pair] * (1 - self._local) for pair in (self._pair, self._back))

    def run(
        self,
        forward: Times,
        gaps: Times,
        update: Times,
        *,
        layers: Layers | None = None,
        urgency: Sequence[int] | None = None,
        iterations: int = 1,
        overlap: bool = True,
        reduction_rate: float | None = None,
        recorded: range = range(0),
    ) -> dict[str, Any]:
        """Play so many iterations of [row, host] times, one row for all or one for each; what happened when.

        layers: where the next forward pass goes on layer by layer. urgency: of buckets, where a free stream takes the
        one of least. Raises Meeting where the order of what happens at one moment would matter."""
        steps, layers = self._steps, layers or Layers.none()
        slots, rows = min(_UNDER_WAY, iterations * self._buckets), len(forward)
        messages = slots * self._streams * self._lanes * steps.a_lane
        computing = messages + steps.hosts * self._streams
        links = self._links(messages, computing + steps.hosts, ordered=False, watched=bool(recorded))
        arrays = self._arrays(messages, slots, iterations, recorded)
        arrays.update(forward=forward.ravel(), gaps=gaps.ravel(), update=update.ravel(), **layers.arrays(recorded))
        numbers = {
            "hosts": steps.hosts, "transfers": steps.a_lane, "lanes": self._lanes, "owns": steps.owns, "slots": slots,
            "streams": self._streams, "ways": self._ways,
            "joining": steps.joining, "buckets": self._buckets, "iterations": iterations, "rows": rows,
            "messages": messages, "computing": computing, "announced": int(self._announced), "layers": len(layers),
            "in_turn": int(urgency is not None),
            "overlap": int(overlap), "record_from": recorded.start,
            "record_to": recorded.stop if recorded else recorded.start,
        }  # fmt: skip
        turns = None if urgency is None else self._turns(urgency, iterations, links)
        run = kernels.load("events").Run(numbers, reduction_rate or 0.0, links.kernel, turns, links.agenda, arrays)
        if why := self._to_its_end(run, links, watched=bool(recorded)):
            raise Meeting(_WHY[why])
        self._times[:], self.duration_sum = iterations, run.duration
        self._additions = run.additions
        return arrays

    def _turns(self, urgency: Sequence[int], iterations: int, links: Links) -> Any:
        """The kernel's, which find the order of buckets; of equal urgency, the first goes first."""
        buckets = len(urgency)
        arrays = {
            "rank": np.argsort(np.argsort(np.asarray(urgency), kind="stable")).astype(np.int32),
            "offers": np.zeros(buckets, dtype=np.int32),
            "ready_at": np.full(buckets, -np.inf),
            "turns": np.zeros(iterations * buckets, dtype=np.int64),
        }
        return kernels.load("turns").Turns(links.kernel, agenda_of(buckets), self._steps.joining, arrays)

    def _links(self, messages: int, things: int, *, ordered: bool, watched: bool, hubs: int = 0) -> Links:
        """The network, where nothing has been sent."""
        hops = max(map(len, self._routes), default=1) if self._sharing.queues else 1
        if messages * hops > _MOST_MESSAGES:
            raise Meeting("there are too many messages")
        how: dict[str, Any] = {"messages": messages, "things": things, "ordered": ordered, "watched": watched}
        self._faults = Faults(self._health, self._topology, self._ends)
        how |= {"hubs": hubs, "health": self._health, "faults": self._faults}
        return Links(self._topology, self._sharing, self._routes, self._sources, **how)

    def _to_its_end(self, run: Any, links: Links, *, watched: bool) -> int:
        """Play a kernel's run as far as it goes, and keep what links did; what it is given up for, or 0."""
        faults = self._faults
        if self._health and not self._sharing.queues:
            faults.tell(links.kernel, links.met)
        while (why := run.run(_AT_A_STROKE)) in (_GOING, _ASKS):  # so that an interrupt is heard in between
            if why == _ASKS:
                faults.tell(links.kernel, links.met)
        if faults.raised:
            raise faults.raised
        if self._health and not self._sharing.queues:
            faults.take_down(links.kernel, links.met)
        self.interruptions = faults.interruptions
        self._busy, self._waited = links.busy, links.waited
        if watched:
            self.meter = links.meter
        return int(why)

    def _entering(self, waits: Times) -> Times:
        """Seconds that each transfer takes to come to its connection; queues know of latencies hop by hop."""
        return np.zeros_like(waits) if self._sharing.queues else waits

    def _arrays(self, messages: int, slots: int, iterations: int, recorded: range) -> dict[str, Any]:
        """The schedule, and the state of plays, hosts and messages, of which nothing has begun."""
        steps, hosts, plays, buckets = self._steps, self._steps.hosts, slots * self._streams, self._buckets
        parts, uneven = plays * self._lanes * hosts, self._sizes.uneven
        places = np.cumsum([0, *map(len, uneven)])[:-1]
        kept = len(recorded) * self.messages_at_a_time
        zeros = {
            "state": messages, "position": parts, "missing": parts, "hosts_left": plays, "lanes_left": plays * hosts,
            **dict.fromkeys(("leg", "taken_up", "oldest", "units"), plays * hosts),
            "adder_part": hosts, "bucket": hosts * self._streams, "asks": hosts * self._streams,
            **dict.fromkeys(("iteration", "about", "phase", "stage", "buckets_left"), hosts),
            "is_in": hosts * buckets, "behind": messages, "word": messages * self._announced,
        }  # fmt: skip
        times = {
            "sent": messages, "adder_free": hosts, "offered": hosts * buckets, "done": hosts * buckets,
            **dict.fromkeys(("start", "computed", "exchanged", "exchanging"), iterations * steps.joining),
            **dict.fromkeys(("waited", "end"), iterations * steps.joining), "asked": hosts,
            "record_times": 4 * kept, "applied": iterations,
            "added": 4 * len(recorded) * self._exchanged(len(steps.real)) * (steps.hosts > steps.joining),
        }  # fmt: skip
        return {
            **{name: np.zeros(size, dtype=np.int32) for name, size in zeros.items()},
            **{name: np.zeros(size) for name, size in times.items()},
            **{name: getattr(steps, name) for name in ("src", "dst", "count", "add")},
            **{name: getattr(steps, name) for name in ("step_of", "step_first", "in_step")},
            "flow": self._pair.astype(np.int32), "wait": self._entering(self._wait),
            "word_flow": self._back.astype(np.int32), "word_wait": self._entering(self._word_wait),
            "adder_last": np.full(hosts, -np.inf),
            "piece": self._sizes.piece.ravel(), "slices": np.asarray(self._sizes.slices, dtype=np.int32),
            "local": self._local, "adding_steps": steps.adding, **self._sizes.rules(steps.owns),
            "uneven": np.concatenate(uneven), "play": np.full(plays, -1, dtype=np.int64),
            "size_of": np.where([len(sizes) for sizes in uneven], places, -1).astype(np.int64),
            "record": np.zeros(2 * kept, dtype=np.int64), "orders": self._orders, "priority": self._priorities,
            "adding": np.full(hosts, -1, dtype=np.int32), "inbox": np.full(hosts, -1, dtype=np.int32),
            "turn": np.zeros(hosts * self._streams, dtype=np.int64),
        }  # fmt: skip

    def transfers(self, names: Sequence[str], found: dict[str, Any]) -> list[Transfer]:
        """What was recorded of messages; `names` has those of the buckets."""
        (play, number), times = found["record"].reshape(-1, 2).T, found["record_times"].reshape(-1, 4).T
        iteration, bucket = np.divmod(play, len(names))
        labels = [names[each] for each in bucket.tolist()]
        steps = self._steps
        is_word, number = np.divmod(number, len(steps.src))
        ends = (np.where(is_word, other[number], one[number]) for one, other in permutations((steps.src, steps.dst)))
        columns = (*(steps.machines[end] for end in ends), iteration, *times)
        src, dst, iterations, nbytes, sent, begin, end = (column.tolist() for column in columns)
        return list(map(Transfer, src, dst, nbytes, labels, iterations, sent, begin, end))

    def note_servers(self, log: Log, names: Sequence[str], found: dict[str, Any], rate: float | None) -> None:
        """What servers have done: sums that became weights, what they moved, and when they were busy with it."""
        steps, workers = self._steps, self._steps.joining
        for iteration, now in enumerate(found["applied"].tolist()):
            for worker in range(workers):
                log.updated(now, worker, iteration, iteration, iteration + 1)
        for play, server, start, end in found["added"][: 4 * self._additions].reshape(-1, 4).tolist():
            iteration, bucket = divmod(int(play), len(names))
            log.added(int(steps.machines[int(server)]), iteration, names[bucket], start, end)
        owned = sum(np.maximum(self._sizes.piece, 0.0) * np.asarray(self._sizes.slices)[:, None])
        for server, nbytes in enumerate((owned * len(found["applied"])).tolist()):
            busy = workers * nbytes / rate if rate else 0.0
            log.servers.append(ServerUse(int(steps.machines[workers + server]), 2 * workers * nbytes, busy))

    def ended(self, end: float) -> None:
        """The job was over at that time (s)."""
        if self._health:
            self.changes = self._faults.changes(end)

    @property
    def messages_at_a_time(self) -> int:
        """Messages of all buckets in one iteration of all, and words about them."""
        return self._sent_in(np.ones_like(self._times))

    def _sent_in(self, times: Numbers) -> int:
        """Messages, and words about them, where each transfer has taken place so often."""
        many = int(sum((self._slices_of(s) * times)[self._sent].sum() for s in range(self._streams)))
        return many * (1 + self._announced)

    def _exchanged(self, transfers: int) -> int:
        """Transfers of all buckets, if so many are of each."""
        return sum(self._sizes.slices) * transfers

    def _slices_of(self, stream: int) -> Numbers:
        """In how many slices of the stream's buckets each transfer takes place."""
        steps, sizes = self._steps, self._sizes
        there = (sizes.piece[stream :: self._streams] >= 0) * np.asarray(
            sizes.slices[stream :: self._streams], dtype=int
        )[:, None]
        return np.repeat(there.sum(axis=0), steps.a_lane)

    @property
    def messages(self) -> int:
        return self._sent_in(self._times)

    @property
    def nbytes(self) -> float:
        return float(sum((self._bytes_of(s) * self._times)[self._sent].sum() for s in range(self._streams)))

    @property
    def latency_sum(self) -> float:
        waits = (self._wait + self._word_wait * self._announced) * self._times
        return math.fsum((waits * self._slices_of(s))[self._sent].sum() for s in range(self._streams))

    def _bytes_of(self, stream: int) -> npt.NDArray[np.longdouble]:
        """Bytes of each transfer in one iteration: of all slices of the buckets that go on this stream."""
        steps, sizes = self._steps, self._sizes
        total = np.zeros(len(steps.src), dtype=np.longdouble)
        for bucket in range(stream, self._buckets, self._streams):
            if len(sizes.uneven[bucket]):
                total += sizes.uneven[bucket].reshape(sizes.slices[bucket], -1).sum(axis=0)
            else:
                piece = np.repeat(np.maximum(sizes.piece[bucket], 0.0), steps.a_lane)
                total += (steps.count * piece).astype(np.longdouble) * sizes.slices[bucket]
        return total

    def use(self) -> Columns[LinkUse]:
        """What each link has carried."""
        size = len(self._topology.names)
        nbytes, messages = np.zeros(size, dtype=np.longdouble), np.zeros(size, dtype=np.int64)
        for stream in range(self._streams):
            of_pair, many = np.zeros(self._pairs, dtype=np.longdouble), np.zeros(self._pairs, dtype=np.int64)
            np.add.at(of_pair, self._pair[self._sent], (self._bytes_of(stream) * self._times)[self._sent])
            for pairs in [self._pair, self._back][: 1 + self._announced]:
                np.add.at(many, pairs[self._sent], (self._slices_of(stream) * self._times)[self._sent])
            way = stream if self._ways > 1 else 0
            for pair in range(self._pairs):
                for link in self._routes[pair * self._ways + way]:
                    nbytes[link] += of_pair[pair]
                    messages[link] += many[pair]
        columns = self._topology.names, self._topology.rates, nbytes.astype(float), self._busy, messages, self._waited
        return Columns.of(LinkUse, *columns)


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, EventPlay]:
    """Play all iterations of workers that all-reduce; Meeting where the order of what happens at one moment matters."""
    log, scenario = Log(plan, detail), plan.scenario
    sharing = Sharing.of(scenario.cluster.sharing, scenario.cluster.forwarding)
    how: dict[str, Any] = {"sharing": sharing, "health": plan.healths()}
    iterations, rate, servers = scenario.iterations, scenario.cluster.reduction_rate, None
    if isinstance(plan.strategy, ParameterServer):
        servers, rate = plan.strategy, plan.server_costs.adding_rate
        steps, sizes = schedules.of_servers(plan, servers), schedules.sizes_of_servers(plan, servers)
        orders = schedules.orders_of_servers(plan, servers, sizes)
        how |= {"streams": len(plan.buckets), "ways": 1}
        play = EventPlay(steps, sizes, plan.topology, **how, orders=orders, priorities=plan.priorities)
    else:
        nbytes = [bucket.nbytes for bucket in plan.buckets]
        how["streams"] = scenario.job.streams
        play = EventPlay.of(plan.strategy, plan.workers, plan.topology, nbytes, **how)
    recorded = [iteration for iteration in range(iterations) if log.records(iteration)]
    factors = plan.factors.T[: 1 if scenario.noise.none else None, :]
    forward, gaps, update = timetable(plan)
    layers = Layers.of(plan, factors)
    shown = range(recorded[0], recorded[-1] + 1) if recorded else range(0)
    found = play.run(
        layers.leads(plan, factors) if layers else forward * factors,
        gaps * factors[:, :, None],
        update * factors,
        layers=layers,
        urgency=[each for each in plan.priorities if each is not None and not servers] or None,
        iterations=iterations,
        overlap=scenario.job.overlap,
        reduction_rate=rate,
        recorded=shown,
    )
    if layers:
        layers.note(plan, log, found, shown)
    else:
        columns = ("start", "computed", "exchanged", "exchanging", "end")
        parts = [found[name].reshape(iterations, plan.workers) for name in columns]
        for iteration in range(iterations):
            log.whole_step(iteration, *(column[iteration] for column in parts))
    for iteration in range(iterations if progress else 0):
        progress(iteration)  # type: ignore[misc]
    play.ended(log.end)
    names = tuple(bucket.name for bucket in plan.buckets)
    log.transfers += play.transfers(names, found)
    if servers:
        play.note_servers(log, names, found, rate)
    return log, play
