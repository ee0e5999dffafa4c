"""When does a message arrive? Links and how messages share them, in SimPy.

A message waits out the latencies of its route and then needs its bytes' time at the rate that the network gives it.
Messages from one host to another on one stream follow one another, as on a TCP connection or a queue pair.

`Fair` gives connections max-min fair rates (progressive filling), anew whenever one starts or ends.
`Fifo` has each link serve whole messages in order of arrival, and cut through from link to link.
"""

from __future__ import annotations

import math
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


class Message:
    """A message on its way; `then` is called with it when its last byte is delivered.

    Messages on one `stream` between two hosts follow one another. Of those that a host sends at the same moment, those
    of lower `order` leave first. `label` is the sender's own."""

    __slots__ = ("dst", "label", "nbytes", "order", "sent", "src", "start", "stream", "then")

    def __init__(
        self, src: int, dst: int, nbytes: float, *, sent: float, then: Then, stream: int, order: int, label: Any
    ) -> None:
        self.src, self.dst, self.nbytes, self.then = src, dst, nbytes, then
        self.stream, self.order, self.label = stream, order, label
        self.sent = self.start = sent


Then = Callable[[Message], object]
Record = Callable[[Message, float], object]  # a message, and when it was delivered


class Timer(Event):
    """Has `what` called with itself at a given time; a timeout that carries anything."""

    def __init__(self, env: simpy.Environment, delay: float, what: Callable[[Any], None], value: Any) -> None:
        self.env, self.callbacks, self._value, self._ok = env, [what], value, True
        env.schedule(self, delay=delay)


class Link:
    """One direction of a link, and what it carries."""

    __slots__ = ("busy", "busy_since", "carried", "flows", "free", "latency", "name", "rate", "waiting")

    def __init__(self, name: str, rate: float, latency: float) -> None:
        self.name, self.rate, self.latency = name, rate, latency
        self.busy, self.busy_since = 0.0, 0.0
        self.carried: dict[float, int] = {}  # how many messages of each size, so that bytes are summed without dust
        self.flows: dict[Flow, None] = {}  # Fair: connections with a message under way (a dict, for its order)
        self.free = 0.0  # Fifo: when the messages so far have passed
        self.waiting: list[tuple[Message, int, float]] = []  # Fifo: arrivals of this moment, with hop and tail


class Flow:
    """A connection's current message in a fair network, its rate, and the messages that wait behind it."""

    __slots__ = ("fastest", "latency", "links", "message", "queue", "rate", "remaining", "since", "timer")

    def __init__(self, links: list[Link], latency: float) -> None:
        self.links, self.latency = links, latency
        self.fastest = min(link.rate for link in links)
        self.queue: deque[Message] = deque()
        self.message: Message | None = None
        self.rate = self.remaining = self.since = 0.0
        self.timer: Timer | None = None


