"""Gradients are exchanged over parameter servers, in SimPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import simpy

from netsim.engine.messages import Message, Sender
from netsim.engine.plan import Plan
from netsim.engine.record.causes import lasting
from netsim.engine.record.log import Log
from netsim.engine.reference.exchange import Exchange, Process
from netsim.engine.reference.play import Adder, Countdown
from netsim.engine.reference.updates import Updates
from netsim.trace import ServerUse
from netsim.training.answers import Rule
from netsim.training.parameter_server import ParameterServer

Step = tuple[int, int]  # worker, iteration


class Push(NamedTuple):
    """A worker's gradient of one key."""

    worker: int
    iteration: int
    bucket: int
    lane: int


class Server:
    """One server: where it stands, its keys, and what it has done."""

    def __init__(self, env: simpy.Environment, number: int, host: int, owns: list[float]) -> None:
        self.number, self.host, self.owns = number, host, owns  # owns: bytes of each bucket
        self.inbox = simpy.PriorityStore(env)
        self._came = count()
        self.keys: dict[tuple[int, int], Key] = {}
        self.busy = 0.0  # s
        self.moved = 0.0  # bytes, pushes and answers

    def put(self, push: Push | None, priority: int) -> None:
        """Into its inbox, behind those of the same priority; None: it has another look at its keys."""
        self.inbox.put(simpy.PriorityItem((priority, next(self._came)), push))


class Key:
    """A key of a server: its rule, its bytes, and the iteration that each worker pushed last."""

    def __init__(self, rule: Rule, bucket: int, nbytes: float) -> None:
        self.rule, self.bucket, self.nbytes = rule, bucket, nbytes
        self.pushed: dict[int, int] = {}


