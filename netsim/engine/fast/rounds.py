"""The fast engine's rounds: many of them at a stroke, where no two messages meet on a link.

It is the twin of the reference for collectives whose messages have their links to themselves while they use them. What
the reference finds event by event is then one maximum and two additions a message (kernels/rounds.py), of the same
numbers in the same order. That it is so is proven while it goes on; where the proof fails, `Meeting` is raised, and
another way of playing takes over. Where many hosts are alike, one of each kind is played for all (symmetry.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective, PieceBytes, Round, digest
from netsim.engine.fast import kernels
from netsim.engine.fast.legs import Stretch, in_one_order, stretches
from netsim.engine.fast.symmetry import Classes, Messages, apart, classes, firsts, mixed, numbered
from netsim.engine.plan import Plan
from netsim.engine.record.log import Log
from netsim.engine.record.story import Story
from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse
from netsim.training.step import Computing

Times = npt.NDArray[np.float64]  # of each host, s
Numbers = npt.NDArray[np.int64]
Short = npt.NDArray[np.int32]
Progress = Callable[[int], None]
_AT_A_STROKE = 20_000_000  # messages
IN_ORDER = "links serve messages in order of arrival"
MOST_MESSAGES = 2e10  # more would keep this engine busy for minutes


class Meeting(Exception):
    """Two messages meet on a link, or may come in another order than they are played in; says which it is."""


@dataclass(frozen=True)
class Pattern:
    """Who sends to whom in a round, as the network sees it: one row a message, or a class of messages all alike."""

    src: Short
    dst: Short
    into: Short  # the message that comes to this one's source, and the one that its destination sends,
    onward: Short  # or itself; both empty where a host has several
    rows: Numbers  # which of the round's messages these are
    alike: Numbers  # for how many messages each stands
    links: Numbers  # [message, hop], one beyond the last link after the end of a route
    connections: Numbers
    wait: Times  # latency of the whole route
    rates: Times  # of its slowest link


class FastNetwork:
    """The routes of a topology as arrays, when each link is free, and what it has carried.

    `queues`: links serve whole messages in order of arrival. As long as none has to wait for another, each is on its
    way for as long as where links are shared; but it may be anywhere on its way from when it is sent on.
    """

    def __init__(self, topology: Topology, *, queues: bool = False) -> None:
        if topology.bursts:
            raise Meeting("links pass bursts")
        self._topology, self._hosts, self.queues = topology, len(topology.hosts), queues
        self._classes: Classes | None = None
        self._messages: dict[bytes, Messages] = {}
        self._rates, self._latencies = np.asarray(topology.rates), np.asarray(topology.latencies)
        self._totals = np.zeros(4, dtype=np.longdouble)  # messages, bytes, and s of latency and under way

    def begin(self, links: int) -> None:
        """Nothing has been sent; links are classes of links where hosts are played by classes."""
        self._patterns: dict[bytes, Pattern] = {}
        self._pairs: dict[bytes, int] = {}
        self._loaded: Pattern | None = None
        self._free, self._entered = np.zeros(links + 1), np.full(links + 1, -np.inf)
        self._last = np.full(links + 1, -1)  # whose message a link had last
        self._link_bytes, self._link_busy = np.zeros(links + 1, dtype=np.longdouble), np.zeros(links + 1)
        self._link_messages = np.zeros(links + 1, dtype=np.int64)

    def find_classes(self, rounds: Iterable[Round], colours: Numbers) -> Classes | None:
        """From now on, play one host of each class for all; `colours` tell hosts apart that differ in themselves."""
        own = mixed(*map(numbered, (self._rates, self._latencies)))
        different = {each.who: self._messages_of(each) for each in rounds}  # a ring's two halves are the same to it
        self._classes = classes(list(different.values()), colours, own)
        if self._classes:
            self.begin(len(self._classes.a_link))
        return self._classes

    def use(self) -> Columns[LinkUse]:
        """What each link has carried so far."""
        self._store()
        columns = (self._link_bytes.astype(float), self._link_busy, self._link_messages)
        of = self._classes.links if self._classes else np.arange(len(self._topology.names))
        return Columns.of(LinkUse, self._topology.names, self._topology.rates, *(column[of] for column in columns))

    @property
    def links(self) -> int:
        """How many there are."""
        return len(self._topology.names)

    @property
    def messages(self) -> int:
        """Delivered so far, between hosts."""
        return int(self._total(0))

    @property
    def nbytes(self) -> float:
        """Delivered so far, between hosts."""
        return self._total(1)

    @property
    def latency_sum(self) -> float:
        """Over all messages, s."""
        return self._total(2)

    @property
    def duration_sum(self) -> float:
        """Over all messages, s."""
        return self._total(3)

    def _total(self, what: int) -> float:
        self._store()
        return float(self._totals[what])

    def load(self, each: Round) -> Pattern:
        """Make ready for a round's messages."""
        pattern = self._pattern(each)
        if pattern is not self._loaded:
            self._store()
            self._loaded, links, size = pattern, pattern.links, len(pattern.src)
            mine = self._last[links] == pattern.connections[:, None]
            free = self._free[links]
            self.others = np.where(mine, -np.inf, free).max(axis=1)
            self.own, self.entered = np.where(mine, free, 0.0).max(axis=1), self._entered[links[:, 0]]
            if self.queues:
                self.others = free.max(axis=1) + pattern.wait  # and so before the message is sent
            self.start, self.end, self.under_way = np.zeros((3, size))
            self._sent, self._sent_bytes, self._on_wire = 0, np.zeros(size, dtype=np.longdouble), np.zeros(size)
        return pattern

    def count(self, lasts: Times, sizes: Times, times: int, lanes: int) -> None:
        """So often, in so many lanes in turn, messages of these sizes (bytes) and lengths (s on the wire) were sent."""
        self._sent += times * lanes
        self._sent_bytes += sizes.astype(np.longdouble) * (times * lanes)
        self._on_wire += lasts * (times * lanes)

    def _store(self) -> None:
        """The links of the round that was played last remember whose they were, and what they carried."""
        pattern = self._loaded
        if pattern:
            for hop in pattern.links.T:  # each link is there once: no addition is lost; the last one is nobody's
                self._free[hop], self._last[hop], self._entered[hop] = self.own, pattern.connections, self.entered
                self._link_bytes[hop] += self._sent_bytes
                self._link_busy[hop] += self._sent_bytes / self._rate_of(hop) if self.queues else self._on_wire
                self._link_messages[hop] += self._sent
            messages = int(pattern.alike.sum()) * self._sent
            self._totals += np.array([
                messages, (self._sent_bytes * pattern.alike).sum(), (pattern.wait * pattern.alike).sum() * self._sent,
                (self.under_way * pattern.alike).sum(),
            ])  # fmt: skip
            self._free[-1], self._entered[-1], self._last[-1], self._loaded = 0.0, -np.inf, -1, None

    def _rate_of(self, links: Numbers) -> Times:
        """Of links, or of classes of links (bytes/s); one beyond the last is nobody's."""
        known = self._rates[self._classes.a_link] if self._classes else self._rates
        return np.append(known, 1.0)[links]

    def _pattern(self, each: Round) -> Pattern:
        key = each.who
        if key not in self._patterns:
            messages = self._messages_of(each)
            alone = self._classes is not None or messages.src.size < 2  # classes are of rounds in which all are
            if not alone and np.bincount(messages.links[messages.links >= 0]).max() > 1:
                raise Meeting("several messages share a link")
            self._patterns[key] = self._classed(messages)
        return self._patterns[key]

    def _classed(self, messages: Messages) -> Pattern:
        """The round's messages, or one of each class."""
        src, dst, hops, rows = messages.src, messages.dst, messages.links, np.arange(len(messages.src))
        alike, connections, links = np.ones_like(rows), src * self._hosts + dst, hops
        if self._classes:
            # As many connections as rounds have other pairs: members of a class may change their partners.
            pairs = self._pairs.setdefault(digest(src, dst), len(self._pairs))
            src, dst = self._classes.hosts[src], self._classes.hosts[dst]
            links = np.where(hops >= 0, self._classes.links[hops], -1)
            colour = mixed(src, dst, messages.count, *links.T)
            rows, alike = firsts(colour), np.bincount(colour)
            src, dst, links, hops = src[rows], dst[rows], links[rows], hops[rows]
            connections = pairs * self._hosts**2 + rows
        wait = np.zeros(len(rows))
        for hop in hops.T:
            wait = wait + np.where(hop >= 0, self._latencies[hop], 0.0)
        rates = np.where(hops >= 0, self._rates[hops], np.inf).min(axis=1)
        ends = src.astype(np.int32), dst.astype(np.int32)
        return Pattern(*ends, *neighbours(*ends), rows, alike, links, connections, wait, rates)

    def _messages_of(self, each: Round) -> Messages:
        key = each.who
        if key not in self._messages:
            if (each.src == each.dst).any():
                raise Meeting("a host gives something to itself")
            self._messages[key] = Messages(each.src, each.dst, each.count, self._topology.routes(each.src, each.dst))
        return self._messages[key]


