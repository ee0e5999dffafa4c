"""All-reduces among those that are there: a worker that stops is left out, and takes part again, in SimPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simpy.events import Event

from netsim.engine.messages import Message, Sender, Then
from netsim.engine.plan import Plan
from netsim.engine.record.clock import Timer
from netsim.engine.record.log import Log
from netsim.engine.reference.allreduces import AllReduces
from netsim.engine.reference.play import Play, Steps
from netsim.engine.reference.updates import THROWN_AWAY


class Ring:
    """The network as the ranks of a group see it, until the group is dissolved: what is under way then is lost."""

    def __init__(self, network: Sender, hosts: tuple[int, ...]) -> None:
        self.env, self._network, self._hosts, self.dissolved = network.env, network, hosts, False

    def send(self, src: int, dst: int, nbytes: float, then: Then, **how: Any) -> None:
        """Sends a message from rank to rank."""

        def arrives(message: Message) -> None:
            if not self.dissolved:
                then(message)

        if not self.dissolved:
            ends = self._hosts[src], self._hosts[dst]
            self._network.send(*ends, nbytes, arrives, **how)

    def window(self, src: int, dst: int) -> float:
        """Of a connection between two ranks (bytes)."""
        return self._network.window(self._hosts[src], self._hosts[dst])


class Exchanged:
    """An all-reduce of one bucket: among whom, who has come, and how it is played."""

    def __init__(self, bucket: int, stream: int, label: tuple[int, int], members: tuple[int, ...]) -> None:
        self.bucket, self.stream, self.label, self.members = bucket, stream, label, members
        self.came: dict[int, Event] = {}  # happens when the worker has the sum
        self.ring: Ring | None = None
        self.play: Play | None = None


class Elastic(AllReduces):
    """As AllReduces; but the others form a group without a worker that has stopped for too long, which takes `reform`,
    and all-reduce anew what is under way. When it is back, it is one of them from the next iteration on, which takes
    as long again; what it computed meanwhile is thrown away."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        self._since = dict.fromkeys(range(plan.workers), 0)  # the iteration from which each is a member
        self._newest, self._formed_at = 0, 0.0
        self._open: dict[tuple[int, int], Exchanged] = {}
        self._left_behind: dict[int, list[Event]] = {}
        self._sizes: dict[int, Steps] = {plan.workers: self._steps}

    def iterations(self, worker: int) -> Iterator[int]:
        """One after another; who was left out goes on where it is a member again, with the others' weights."""
        iteration, last = 0, self.plan.scenario.iterations
        while iteration < last:
            self._newest = max(self._newest, iteration)
            yield iteration
            after = max(iteration + 1, min(last, self._since.get(worker, 0)))
            for skipped in range(iteration + 1, after):
                for bucket in range(len(self.plan.buckets)):
                    self._offer_of(worker, skipped, bucket).succeed()
            iteration = after

    def _is_in(self, worker: int, iteration: int, bucket: int) -> None:
        if (worker, iteration) in self._times:  # else one that the worker has skipped
            super()._is_in(worker, iteration, bucket)

    def close(self, worker: int, iteration: int) -> None:
        super().close(worker, iteration)
        counts = self._since[worker] <= iteration  # who has left is away, and closes nothing
        self.log.updated(self.env.now, worker, iteration, iteration, iteration + 1 if counts else THROWN_AWAY)

    def leave(self, worker: int) -> None:
        del self._since[worker]
        self._reform()
        for each in list(self._open.values()):
            if worker in each.members:
                self._left_behind.setdefault(worker, []).extend(filter(None, [each.came.pop(worker, None)]))
                each.members = tuple(member for member in each.members if member != worker)
                self._form(each)

    def join(self, worker: int) -> None:
        if worker not in self._since:
            self._since[worker] = self._newest + 1
            self._reform()
            for event in self._left_behind.pop(worker, []):
                if not event.triggered:
                    event.succeed()

    def _reform(self) -> None:
        self._formed_at = self.env.now + self.plan.scenario.job.recovery.reform

    def _all_reduce(self, worker: int, iteration: int, bucket: int, stream: int) -> Event:
        """The first worker to come begins the all-reduce; who is not a member has nothing to wait for."""
        key, done = (iteration, bucket), Event(self.env)
        if self._since.get(worker, iteration + 1) > iteration:
            return done.succeed()
        if key not in self._open:
            members = tuple(member for member, since in sorted(self._since.items()) if since <= iteration)
            self._open[key] = Exchanged(bucket, stream, key, members)
            self._form(self._open[key])
        each = self._open[key]
        each.came[worker] = done
        if each.play:
            self._take_part(each, worker)
        return done

    def _form(self, each: Exchanged) -> None:
        """A group of the members plays it, anew if need be, when the group is there."""
        if each.ring:
            each.ring.dissolved = True
        if not each.members:  # nobody is left to play it
            del self._open[each.label]
            return
        each.ring, each.play = Ring(self.network, each.members), None
        ring = each.ring
        Timer(self.env, max(0.0, self._formed_at - self.env.now), lambda _: self._begin_play(each, ring), None)

    def _begin_play(self, each: Exchanged, ring: Ring) -> None:
        if ring.dissolved:
            return
        ranks = len(each.members)
        steps = self._sizes.setdefault(ranks, self._sizes.get(ranks) or Steps(self.plan.strategy, ranks))
        adders = [self.adders[member] for member in each.members]
        nbytes = self.plan.buckets[each.bucket].nbytes
        each.play = Play(ring, adders, steps, nbytes=nbytes, stream=each.stream, label=each.label)
        for worker in each.came:
            self._take_part(each, worker)

    def _take_part(self, each: Exchanged, worker: int) -> None:
        play, done = each.play, each.came[worker]
        assert play is not None
        part = play.join(each.members.index(worker))
        assert part.callbacks is not None

        def has_done(_: Event) -> None:
            if each.play is play and not done.triggered:
                done.succeed()
            if all(member in each.came and each.came[member].triggered for member in each.members):
                self._open.pop(each.label, None)

        part.callbacks.append(has_done)
