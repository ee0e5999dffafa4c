"""How gradients get from worker to worker: by collectives one after another, or over parameter servers. In SimPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from functools import partial
from typing import Any

import simpy
from simpy.events import Event

from netsim.engine.log import Log
from netsim.engine.network import Message, Network
from netsim.engine.plan import Plan
from netsim.engine.play import Adder, Countdown, Play, Steps
from netsim.training.parameter_server import ParameterServer

Process = Generator[Event, Any, None]


class Exchange:
    """Workers offer buckets as they are ready, and wait until all are in."""

    def __init__(self, plan: Plan, network: Network, log: Log) -> None:
        self.env, self.plan, self.network, self.log = network.env, plan, network, log
        self.adders = [Adder(self.env, plan.scenario.cluster.reduction_rate) for _ in plan.hosts]
        self._all_in: dict[tuple[int, int], Countdown] = {}
        self._times: dict[tuple[int, int], dict[int, tuple[float, float]]] = {}

    def offer(self, worker: int, iteration: int, bucket: int) -> None:
        """The worker has this bucket's gradients ready."""
        self._times.setdefault((worker, iteration), {})[bucket] = self.env.now, self.env.now
        self._begin(worker, iteration, bucket)

    def all_in(self, worker: int, iteration: int) -> Countdown:
        """Happens when the worker has the sums of all its buckets."""
        key = worker, iteration
        if key not in self._all_in:
            self._all_in[key] = Countdown(self.env, len(self.plan.buckets))
        return self._all_in[key]

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        raise NotImplementedError

    def _is_in(self, worker: int, iteration: int, bucket: int) -> None:
        """The worker has the sum of this bucket."""
        times = self._times[worker, iteration]
        times[bucket] = times[bucket][0], self.env.now
        self.all_in(worker, iteration).tick()

    def close(self, worker: int, iteration: int) -> None:
        """The worker goes on; what was kept of this exchange is noted and forgotten."""
        self.log.exchanged(worker, iteration, self.env.now, list(self._times.pop((worker, iteration), {}).values()))
        del self._all_in[worker, iteration]


class AllReduces(Exchange):
    """Buckets are all-reduced one after another on each stream, in the order in which they are offered."""

    def __init__(self, plan: Plan, network: Network, log: Log) -> None:
        super().__init__(plan, network, log)
        self._steps = Steps(plan.strategy, plan.workers)
        self._offered: dict[tuple[int, int, int], Event] = {}
        self._plays: dict[tuple[int, int], Play] = {}
        self._joined = Counter[tuple[int, int]]()
        for worker in range(plan.workers):
            for stream in range(plan.scenario.job.streams):
                self.env.process(self._stream(worker, stream))

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
        play = self._plays[key]
        self._joined[key] += 1
        if self._joined[key] == self.plan.workers:
            del self._plays[key], self._joined[key]
        return play.join(worker)


class Servers(Exchange):
    """Workers push each bucket's shards to the servers that own them; a server answers all when all have pushed."""

    def __init__(self, plan: Plan, network: Network, log: Log) -> None:
        super().__init__(plan, network, log)
        strategy = plan.strategy
        assert isinstance(strategy, ParameterServer)
        shares = strategy.owned(plan.gradient_bytes, plan.workers)
        self._first_host = plan.workers if strategy.helpers(plan.workers) else 0
        self._lanes = [strategy.lanes(bucket.nbytes, plan.workers) for bucket in plan.buckets]
        self._shards = [
            [sum(owned) for owned in zip(*(shares[layer] for layer in bucket.layers), strict=True)]
            for bucket in plan.buckets
        ]
        self._pulled: dict[tuple[int, int, int], Countdown] = {}
        self._inboxes = [simpy.Store(self.env) for _ in range(strategy.shards(plan.workers))]
        for server in range(len(self._inboxes)):
            self.env.process(self._serve(server))

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        """Push to every server that owns a part; each worker begins with another one."""
        lanes, shards = self._lanes[bucket], self._shards[bucket]
        pulled = Countdown(self.env, lanes * sum(nbytes > 0 for nbytes in shards))
        pulled.callbacks.append(lambda _: self._is_in(worker, iteration, bucket))
        self._pulled[worker, iteration, bucket] = pulled
        turns = [(worker + 1 + turn) % len(shards) for turn in range(len(shards))]
        pushes = [(lane, server) for lane in range(lanes) for server in turns if shards[server] > 0]
        for order, (lane, server) in enumerate(pushes):
            nbytes = shards[server] / lanes
            key = iteration, bucket, lane
            put = partial(_put, self._inboxes[server], key)
            self.network.send(worker, self._first_host + server, nbytes, put, order=order, label=key[:2])

    def _serve(self, server: int) -> Process:
        """A server's life: add gradients as they come, and answer all workers when all have sent theirs."""
        host, came = self._first_host + server, Counter[tuple[int, int, int]]()
        while True:
            key = yield self._inboxes[server].get()
            iteration, bucket, _ = key
            nbytes = self._shards[bucket][server] / self._lanes[bucket]
            start, adding = self.env.now, self.adders[host].add(nbytes)
            if adding > 0:
                yield self.env.timeout(adding)
                self.log.added(host, iteration, self.plan.buckets[bucket].name, start, self.env.now)
            came[key] += 1
            if came[key] == self.plan.workers:
                del came[key]
                self._answer(server, iteration, bucket, nbytes)

    def _answer(self, server: int, iteration: int, bucket: int, nbytes: float) -> None:
        for turn in range(self.plan.workers):
            worker = (server + 1 + turn) % self.plan.workers
            pulled = self._pulled[worker, iteration, bucket]
            host, label = self._first_host + server, (iteration, bucket)
            self.network.send(host, worker, nbytes, pulled.tick, order=turn, label=label)

    def close(self, worker: int, iteration: int) -> None:
        super().close(worker, iteration)
        for bucket in range(len(self.plan.buckets)):
            del self._pulled[worker, iteration, bucket]


def _put(inbox: simpy.Store, key: tuple[int, int, int], _: Message) -> None:
    inbox.put(key)
