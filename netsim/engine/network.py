"""When does a message arrive? Links and how messages share them, in SimPy.

A message waits out the latencies of its route and then needs its bytes' time at the rate that the network gives it.
Messages from one host to another on one stream follow one another, as on a TCP connection or a queue pair.

`Fair` gives connections max-min fair rates (progressive filling), anew whenever one starts or ends.
`Fifo` has each link serve whole messages in order of arrival, and cut through from link to link.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import simpy
from simpy.events import Event, EventPriority

from netsim.topologies.base import Topology
from netsim.trace import Columns, LinkUse

# SimPy breaks ties in time by priority, then in order of scheduling. What must see all that happens at one moment
# (rates, the order of arrivals) is scheduled last in it.
LAST = EventPriority(9)


class Message(Event):
    """A message on its way; the event happens when its last byte is delivered.

    Messages on one `stream` between two hosts follow one another. Of those that a host sends at the same moment, those
    of lower `order` leave first. `label` is the sender's own."""

    def __init__(
        self, env: simpy.Environment, src: int, dst: int, nbytes: float, *, stream: int, order: int, label: Any
    ) -> None:
        super().__init__(env)
        self.src, self.dst, self.nbytes = src, dst, nbytes
        self.stream, self.order, self.label = stream, order, label
        self.sent = self.start = env.now


class Link:
    """One direction of a link, and what it carries."""

    __slots__ = ("busy", "busy_since", "flows", "free", "latency", "messages", "name", "nbytes", "rate", "waiting")

    def __init__(self, name: str, rate: float, latency: float) -> None:
        self.name, self.rate, self.latency = name, rate, latency
        self.nbytes, self.messages, self.busy, self.busy_since = 0.0, 0, 0.0, 0.0
        self.flows: dict[Flow, None] = {}  # Fair: connections with a message under way (a dict, for its order)
        self.free = 0.0  # Fifo: when the messages so far have passed
        self.waiting: list[tuple[Message, int, float]] = []  # Fifo: arrivals of this moment, with hop and tail


class Flow:
    """A connection's current message in a fair network, its rate, and the messages that wait behind it."""

    __slots__ = ("links", "message", "queue", "rate", "remaining", "since", "timer")

    def __init__(self, links: list[Link]) -> None:
        self.links = links
        self.queue: deque[Message] = deque()
        self.message: Message | None = None
        self.rate = self.remaining = self.since = 0.0
        self.timer: Event | None = None


class Network:
    """What both ways of sharing have in common: routes, latency, counting, recording."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Callable[[Message], None] | None) -> None:
        self.env = env
        self.links = [Link(*each) for each in zip(topology.names, topology.rates, topology.latencies, strict=True)]
        self.messages, self.nbytes = 0, 0.0  # delivered, between hosts
        self.latency_sum = self.duration_sum = 0.0  # over all messages, s
        self._topology, self._record = topology, record
        self._routes: dict[tuple[int, int], tuple[list[Link], float]] = {}

    def send(self, src: int, dst: int, nbytes: float, *, stream: int = 0, order: int = 0, label: Any = None) -> Message:
        """The message, which happens when it is delivered: at once within a host."""
        message = Message(self.env, src, dst, nbytes, stream=stream, order=order, label=label)
        if src == dst:
            message.succeed()
        else:
            self._carry(message)
        return message

    def use(self) -> Columns[LinkUse]:
        """What each link has carried so far."""
        return Columns(LinkUse, [LinkUse(k.name, k.rate, k.nbytes, k.busy, k.messages) for k in self.links])

    def _carry(self, message: Message) -> None:
        raise NotImplementedError

    def _route(self, message: Message) -> tuple[list[Link], float]:
        """The links from source to destination and their latency in all (s)."""
        ends = message.src, message.dst
        if ends not in self._routes:
            links = [self.links[i] for i in self._topology.route(*ends)]
            self._routes[ends] = links, sum(link.latency for link in links)
        return self._routes[ends]

    def _deliver(self, message: Message, links: list[Link], latency: float) -> None:
        for link in links:
            link.nbytes += message.nbytes
            link.messages += 1
        self.messages += 1
        self.nbytes += message.nbytes
        self.latency_sum += latency
        self.duration_sum += self.env.now - message.sent
        message.succeed()
        if self._record:
            self._record(message)

    def _at(self, delay: float, what: Callable[[Event], None], value: Any = None) -> Event:
        """Have `what` called with an event of the given value after `delay` seconds."""
        timer = Event(self.env)
        timer._ok, timer._value = True, value
        timer.callbacks = [what]
        self.env.schedule(timer, delay=delay)
        return timer

    def _last_in_this_moment(self, what: Callable[[Event], None]) -> None:
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks = [what]
        self.env.schedule(event, priority=LAST)


class Fair(Network):
    """Max-min fair sharing between connections, recomputed for what a start or an end can reach."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Callable[[Message], None] | None) -> None:
        super().__init__(env, topology, record)
        self._flows: dict[tuple[int, int, int], Flow] = {}
        self._changed: dict[Link, None] = {}

    def _carry(self, message: Message) -> None:
        _, latency = self._route(message)
        if latency > 0:
            self._at(latency, self._enter, message)
        else:
            self._queue(message)

    def _enter(self, timer: Event) -> None:
        message: Any = timer.value
        self._queue(message)

    def _queue(self, message: Message) -> None:
        """The message's bytes come to its connection, behind those that are there."""
        key = message.src, message.dst, message.stream
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(self._route(message)[0])
        flow.queue.append(message)
        if flow.message is None:
            self._start(flow)

    def _start(self, flow: Flow) -> None:
        """An idle connection takes up its next message: alone on its links at once, else when rates are settled."""
        alone = True
        for link in flow.links:
            if link.flows:
                alone = False
            else:
                link.busy_since = self.env.now
            link.flows[flow] = None
        flow.rate, flow.since = 0.0, self.env.now
        self._take_up(flow)
        if alone:
            self._give(flow, min(link.rate for link in flow.links))
        else:
            self._settle_later(flow.links)

    def _take_up(self, flow: Flow) -> None:
        message = flow.message = flow.queue.popleft()
        message.start = self.env.now
        flow.remaining = message.nbytes

    def _give(self, flow: Flow, rate: float) -> None:
        """From now on the flow has this rate."""
        now = self.env.now
        flow.remaining = max(0.0, flow.remaining - flow.rate * (now - flow.since))
        flow.rate, flow.since = rate, now
        flow.timer = self._at(flow.remaining / rate, self._end, flow)

    def _end(self, timer: Event) -> None:
        """A message's last byte has come, unless the rate was changed meanwhile and this timer is out of date."""
        flow: Any = timer.value
        if timer is not flow.timer:
            return
        self._deliver(flow.message, *self._route(flow.message))
        if flow.queue:
            self._take_up(flow)
            flow.since = self.env.now
            flow.timer = self._at(flow.remaining / flow.rate, self._end, flow)
        else:
            self._stop(flow)

    def _stop(self, flow: Flow) -> None:
        flow.message, flow.timer = None, None
        for link in flow.links:
            del link.flows[flow]
            if not link.flows:
                link.busy += self.env.now - link.busy_since
        shared = [link for link in flow.links if link.flows]
        if shared:
            self._settle_later(shared)

    def _settle_later(self, links: list[Link]) -> None:
        """Rates are settled once for all that changes in this moment."""
        if not self._changed:
            self._last_in_this_moment(self._settle)
        self._changed.update(dict.fromkeys(links))

    def _settle(self, _: Event) -> None:
        changed, self._changed = self._changed, {}
        flows, links = _reach(changed)
        for flow, rate in max_min_rates(flows, links).items():
            if rate != flow.rate:
                self._give(flow, rate)


