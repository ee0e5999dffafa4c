"""Gradients are exchanged by collectives, one after another on each stream, in SimPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from weakref import WeakSet

from simpy.events import Event

from netsim.engine.exchange import Exchange, Process
from netsim.engine.log import Log
from netsim.engine.messages import Sender
from netsim.engine.plan import Plan
from netsim.engine.play import Play, Steps


class AllReduces(Exchange):
    """Buckets are all-reduced one after another on each stream, in the order in which they are offered."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        self._steps = Steps(plan.strategy, plan.workers)
        self._offered: dict[tuple[int, int, int], Event] = {}
        self._plays: dict[tuple[int, int], Play] = {}  # to which not all have come
        self._going_on = WeakSet[Play]()
        self._joined = Counter[tuple[int, int]]()
        for worker in range(plan.workers):
            for stream in range(plan.scenario.job.streams):
                self.env.process(self._stream(worker, stream))

    def waits(self) -> Iterator[tuple[int, int, int]]:
        found = {(*ends, play.label[1]) for play in self._going_on for ends in play.waits()}
        return iter(sorted(found))

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        self._offer_of(worker, iteration, bucket).succeed()

    def _stream(self, worker: int, stream: int) -> Process:
        """A worker's part in its all-reduces: wait for a bucket, take part, go on with the next."""
        buckets = range(stream, len(self.plan.buckets), self.plan.scenario.job.streams)
        for iteration in range(self.plan.scenario.iterations):
            for bucket in buckets:
                yield self._offer_of(worker, iteration, bucket)
                del self._offered[worker, iteration, bucket]
                yield self._join(worker, iteration, bucket, stream)
                self._is_in(worker, iteration, bucket)

    def _offer_of(self, worker: int, iteration: int, bucket: int) -> Event:
        return self._offered.setdefault((worker, iteration, bucket), Event(self.env))

    def _join(self, worker: int, iteration: int, bucket: int, stream: int) -> Event:
        """The first worker to come begins the all-reduce, the last makes it forgotten."""
        key = iteration, bucket
        if key not in self._plays:
            nbytes = self.plan.buckets[bucket].nbytes
            self._plays[key] = Play(self.network, self.adders, self._steps, nbytes=nbytes, stream=stream, label=key)
            self._going_on.add(self._plays[key])
        play = self._plays[key]
        self._joined[key] += 1
        if self._joined[key] == self.plan.workers:
            del self._plays[key], self._joined[key]
        return play.join(worker)
