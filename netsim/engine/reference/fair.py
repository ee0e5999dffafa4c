"""Max-min fair sharing between connections, in SimPy."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from heapq import heapify, heappop, heapreplace
from operator import attrgetter
from typing import Any

import simpy
from simpy.events import Event

from netsim.engine.messages import Link, Message, Record
from netsim.engine.record.clock import Agenda, Timer
from netsim.engine.reference.network import Network
from netsim.topologies.base import Topology

SAME = 1e-12  # shares that are nearer than this, of their own size, count as equal


class Flow:
    """A connection's current message in a fair network, its rate, and the messages that wait behind it.

    `links` has those of its message's route, then what else bounds it: its hosts' rate in all, and its own `cap`.
    `bottleneck` is the one that keeps it from more than its `rate`; alone in the network it would have `alone`.
    """

    __slots__ = ("alone", "bottleneck", "bounds", "cap", "links", "message", "queue", "rate", "remaining", "since")

    def __init__(self, bounds: list[Link], cap: Link | None = None) -> None:
        self.bounds, self.cap = [*bounds, cap] if cap else bounds, cap
        self.links: list[Link] = self.bounds
        self.queue: deque[Message] = deque()
        self.message: Message | None = None
        self.bottleneck: Link | None = None
        self.rate = self.remaining = self.since = self.alone = 0.0


class Fair(Network):
    """Max-min fair sharing between connections, recomputed for what a start or an end can reach."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Record | None, **failing: Any) -> None:
        super().__init__(env, topology, record, **failing)
        self._flows: dict[tuple[int, int, int], Flow] = {}
        self._touched: dict[Link, None] = {}
        self._ends = {each: Agenda(each, self._end) for each in (env, self._backstage)}
        self._in_all = {
            number: Link(f"{host.name}.all", host.link.host_rate, 0.0)
            for number, host in enumerate(topology.hosts)
            if host.link.host_rate is not None
        }

    def held_up(self) -> list[tuple[Message, Link | None]]:
        return [*super().held_up(), *self._stopped()]

    def account(self) -> None:
        for flow in self._flows.values():
            if flow.message:
                self._account(flow)

    def hopes(self) -> bool:
        return super().hopes() or any(not self._is_dead(link) for _, link in self._stopped())

    def _stopped(self) -> list[tuple[Message, Link]]:
        """The job's messages that wait for a link, each with that link: one that is down for ever, if there is one."""
        found = []
        for flow in self._flows.values():
            down = [link for link in flow.links if not link.rate > 0] if flow.message else []
            if down and flow.message and flow.message.tenant is self.job:
                found.append((flow.message, next(filter(self._is_dead, down), down[0])))
        return found

    def _carry(self, message: Message) -> None:
        if message.latency > 0:
            Timer(message.tenant.env, message.latency, self._enter, message)
        else:
            self._queue(message)

    def _enter(self, timer: Timer) -> None:
        self._queue(timer._value)

    def _queue(self, message: Message) -> None:
        """The message's bytes come to its connection, behind those that are there."""
        if self._reroutes and not all(link.rate > 0 for link in message.links):
            self._set_out(message)  # its way has failed since it left
            return
        key = message.src, message.dst, message.stream
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = self._flow(message)
        if flow.message is None:
            self._start(flow, message)
        elif message.priority is None:
            flow.queue.append(message)
        else:
            insort(flow.queue, message, key=attrgetter("priority"))

    def _flow(self, message: Message) -> Flow:
        in_all = [self._in_all[host] for host in (message.src, message.dst) if host in self._in_all]
        return Flow(in_all, None if self._plain and message.cap == math.inf else Link("", message.cap, 0.0))

    def _start(self, flow: Flow, message: Message) -> None:
        """An idle connection takes up a message: alone on its links at once, else when rates are settled."""
        now, alone = self.env.now, True
        flow.links = [*message.links, *flow.bounds]
        self._take_up(flow, message)
        for link in flow.links:
            if link.flows:
                alone = False
            else:
                link.busy_since = now
            link.flows[flow] = None
            if not link.rate > 0:
                self._interrupted(message, link, "waits")
        flow.rate = 0.0
        if alone:
            narrowest = min(flow.links, key=lambda link: link.rate)
            self._give(flow, narrowest.rate, narrowest)
        else:
            self._settle_later(flow.links)

    def _take_up(self, flow: Flow, message: Message) -> None:
        flow.message, flow.remaining, flow.since = message, message.left, self.env.now
        if message.left == message.nbytes:
            message.start = flow.since
        if flow.cap:
            flow.cap.rate = flow.cap.full = message.cap
        flow.alone = min(link.full for link in flow.links)

    def _give(self, flow: Flow, rate: float, bottleneck: Link) -> None:
        """From now on the flow has this rate."""
        self._account(flow)
        flow.bottleneck = bottleneck
        if rate != flow.rate or rate == 0:
            flow.rate = rate
            self._plan_end(flow)

    def _plan_end(self, flow: Flow) -> None:
        assert flow.message
        ends = self._ends[flow.message.tenant.env]
        if flow.rate > 0:
            ends.enter(flow, self.env.now + flow.remaining / flow.rate)
        else:
            ends.cross_out(flow)

    def _account(self, flow: Flow) -> None:
        """What has passed, and what was lost to others, since the flow's rate was last another."""
        now, since = self.env.now, flow.since
        if now > since:
            flow.remaining = max(0.0, flow.remaining - flow.rate * (now - since))
            if flow.bottleneck and flow.rate < flow.alone:
                flow.bottleneck.waited += (now - since) * (1 - flow.rate / flow.alone)
            if self.meter:
                for link in flow.message.links if flow.message else ():
                    self.meter.passed(link, since, now, flow.rate)
        flow.since = now

    def _end(self, flow: Flow) -> None:
        """A message's last byte has come."""
        message = flow.message
        assert message
        self._account(flow)
        if flow.queue and flow.queue[0].links == message.links:
            self._go_on(flow, flow.queue.popleft())
        else:
            self._stop(flow)
            if flow.queue:
                self._start(flow, flow.queue.popleft())
        self._arrived(message)

    def _go_on(self, flow: Flow, message: Message) -> None:
        """The next message of a connection takes the place of the one before."""
        if flow.cap and flow.cap.rate != message.cap:
            self._settle_later(flow.links)
        self._take_up(flow, message)
        self._plan_end(flow)

    def _stop(self, flow: Flow) -> None:
        """A connection falls idle."""
        assert flow.message
        message, flow.message, flow.rate = flow.message, None, 0.0
        self._ends[message.tenant.env].cross_out(flow)
        shared = False
        for link in flow.links:
            del link.flows[flow]
            if link.flows:
                shared = True
            elif link.rate > 0:
                link.busy += self.env.now - link.busy_since
        if shared:
            self._settle_later(flow.links)
        if message.tenant is not self.job and not flow.queue:
            del self._flows[message.src, message.dst, message.stream]

    def _changed(self, link: Link, was: float) -> None:
        """All flows on a link find out that its rate is another; where it failed, they wait or go another way."""
        if not link.flows:
            return
        if not was > 0:
            link.busy_since = self.env.now
        elif not link.rate > 0:
            link.busy += self.env.now - link.busy_since
            for flow in list(link.flows):
                if self._reroutes:
                    self._move(flow)
                elif flow.message:
                    self._interrupted(flow.message, link, "waits")
        self._settle_later([link])

    def _move(self, flow: Flow) -> None:
        """What a connection still has to send goes another way, whose latency it waits out."""
        assert flow.message
        self._account(flow)
        if flow.remaining < flow.message.left:
            self._have_carried(flow.message, flow.message.left - flow.remaining)
        flow.message.left = flow.remaining
        messages = [flow.message, *flow.queue]
        flow.queue.clear()
        self._stop(flow)
        for message in messages:
            self._set_out(message)

    def _settle_later(self, links: list[Link]) -> None:
        """Rates are settled once for all that changes in this moment."""
        if not self._touched:
            self._last_in_this_moment(self._settle)
        self._touched.update(dict.fromkeys(links))

    def _settle(self, _: Event) -> None:
        touched, self._touched = self._touched, {}
        for flow, (rate, bottleneck) in max_min_rates(reach(touched)).items():
            if rate != flow.rate or bottleneck is not flow.bottleneck:
                self._give(flow, rate, bottleneck)