def _reach(changed: dict[Link, None]) -> tuple[dict[Flow, None], dict[Link, None]]:
    """The flows and links that a change on some links can reach through shared links."""
    links, flows = dict(changed), dict[Flow, None]()
    todo = list(changed)
    while todo:
        for flow in todo.pop().flows:
            if flow not in flows:
                flows[flow] = None
                for link in flow.links:
                    if link not in links:
                        links[link] = None
                        todo.append(link)
    return flows, links


def max_min_rates(flows: dict[Flow, None], links: dict[Link, None]) -> dict[Flow, float]:
    """Progressive filling (Bertsekas, Gallager: Data Networks, 6.5.2): raise all rates alike until a link is full,
    freeze its flows, go on with the rest. Bytes/s."""
    rates: dict[Flow, float] = {}
    left = {link: link.rate for link in links}
    crowd = {link: len(link.flows) for link in links if link.flows}
    while crowd:
        level = min(left[link] / count for link, count in crowd.items())
        full = [link for link, count in crowd.items() if left[link] / count <= level * (1 + 1e-12)]
        for link in full:
            for flow in link.flows:
                if flow not in rates:
                    rates[flow] = level
                    for other in flow.links:
                        left[other] -= level
                        crowd[other] -= 1
        crowd = {link: count for link, count in crowd.items() if count}
    return rates


class Fifo(Network):
    """Links serve whole messages in order of arrival; arrivals at the same moment as `_tie` says.

    From link to link a message cuts through: it comes to the next link when that link could pass it on at its full
    rate without waiting for bytes, so that no link is held by a message that is still trickling in.
    """

    def _carry(self, message: Message) -> None:
        self._arrive(message, 0, self.env.now)

    def _arrive(self, message: Message, hop: int, tail: float) -> None:
        link = self._route(message)[0][hop]
        if not link.waiting:
            self._last_in_this_moment(lambda _: self._serve(link))
        link.waiting.append((message, hop, tail))

    def _serve(self, link: Link) -> None:
        arrivals, link.waiting = sorted(link.waiting, key=_tie), []
        for message, hop, tail in arrivals:
            links, latency = self._route(message)
            start = max(self.env.now, link.free)
            lasts = message.nbytes / link.rate
            link.free = max(start + lasts, tail)
            link.busy += lasts
            if hop == 0:
                message.start = start
            self._pass_on(message, hop, start + link.latency, link.free + link.latency, links, latency)

    def _pass_on(self, message: Message, hop: int, head: float, tail: float, links: list[Link], latency: float) -> None:
        """First and last byte come to the end of the hop's link at these times."""
        if hop + 1 == len(links):
            self._at(tail - self.env.now, lambda _: self._deliver(message, links, latency))
            return
        ready = max(head, tail - message.nbytes / links[hop + 1].rate)
        self._at(ready - self.env.now, lambda _: self._arrive(message, hop + 1, tail))


def _tie(arrival: tuple[Message, int, float]) -> tuple[int, int]:
    """Where messages come to a link at the same moment: by source, then in the source's own order."""
    return arrival[0].src, arrival[0].order


SHARING: dict[str, type[Network]] = {"fair": Fair, "fifo": Fifo}