class Servers(Exchange):
    """Workers push each bucket's shards to the servers that own them; a server answers by the rule of its mode."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        strategy = plan.strategy
        assert isinstance(strategy, ParameterServer)
        self._strategy, self._trains = strategy, not plan.scenario.job.forward_only
        self._lanes = [strategy.lanes(bucket.nbytes, plan.workers) for bucket in plan.buckets]
        self.servers = list(self._made(strategy))
        self._keys = sum(len(server.keys) for server in self.servers)
        self._updates = Updates(self._keys, log, at_once=strategy.at_once)
        self._processors = [Adder(self.env, 1.0) for _ in plan.hosts]  # take seconds
        self._costs = plan.server_costs
        self._priorities = plan.priorities
        self._pulled: dict[tuple[int, int, int], Countdown] = {}
        self._held_back: dict[Step, list[Callable[[], None]]] = {}
        self._dealt_with: dict[Step, float] = {}  # when the last key of a step so far was
        self._released: dict[Step, float] = {}  # when the last answer of a step so far might set out
        self._steps_left = plan.workers * plan.scenario.iterations
        for server in self.servers:
            self.env.process(self.living(server.host, self._serve(server), works=False))

    def _made(self, strategy: ParameterServer) -> Iterator[Server]:
        plan = self.plan
        first_host = plan.workers if strategy.helpers(plan.workers) else 0
        for number in range(strategy.shards(plan.workers)):
            owns = [owned[number] * sent for owned, (_, sent) in zip(plan.owned_of_buckets, plan.sent, strict=True)]
            server = Server(self.env, number, first_host + number, owns)
            for bucket, nbytes in enumerate(owns):
                for lane in range(self._lanes[bucket] if nbytes > 0 else 0):
                    rule = strategy.rule(range(plan.workers), forward_only=not self._trains)
                    server.keys[bucket, lane] = Key(rule, bucket, nbytes / self._lanes[bucket])
            yield server

    def iterations(self, worker: int) -> Iterator[int]:
        """Together, all go from one to the next, but for a worker that was left behind, which goes on with the newest.
        Where each has iterations of its own, all together have as many as together, and the fast do more of them."""
        if self._strategy.at_once:
            own = 0
            while self._steps_left > 0:
                self._steps_left -= 1
                yield own
                own += 1
            self.leave(worker)
            return
        iteration = 0
        while iteration < self.plan.scenario.iterations:
            yield iteration
            iteration = max(iteration + 1, self._updates.version)

    def leave(self, worker: int) -> None:
        for server in self.servers:
            for key in server.keys.values():
                key.rule.leave(worker)
            server.put(None, 0)  # has another look at what is due, and at who may be answered

    def join(self, worker: int) -> None:
        for server in self.servers:
            for key in server.keys.values():
                key.rule.join(worker)

    # The worker's side

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        """Push to every server that owns a part, or ask it for the weights; each worker begins with another one."""
        owners = [server for server in self.servers if server.owns[bucket] > 0]
        turns = sorted(owners, key=lambda server: (server.number - worker - 1) % len(self.servers))
        pushes = [(lane, server) for lane in range(self._lanes[bucket]) for server in turns]
        pulled = Countdown(self.env, len(pushes))
        pulled.callbacks.append(lambda _: self._is_in(worker, iteration, bucket))
        self._pulled[worker, iteration, bucket] = pulled
        label, priority = (iteration, bucket), self._priorities[bucket]
        for order, (lane, server) in enumerate(pushes):
            put = partial(self._put, server, Push(worker, iteration, bucket, lane))
            nbytes = server.keys[bucket, lane].nbytes if self._trains else 0.0
            self.network.send(worker, server.host, nbytes, put, order=order, priority=priority, label=label)

    def close(self, worker: int, iteration: int) -> None:
        super().close(worker, iteration)
        for bucket in range(len(self.plan.buckets)):
            del self._pulled[worker, iteration, bucket]
        if self._keys:
            held_back = self._released.pop((worker, iteration)) - self._dealt_with.pop((worker, iteration))
            self.log.held(worker, iteration, max(0.0, held_back))
        else:
            self._updates.alone(self.env.now, worker, iteration)
        self._updates.goes_on(worker)

    def ended(self) -> None:
        if self._keys:
            self.log.servers += [ServerUse(server.host, server.moved, server.busy) for server in self.servers]

    # The server's side

    def _serve(self, server: Server) -> Process:
        """A server's life: take a gradient, apply what is due, answer whom it may."""
        while True:
            push = (yield server.inbox.get()).item
            if push is None:
                for (bucket, _), key in server.keys.items():
                    yield from self._apply(server, key, (key.rule.version, bucket))
                    yield from self._answer(server, key)
                continue
            key = server.keys[push.bucket, push.lane]
            yield from self._take(server, key, push)
            yield from self._answer(server, key)

    def _take(self, server: Server, key: Key, push: Push) -> Process:
        about = push.iteration, push.bucket
        key.pushed[push.worker] = push.iteration
        if self._trains:
            yield from self._handle(server, push.worker, key.nbytes, about)
        counts = key.rule.push(push.worker, push.iteration)
        if counts:
            yield from self._work(server, "reduce", self._costs.adding(key.nbytes), about)
        self._dealt_with[push.worker, push.iteration] = self.env.now
        if self._strategy.at_once:
            yield from self._apply(server, key, about)
        if self._trains:
            self._updates.took(self.env.now, push.worker, push.iteration, counts=counts)
        if not self._strategy.at_once:
            yield from self._apply(server, key, about)
        self._dealt_with[push.worker, push.iteration] = self.env.now

    def _apply(self, server: Server, key: Key, about: tuple[int, int]) -> Process:
        """The update that is due, if one is."""
        if key.rule.due:
            yield from self._work(server, "apply", self._costs.applying(key.nbytes), about)
            key.rule.apply()
            if not self._strategy.at_once:
                self._updates.applied(self.env.now, about[0])

    def _answer(self, server: Server, key: Key) -> Process:
        workers = self.plan.workers
        for worker in sorted(key.rule.ready(), key=lambda worker: (worker - server.number - 1) % workers):
            iteration = key.pushed[worker]
            self._released[worker, iteration] = self.env.now
            yield from self._handle(server, worker, key.nbytes, (iteration, key.bucket))
            self._updates.answered(worker)
            self._send(server, key, worker, iteration)

    def _send(self, server: Server, key: Key, worker: int, iteration: int) -> None:
        """Now, or when all keys of the worker's gradient may be sent."""
        order = (worker - server.number - 1) % self.plan.workers
        pulled = self._pulled[worker, iteration, key.bucket]
        how: dict[str, Any] = {
            "order": order,
            "priority": self._priorities[key.bucket],
            "label": (iteration, key.bucket),
        }
        send = partial(self.network.send, server.host, worker, key.nbytes, pulled.tick, **how)
        if self._strategy.pull == "overlapped":
            return send()
        waiting = self._held_back.setdefault((worker, iteration), [])
        waiting.append(send)
        if len(waiting) == self._keys:
            for each in self._held_back.pop((worker, iteration)):
                each()

    def _handle(self, server: Server, worker: int, nbytes: float, about: tuple[int, int]) -> Process:
        """The server's software takes or gives a message; between a worker and its own host there is none."""
        server.moved += nbytes
        if worker != server.host:
            yield from self._work(server, "handle", self._costs.handling(nbytes), about)

    def _work(self, server: Server, kind: str, seconds: float, about: tuple[int, int]) -> Process:
        """The server's host does something, after what it does already."""
        if seconds > 0:
            start, server.busy = self.env.now, server.busy + seconds
            yield lasting(self.env.timeout(self._processors[server.host].add(seconds)), kind, server.host, about)
            self.log.added(server.host, about[0], self.plan.buckets[about[1]].name, start, self.env.now, phase=kind)

    def _put(self, server: Server, push: Push, _: Message) -> None:
        server.put(push, self._priorities[push.bucket] or 0)