def neighbours(src: Short, dst: Short) -> tuple[Short, Short]:
    """For each message the one that comes to its source, and the one that its destination sends: else itself; nothing
    where a host sends or gets several."""
    if not (apart(src) and apart(dst)):
        return src[:0], src[:0]
    found, own = [], np.arange(len(src), dtype=np.int32)
    for here, there in ((src, dst), (dst, src)):
        at = np.full(1 + max(src.max(initial=0), dst.max(initial=0)), -1, dtype=np.int32)
        at[there] = own
        found.append(np.where(at[here] >= 0, at[here], own))
    return found[0], found[1]


class FastPlay:
    """A collective's rounds on arrays: from the times at which ranks are ready to those at which they are done."""

    def __init__(
        self,
        collective: Collective,
        ranks: int,
        network: FastNetwork,
        reduction_rate: float | None,
        *,
        messages: float,
        colours: Numbers | None = None,
    ) -> None:
        """messages: so many are to be played. colours: of hosts that are alike (ready at the same times); None to
        play them all."""
        self._collective, self._ranks = collective, ranks
        self._network, self._reduction_rate = network, reduction_rate
        self._kernel = kernels.load("rounds").play
        self._hosts = hosts = ranks + collective.helpers(ranks)
        self._rounds = list(collective.rounds(ranks))
        uneven = PieceBytes(collective, ranks, 1.0, slices=collective.lanes(1.0, ranks)).uneven
        self._classes: Classes | None = None
        if colours is not None and not uneven and hosts > 1:
            self._classes = network.find_classes(self._rounds, colours)
        if self._classes:
            hosts = len(self._classes.a_host)
        elif messages > MOST_MESSAGES:
            raise Meeting("there are too many messages")
        else:
            network.begin(network.links)
        self._adder_free, self._adder_last = np.zeros(hosts), np.full(hosts, -np.inf)

    def __call__(self, ready: Times, nbytes: float, story: Story | None = None) -> Times:
        """Seconds at which each rank has done its part; the story is told of every round's messages.

        Raises Meeting where rounds cannot be played so."""
        slices, legs = self._collective.lanes(nbytes, self._ranks), self._collective.legs(nbytes, self._ranks)
        if self._network.queues and (max(leg.at_most for leg in legs) > 1 or story):
            raise Meeting(IN_ORDER)
        if not in_one_order(legs, self._rounds):
            raise Meeting("steps of several slices may end in another order than they begin")
        bytes_of = PieceBytes(self._collective, self._ranks, nbytes, slices=slices)
        apart, pieces = bytes_of.uneven or bool(story), self._collective.pieces(self._ranks)
        done = ready[self._classes.a_host] if self._classes else ready
        lanes: dict[int, Times] = {}
        for stretch in stretches(legs, self._rounds, slices, pieces=pieces, apart=apart):
            if stretch is None:
                done, lanes = self._latest(lanes, done), {}
                if story:
                    story.go_on()
            else:
                lane = lanes.setdefault(stretch.each.lane, np.tile(done, stretch.width))
                self._stretch(stretch, bytes_of, lane, story)
        done = self._latest(lanes, done)
        return done[self._classes.hosts] if self._classes else done

    def _latest(self, lanes: dict[int, Times], ready: Times) -> Times:
        """When each host has done all that was under way."""
        each = [lane.reshape(-1, len(ready)).max(axis=0) for lane in lanes.values()]
        latest: Times = np.max(each, axis=0) if each else ready
        return latest

    def _stretch(self, stretch: Stretch, bytes_of: PieceBytes, lane: Times, story: Story | None) -> None:
        """One round in one slice, or as often as it takes place in all of them."""
        network, each, count, part = self._network, stretch.each, stretch.many, stretch.part
        pattern = network.load(each)
        sizes = bytes_of(each.first[pattern.rows], each.count[pattern.rows], slice=part or 0)
        lasts = sizes / pattern.rates
        adding = sizes / self._reduction_rate if each.add and self._reduction_rate else sizes[:0]
        hosts, chain = len(self._adder_free), stretch.chain
        state = (
            pattern.src,
            pattern.dst,
            pattern.into,
            pattern.onward,
            pattern.wait,
            lasts if count == 1 else np.tile(lasts, count),
            adding if count == 1 else np.tile(adding, count),
            network.others,
            network.own,
            network.entered,
            lane[chain * hosts : (chain + count) * hosts],
            self._adder_free,
            self._adder_last,
            network.start,
            network.end,
            network.under_way,
        )
        at_a_stroke = 1 + _AT_A_STROKE // (len(pattern.src) * count)  # so that an interrupt is heard in between
        for begin in range(0, stretch.times, at_a_stroke):
            times = min(at_a_stroke, stretch.times - begin)
            if self._kernel(times, count, stretch.before + begin, *state) < times:
                raise Meeting("messages come to a link in another order than that of the rounds")
        network.count(lasts, sizes, stretch.times, count)
        if story:
            story.round(each, chain, sizes, lasts, pattern.wait, sent=network.start, end=network.end)


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, FastNetwork]:
    """Play all iterations of workers that all-reduce on one stream; Meeting where messages meet."""
    log, story = Log(plan, detail), Story(plan)
    network = FastNetwork(plan.topology, queues=plan.scenario.cluster.sharing == "fifo")
    colours = _alike(plan) if detail == "summary" else None
    messages = plan.messages_per_iteration(enough=MOST_MESSAGES) * plan.scenario.iterations
    rate = plan.scenario.cluster.reduction_rate
    play = FastPlay(plan.strategy, plan.workers, network, rate, messages=messages, colours=colours)
    forward, gaps, update = timetable(plan)
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
        told = story if log.records(iteration) else None
        if told:
            told.begin(iteration, start, forward * factor, gaps * factor[:, None])
        now, exchanging = _exchange(plan, play, told, offers, computed)
        end = now + update * factor
        log.whole_step(iteration, start, computed, now, exchanging, end)
        if told:
            told.end(now, end)
            log.transfers += told.transfers
        now = end
        if progress:
            progress(iteration)
    log.story = story
    return log, network


