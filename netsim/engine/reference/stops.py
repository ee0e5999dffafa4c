"""Hosts that stop and return, in SimPy: what becomes of their work, of messages to and from them, and of the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from typing import Any

from simpy.events import Event

from netsim.engine.messages import Sender, Then
from netsim.engine.plan import Plan
from netsim.engine.record.causes import Causal, lasting
from netsim.engine.record.clock import Backstage, Timer
from netsim.engine.record.log import Log
from netsim.errors import RunError
from netsim.outages import Outages
from netsim.trace import NO_CAUSE

Life = Generator[Event, Any, None]
_MOST_STOPS = 100  # in a row, of which none lets anything be done
_IDLE = ("", "stopped", "checkpoint")  # all else that has a name is work


class Gate:
    """The network as hosts that stop and return see it: a message waits until both its ends are there.

    A life that goes through the gate (`living`) stands still while its host is away. What the host had computed of the
    step is lost and done again; what it had handed over is not. With checkpoints, the job goes back to the last one
    instead: everybody stands still for as long as it takes to be where they were.
    """

    def __init__(self, plan: Plan, outages: Outages, network: Sender, log: Log) -> None:
        self.env, self._network, self._log, self._outages = network.env, network, log, outages
        self._workers, self._recovery = plan.workers, plan.scenario.job.recovery
        self._hosts, self._names = range(len(plan.hosts)), plan.hosts
        self._stops = Counter[int]()  # of each host since it last got something done
        self._at: dict[tuple[int, bool], tuple[int, Any]] = {}  # what each life was at last: iteration and bucket
        self._steps: dict[int, tuple[int, float]] = {}  # of each worker: its iteration, and what it computed of it (s)
        self._backstage = Backstage(self.env)  # a stop that may come keeps no run going
        self._alarms: dict[float, list[Callable[[Event], None]]] = {}
        self._saved: dict[int, int] = {}  # iteration -> workers that have saved it
        self._saved_at = self._frozen = 0.0  # when the last checkpoint was; time since that nobody could use
        self._ends: dict[float, float] = {}  # of each time at which the job stood still
        self.leave: Callable[[int], None] = lambda worker: None
        self.join: Callable[[int], None] = lambda worker: None

    def send(self, src: int, dst: int, nbytes: float, then: Then, **how: Any) -> None:
        """Sends a message when both its ends are there."""
        src, since = self._place(src)
        dst, until = self._place(dst)
        away, wait = (src if since > until else dst), max(since, until, self._thaws()) - self.env.now
        if wait <= 0:
            self._network.send(src, dst, nbytes, then, **how)
        elif math.isfinite(wait):
            again = partial(self.send, src, dst, nbytes, then, **how)
            lasting(Timer(self.env, wait, lambda _: again(), None), "stopped", away, how["label"])

    def window(self, src: int, dst: int) -> float:
        """Of a connection between two hosts (bytes); a replica's is that of the server in whose place it is."""
        return self._network.window(src, dst)

    def living(self, host: int, life: Life, *, works: bool = True) -> Life:
        """The life of a process on a host that stops and returns. `works`: it is a worker, with steps."""
        value = None
        while True:
            try:
                event = life.send(value)
            except StopIteration:
                return
            try:
                value = yield from self._through(host, event, works)
            except _GoneForEver:
                life.close()
                return
            if works:
                yield from self._save(host, event)

    # What a life waits for

    def _through(self, host: int, event: Event, works: bool) -> Generator[Event, Any, Any]:
        """Waits for an event, or for what is left of it whenever the host has been away."""
        kind, about = _about(event)
        if kind:
            self._at[host, works] = about
        about = self._at.get((host, works), about)
        began, cause, stop = self.env.now, getattr(self.env, "cause", NO_CAUSE), self._next_stop(host)
        yield self._event_or_stop(event, stop) if math.isfinite(stop) else event
        if event.processed:
            del self._stops[host]
            if works and kind not in _IDLE:
                self._has_computed(host, about[0], self.env.now - began)
            return event.value
        self._cut(event, host, about, began, cause)
        yield from self._interrupted(host, event, about, stop, self.env.now - began, works)
        return event.value if kind or event.processed else (yield from self._through(host, event, works))

    def _interrupted(
        self, host: int, event: Event, about: tuple[int, Any], stop: float, passed: float, works: bool
    ) -> Life:
        """A stop, and the end of what it came upon: `passed` is for how long that has lasted."""
        kind, pause = _about(event)[0], self.env.now
        self._stops[host] += 1
        self._still_hopes(host, self._stops[host])
        computes = works and kind not in _IDLE
        left = event._delay - passed if kind else 0.0  # type: ignore[attr-defined]
        if self._recovery.checkpoint_every is not None:
            yield lasting(self.env.timeout(self._go_back(stop) - self.env.now), "stopped", host, about)
        else:
            lost = self._lost(host, about[0], works) + (passed if kind not in _IDLE else 0.0)
            yield from self._away(host, stop, lost, works, about)
            left += lost + self._recovery.restart
            if computes:
                self._steps[host] = about[0], 0.0
        if left > 0:
            yield from self._through(host, lasting(self.env.timeout(left), "redo", host, about), computes)
        if works and not computes:
            self._log.idle(host, self.env.now - pause)

    def _still_hopes(self, host: int, stops: int) -> None:
        if stops > _MOST_STOPS:
            told = f"{self._names[host]} has stopped {_MOST_STOPS} times before lost work was done again"
            raise RunError(f"{told}; stops must be rarer, repairs and restarts shorter, or checkpoints more frequent")

    def _lost(self, host: int, iteration: int, works: bool) -> float:
        """Seconds of what a worker has computed of its step; a server loses only what it is at."""
        before, done = self._steps.get(host, (iteration, 0.0))
        return done if works and before == iteration else 0.0

    def _cut(self, event: Event, host: int, about: tuple[int, Any], began: float, cause: int) -> None:
        """What was going on, or waited for, ends with the stop, of which it is the cause."""
        if isinstance(self.env, Causal):
            self.env.ends(_about(event)[0] or "waiting", host, about, began, self.env.now, cause=cause)

    def _away(self, host: int, stop: float, lost: float, works: bool, about: tuple[int, Any]) -> Life:
        """Until the host is back, or a replica has taken its place."""
        away = self._outages.away(host, stop)
        assert away is not None
        until = min(away[1], stop + self._recovery.failover) if self._has_replica(host) else away[1]
        self._log.stopped(host, about[0], stop, until, lost)
        if works and self._recovery.workers == "drop" and stop + self._recovery.timeout < until:
            Timer(self.env, stop + self._recovery.timeout - self.env.now, lambda _: self.leave(host), None)
        if not math.isfinite(until):
            raise _GoneForEver
        yield lasting(self.env.timeout(until - self.env.now), "stopped", host, about)
        if works and self._recovery.workers == "drop":
            self.join(host)

    def _has_computed(self, host: int, iteration: int, seconds: float) -> None:
        before, done = self._steps.get(host, (iteration, 0.0))
        self._steps[host] = iteration, (done if before == iteration else 0.0) + seconds

    def _next_stop(self, host: int) -> float:
        """When this host stops, or, where the whole job goes back, any worker, or a server."""
        now = self.env.now
        if self._recovery.checkpoint_every is None:
            return self._outages.next(host, now)
        return min(self._outages.next(each, now) for each in self._hosts)

    def _event_or_stop(self, event: Event, stop: float) -> Event:
        """Happens with the event, or when a host stops."""
        either = Event(self.env)

        def happens(_: Event) -> None:
            if not either.triggered:
                either.succeed()

        if event.callbacks is None:  # it has happened
            return event
        event.callbacks.append(happens)
        if stop not in self._alarms:
            self._alarms[stop] = []
            Timer(self._backstage, stop - self.env.now, self._alarm, stop)
        self._alarms[stop].append(happens)
        return either

    def _alarm(self, timer: Timer) -> None:
        for happens in self._alarms.pop(timer._value):
            happens(timer)

    # Checkpoints

    def _save(self, host: int, event: Event) -> Life:
        """A worker saves after so many iterations; what all have saved, nobody has to do again."""
        kind, (iteration, _) = _about(event)
        every = self._recovery.checkpoint_every
        if every is None or kind != "update" or (iteration + 1) % every:
            return
        saving = lasting(self.env.timeout(self._recovery.checkpoint), "checkpoint", host, (iteration, None))
        yield from self._through(host, saving, False)
        self._saved[iteration] = self._saved.get(iteration, 0) + 1
        if self._saved[iteration] == self._workers:
            self._saved_at, self._frozen = self.env.now, 0.0

    def _go_back(self, stop: float) -> float:
        """When the job is where it was when a host stopped: returned, restarted, and done again what was not saved.
        A host that stops meanwhile makes it begin anew."""
        if stop not in self._ends:
            lost, end, back, at, stops = stop - self._saved_at - self._frozen, stop, stop, stop, count(1)
            while at <= end:
                stopping = [each for each in self._hosts if self._outages.next(each, at) == at]
                self._still_hopes(stopping[0], next(stops))
                for host in stopping:
                    away = self._outages.away(host, at)
                    assert away is not None
                    self._log.stopped(host, -1, at, away[1], lost)
                    back = max(back, away[1])
                end = back + self._recovery.restart + lost
                at = min(self._outages.next(each, math.nextafter(at, math.inf)) for each in self._hosts)
            self._ends[stop] = end
            self._frozen += end - stop
        return self._ends[stop]

    def _thaws(self) -> float:
        return max(self._ends.values(), default=0.0)

    # Servers

    def _has_replica(self, host: int) -> bool:
        return self._recovery.servers == "replica" and host >= self._workers

    def _place(self, host: int) -> tuple[int, float]:
        """Where a host's messages go, and from when on: a server that is away has a replica on the next that is not."""
        now = self.env.now
        away = self._outages.away(host, now)
        if away is None or self._recovery.checkpoint_every is not None:
            return host, now
        if not self._has_replica(host):
            return host, away[1]
        until = away[0] + self._recovery.failover
        if until >= away[1] or now < until:
            return host, min(until, away[1])
        servers = [*range(host + 1, len(self._hosts)), *range(self._workers, host)]
        return next((each for each in servers if self._outages.away(each, now) is None), host), now


class _GoneForEver(Exception):
    """A host does not return."""


def gate(plan: Plan, network: Sender, log: Log) -> Sender:
    """The network, or the gate to it where hosts may stop."""
    stops, recovery = plan.scenario.cluster.stop, plan.scenario.job.recovery
    if not stops and recovery.checkpoint_every is None:
        return network
    outages = Outages(stops, plan.hosts, plan.scenario.seed)
    return Gate(plan, outages, network, log)


def _about(event: Event) -> tuple[str, tuple[int, Any]]:
    """The kind of an activity and its label; "" for what is none."""
    kind, _, _, label = getattr(event, "activity", ("", 0, 0.0, (-1, None)))
    return kind, label
