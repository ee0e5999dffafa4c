"""Gradients are exchanged over parameter servers, in SimPy."""

from __future__ import annotations

from collections import Counter
from functools import partial

import simpy

from netsim.engine.causes import lasting
from netsim.engine.exchange import Exchange, Process
from netsim.engine.log import Log
from netsim.engine.network import Message, Network
from netsim.engine.plan import Plan
from netsim.engine.play import Countdown
from netsim.training.parameter_server import ParameterServer


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
                yield lasting(self.env.timeout(adding), "reduce", host, (iteration, bucket))
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
