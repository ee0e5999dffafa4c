"""The fast engine's rounds: many of them at a stroke, where no two messages meet on a link.

It is the twin of the reference for collectives whose messages have their links to themselves while they use them. What
the reference finds event by event is then one maximum and two additions a message (kernels/rounds.py), of the same
numbers in the same order. That it is so is proven while it goes on; where the proof fails, `Meeting` is raised, and
another way of playing takes over. Where many hosts are alike, one of each kind is played for all (symmetry.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from netsim.collectives.rounds import Collective, PieceBytes, Round
from netsim.engine.fast import kernels
from netsim.engine.fast.legs import Stretch, in_one_order, stretches
from netsim.engine.fast.patterns import FastNetwork, Meeting, Numbers, Times
from netsim.engine.fast.symmetry import Classes, mixed
from netsim.engine.plan import Plan
from netsim.engine.record.log import Log
from netsim.engine.record.story import Story
from netsim.training.step import Computing

Progress = Callable[[int], None]
_AT_A_STROKE = 20_000_000  # messages
IN_ORDER = "links serve messages in order of arrival"
MOST_MESSAGES = 2e10  # more would keep this engine busy for minutes


def _both_ways(rounds: Iterable[Round]) -> bool:
    """Whether there are two hosts each of which sends to the other, on one connection."""
    pairs = {pair for each in rounds for pair in zip(each.src.tolist(), each.dst.tolist(), strict=True)}
    return any((dst, src) in pairs for src, dst in pairs)


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
        if self._collective.announced and (story or _both_ways(self._rounds)):
            raise Meeting("words of receivers come between messages")
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
            pattern.word,
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
    queues, announced = plan.scenario.cluster.sharing == "fifo", plan.strategy.announced
    network = FastNetwork(plan.topology, queues=queues, announced=announced)
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