def reach(changed: dict[Link, None]) -> dict[Link, None]:
    """The links that a change on some can reach through flows that they share."""
    links, flows = dict(changed), set[Flow]()
    todo = list(changed)
    while todo:
        for flow in todo.pop().flows:
            if flow not in flows:
                flows.add(flow)
                for link in flow.links:
                    if link not in links:
                        links[link] = None
                        todo.append(link)
    return links


def max_min_rates(links: dict[Link, None]) -> dict[Flow, tuple[float, Link]]:
    """What each flow on these links gets (bytes/s), and the link that keeps it from more, by progressive filling
    (Bertsekas, Gallager: Data Networks, 6.5.2): raise all rates alike until a link is full, freeze its flows, go on
    with the rest. The next link to be full is found in a heap, where its share may be out of date, but only too small:
    flows that were frozen since then got no more than that. Of links that are full at once, but for rounding, the first
    by number is to blame."""
    rates: dict[Flow, tuple[float, Link]] = {}
    left = {link: link.rate for link in links}
    crowd = {link: len(link.flows) for link in links if link.flows}
    heap = [(link.rate / count, link.place, turn, link) for turn, (link, count) in enumerate(crowd.items())]
    heapify(heap)
    while heap:
        full: list[tuple[int, int, Link]] = []
        level = 0.0
        while heap and (not full or heap[0][0] <= level * (1 + SAME)):
            share, place, turn, link = heap[0]
            count = crowd[link]
            if count and left[link] / count > share:
                heapreplace(heap, (left[link] / count, place, turn, link))
                continue
            heappop(heap)
            level = level if full else share
            if count:
                full.append((place, turn, link))
        for *_, link in sorted(full):
            for flow in link.flows:
                if flow not in rates:
                    rates[flow] = level, link
                    for other in flow.links:
                        left[other] -= level
                        crowd[other] -= 1
    return rates
