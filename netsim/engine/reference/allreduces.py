"""Gradients are all-reduced, in SimPy: buckets in an order that is known, or that is found as they come."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from itertools import count
from weakref import WeakSet

from simpy.events import Event

from netsim.engine.messages import Sender
from netsim.engine.plan import Plan
from netsim.engine.record.causes import lasting
from netsim.engine.record.clock import Timer
from netsim.engine.record.log import Log
from netsim.engine.reference.exchange import Exchange, Process
from netsim.engine.reference.network import LAST
from netsim.engine.reference.play import Play, Steps
from netsim.training.buckets import Horovod

_COORDINATOR = 0  # the rank that decides what Horovod fuses


class Collectives(Exchange):
    """Workers join collectives, each when it is ready; collectives on one stream follow one another."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        self._plays: dict[Hashable, Play] = {}  # to which not all have come
        self._going_on = WeakSet[Play]()
        self._joined = Counter[Hashable]()

    def waits(self) -> Iterator[tuple[int, int, int | str]]:
        found = {(*ends, play.label[1]) for play in self._going_on for ends in play.waits()}
        return iter(sorted(found, key=str))

    def _join(self, worker: int, key: Hashable, begin: Callable[[], Play]) -> Event:
        """The first worker to come begins the collective, the last makes it forgotten."""
        if key not in self._plays:
            self._plays[key] = begin()
            self._going_on.add(self._plays[key])
        play = self._plays[key]
        self._joined[key] += 1
        if self._joined[key] == self.plan.workers:
            del self._plays[key], self._joined[key]
        return play.join(worker)

    def _play(self, steps: Steps, nbytes: float, stream: int, label: tuple[int, int | str]) -> Play:
        return Play(self.network, self.adders, steps, nbytes=nbytes, stream=stream, label=label)


class AllReduces(Collectives):
    """Buckets are all-reduced one after another on each stream, in the order in which they are offered."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        self._steps = Steps(plan.strategy, plan.workers)
        self._offered: dict[tuple[int, int, int], Event] = {}
        for worker in range(plan.workers):
            for stream in range(plan.scenario.job.streams):
                self.env.process(self._stream(worker, stream))

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        self._offer_of(worker, iteration, bucket).succeed()

    def _stream(self, worker: int, stream: int) -> Process:
        """A worker's part in its all-reduces: wait for a bucket, take part, go on with the next."""
        plan = self.plan
        buckets = range(stream, len(plan.buckets), plan.scenario.job.streams)
        for iteration in filter(plan.exchanges, range(plan.scenario.iterations)):
            for bucket in buckets:
                yield self._offer_of(worker, iteration, bucket)
                del self._offered[worker, iteration, bucket]
                yield self._all_reduce(worker, iteration, bucket, stream)
                self._is_in(worker, iteration, bucket)

    def _offer_of(self, worker: int, iteration: int, bucket: int) -> Event:
        return self._offered.setdefault((worker, iteration, bucket), Event(self.env))

    def _all_reduce(self, worker: int, iteration: int, bucket: int, stream: int) -> Event:
        key, nbytes = (iteration, bucket), self.plan.buckets[bucket].nbytes
        return self._join(worker, key, lambda: self._play(self._steps, nbytes, stream, key))


Turn = tuple[int, tuple[int, ...]]  # an iteration, and which of its buckets are all-reduced together


class InTurn(Collectives):
    """What is all-reduced next is decided for all workers alike, of buckets that all of them have ready; the decisions
    go to the streams in turn, and each worker follows them."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        self._steps = Steps(plan.strategy, plan.workers)
        self._offers = Counter[tuple[int, int]]()
        self._turns: list[Turn] = []
        self._wanted: list[Event] = []  # one a turn: that it is decided
        for worker in range(plan.workers):
            for stream in range(plan.scenario.job.streams):
                self.env.process(self._stream(worker, stream))

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        key = iteration, bucket
        self._offers[key] += 1
        if self._offers[key] == self.plan.workers:
            del self._offers[key]
            self._ready(iteration, bucket)

    def _ready(self, iteration: int, bucket: int) -> None:
        """All workers have this bucket's gradients."""
        raise NotImplementedError

    def _asked(self) -> None:
        """A stream is free."""

    def _decide(self, turn: Turn) -> None:
        self._turns.append(turn)
        self.log.collectives = len(self._turns)
        self._decided(len(self._turns) - 1).succeed()

    def _decided(self, number: int) -> Event:
        while number >= len(self._wanted):
            self._wanted.append(Event(self.env))
        return self._wanted[number]

    def _stream(self, worker: int, stream: int) -> Process:
        """A worker's part: wait until it is decided what is next on this stream, take part, go on."""
        for number in count(stream, self.plan.scenario.job.streams):
            decided = self._decided(number)
            self._asked()
            yield decided
            iteration, buckets = self._turns[number]
            yield self._all_reduce(worker, number, stream)
            for bucket in buckets:
                self._is_in(worker, iteration, bucket)

    def _all_reduce(self, worker: int, number: int, stream: int) -> Event:
        iteration, buckets = self._turns[number]
        several = [self.plan.buckets[bucket] for bucket in buckets]
        label = several[0].name if len(several) == 1 else f"{several[0].name}..{several[-1].name}"
        nbytes = math.fsum(bucket.nbytes for bucket in several)
        return self._join(worker, number, lambda: self._play(self._steps, nbytes, stream, (iteration, label)))


class Prioritised(InTurn):
    """A free stream takes, of the slices that all workers have, one of the layer that the next forward pass needs first
    (P3: Jayarajan et al., MLSys 2019; ByteScheduler: Peng et al., SOSP 2019). What is under way is not interrupted."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        self._waiting: list[tuple[int, int, int]] = []  # iteration, first layer, bucket
        super().__init__(plan, network, log)

    def _ready(self, iteration: int, bucket: int) -> None:
        heapq.heappush(self._waiting, (iteration, min(self.plan.buckets[bucket].layers), bucket))
        self._asked()

    def _asked(self) -> None:
        """Decide as many turns as streams wait for, not one ahead: a more urgent slice may still come."""
        while self._waiting and len(self._turns) < len(self._wanted):
            iteration, _, bucket = heapq.heappop(self._waiting)
            self._decide((iteration, (bucket,)))


class Fused(InTurn):
    """Horovod: at every tick of its cycle, what all workers have is all-reduced in fusion buffers."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        rule = plan.scenario.job.bucket
        assert isinstance(rule, Horovod)
        self._rule = rule
        self._pending: list[tuple[int, int]] = []

    def _ready(self, iteration: int, bucket: int) -> None:
        if not self._pending:
            ticks = math.ceil(self.env.now / self._rule.cycle * (1 - 1e-12))
            timer = Timer(self.env, max(0.0, ticks * self._rule.cycle - self.env.now), self._tick, None)
            lasting(timer, "cycle", _COORDINATOR, (iteration, None))
        self._pending.append((iteration, bucket))

    def _tick(self, _: Event) -> None:
        """A cycle ends: when all has happened that happens at this moment, see what is there."""
        last = Event(self.env)
        last._ok, last._value, last.callbacks = True, None, [self._negotiate]
        self.env.schedule(last, priority=LAST)

    def _negotiate(self, _: Event) -> None:
        pending, self._pending = self._pending, []
        for iteration in dict.fromkeys(iteration for iteration, _ in pending):
            buckets = [bucket for step, bucket in pending if step == iteration]
            for group in self._rule.fuse([self.plan.buckets[bucket].nbytes for bucket in buckets]):
                self._decide((iteration, tuple(buckets[place] for place in group)))