class Network:
    """What both ways of sharing have in common: routes, latency, counting, recording."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Record | None) -> None:
        self.env = env
        self.links = [Link(*each) for each in zip(topology.names, topology.rates, topology.latencies, strict=True)]
        self._delivered: dict[float, int] = {}  # how many messages of each size, between hosts
        self.latency_sum = self.duration_sum = 0.0  # over all messages, s
        self._topology, self._record = topology, record
        self._routes: dict[tuple[int, int], tuple[list[Link], float]] = {}

    def send(
        self, src: int, dst: int, nbytes: float, then: Then, *, stream: int = 0, order: int = 0, label: Any = None
    ) -> None:
        """Send a message; `then` hears of its delivery: at once within a host."""
        now = self.env.now
        message = Message(src, dst, nbytes, sent=now, then=then, stream=stream, order=order, label=label)
        if src == dst:
            then(message)
        else:
            self._carry(message)

    def use(self) -> Columns[LinkUse]:
        """What each link has carried so far."""
        return Columns(
            LinkUse,
            [LinkUse(k.name, k.rate, _bytes(k.carried), k.busy, sum(k.carried.values())) for k in self.links],
        )

    @property
    def messages(self) -> int:
        """Delivered so far, between hosts."""
        return sum(self._delivered.values())

    @property
    def nbytes(self) -> float:
        """Delivered so far, between hosts."""
        return _bytes(self._delivered)

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
        now, nbytes = self.env.now, message.nbytes
        for link in links:
            link.carried[nbytes] = link.carried.get(nbytes, 0) + 1
        self._delivered[nbytes] = self._delivered.get(nbytes, 0) + 1
        self.latency_sum += latency
        self.duration_sum += now - message.sent
        if self._record:
            self._record(message, now)
        message.then(message)

    def _last_in_this_moment(self, what: Callable[[Event], None]) -> None:
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks = [what]
        self.env.schedule(event, priority=LAST)


class Fair(Network):
    """Max-min fair sharing between connections, recomputed for what a start or an end can reach."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Record | None) -> None:
        super().__init__(env, topology, record)
        self._flows: dict[tuple[int, int, int], Flow] = {}
        self._changed: dict[Link, None] = {}

    def _carry(self, message: Message) -> None:
        key = message.src, message.dst, message.stream
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = Flow(*self._route(message))
        if flow.latency > 0:
            Timer(self.env, flow.latency, self._enter, (flow, message))
        else:
            self._queue(flow, message)

    def _enter(self, timer: Timer) -> None:
        self._queue(*timer._value)

    def _queue(self, flow: Flow, message: Message) -> None:
        """The message's bytes come to its connection, behind those that are there."""
        if flow.message is None:
            self._start(flow, message)
        else:
            flow.queue.append(message)

    def _start(self, flow: Flow, message: Message) -> None:
        """An idle connection takes up a message: alone on its links at once, else when rates are settled."""
        now, alone = self.env.now, True
        for link in flow.links:
            if link.flows:
                alone = False
            else:
                link.busy_since = now
            link.flows[flow] = None
        flow.message, flow.remaining, flow.since = message, message.nbytes, now
        message.start = now
        if alone:
            flow.rate = flow.fastest
            flow.timer = Timer(self.env, message.nbytes / flow.rate, self._end, flow)
        else:
            flow.rate = 0.0
            self._settle_later(flow.links)

    def _give(self, flow: Flow, rate: float) -> None:
        """From now on the flow has this rate."""
        now = self.env.now
        flow.remaining = max(0.0, flow.remaining - flow.rate * (now - flow.since))
        flow.rate, flow.since = rate, now
        flow.timer = Timer(self.env, flow.remaining / rate, self._end, flow)

    def _end(self, timer: Timer) -> None:
        """A message's last byte has come, unless the rate was changed meanwhile and this timer is out of date."""
        flow: Flow = timer._value
        if timer is not flow.timer or flow.message is None:
            return
        message = flow.message
        if flow.queue:
            flow.message = flow.queue.popleft()
            flow.message.start = flow.since = self.env.now
            flow.remaining = flow.message.nbytes
            flow.timer = Timer(self.env, flow.remaining / flow.rate, self._end, flow)
        else:
            self._stop(flow)
        self._deliver(message, flow.links, flow.latency)

    def _stop(self, flow: Flow) -> None:
        flow.message, flow.timer = None, None
        shared = None
        for link in flow.links:
            del link.flows[flow]
            if link.flows:
                shared = flow.links
            else:
                link.busy += self.env.now - link.busy_since
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
            Timer(self.env, tail - self.env.now, lambda _: self._deliver(message, links, latency), message)
            return
        ready = max(head, tail - message.nbytes / links[hop + 1].rate)
        Timer(self.env, ready - self.env.now, lambda _: self._arrive(message, hop + 1, tail), message)


def _bytes(carried: dict[float, int]) -> float:
    """Bytes of messages counted by their size."""
    return math.fsum(nbytes * count for nbytes, count in carried.items())


def _tie(arrival: tuple[Message, int, float]) -> tuple[int, int]:
    """Where messages come to a link at the same moment: by source, then in the source's own order."""
    return arrival[0].src, arrival[0].order


SHARING: dict[str, type[Network]] = {"fair": Fair, "fifo": Fifo}