def timetable(plan: Plan) -> tuple[Times, Times, Times]:
    """Seconds that each worker computes before its backward pass, in it until each bucket is there and until its end,
    and in its update."""
    different, kind = _kinds(plan)
    gaps = np.asarray([computing.backward_until(plan.buckets) for computing in different])
    forward, update = (np.asarray([getattr(each, what) for each in different]) for what in ("lead", "update"))
    return forward[kind], gaps[kind], update[kind]


def _kinds(plan: Plan) -> tuple[list[Computing], Numbers]:
    """What workers compute, each once, and which of it each one does."""
    objects = {id(each): each for each in plan.computing}  # few, however many workers
    numbers = {each: number for number, each in enumerate(dict.fromkeys(objects.values()))}
    places = {key: numbers[each] for key, each in objects.items()}
    return list(numbers), np.asarray([places[id(each)] for each in plan.computing])


def _exchange(
    plan: Plan, play: FastPlay, story: Story | None, offers: list[Times], computed: Times
) -> tuple[Times, Times]:
    """When each worker has all sums, and for how long it had an exchange under way."""
    done, exchanging = np.full(plan.workers, -np.inf), np.zeros(plan.workers)
    for bucket, offer in enumerate(offers):
        before = done
        if story:
            story.exchange(bucket, offer)
        begun = np.maximum(offer, before)
        done = play(begun, plan.buckets[bucket].nbytes, story)
        if story:
            story.exchanged(done)
        exchanging = exchanging + (done - begun)
    return np.maximum(computed, done), exchanging


def _alike(plan: Plan) -> Numbers:
    """Colours of workers: who computes alike has the same; each host's link is told by what it is in the network."""
    if plan.scenario.noise.none:
        return _kinds(plan)[1]
    _, luck = np.unique(plan.factors, axis=0, return_inverse=True)
    return mixed(_kinds(plan)[1], luck.ravel())
