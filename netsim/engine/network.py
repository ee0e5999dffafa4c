"""When does a message arrive? What all ways of sharing links have in common, in SimPy.

A message waits out the latencies of its route and then needs its bytes' time at the rate that the network gives it.
Messages from one host to another on one stream follow one another, as on a TCP connection or a queue pair. Where a
host's link says so, each also costs its sender and its receiver time (LogGP's overhead and gap).

`Fair` (fair.py) gives connections max-min fair rates (progressive filling), anew whenever one starts or ends.
`Fifo` (fifo.py) has each link serve whole messages in order of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import simpy
from simpy.events import Event, EventPriority

from netsim.hardware import Link as Port
from netsim.topologies.base import Topology
from netsim.trace import NO_CAUSE, Columns, LinkUse

# SimPy breaks ties in time by priority, then in order of scheduling. What must see all that happens at one moment
# (rates, the order of arrivals) is scheduled last in it.
LAST = EventPriority(9)


class Message:
    """A message on its way; `then` is called with it when its last byte is delivered.

    Messages on one `stream` between two hosts follow one another. Of those that a host sends at the same moment, those
    of lower `order` leave first. `label` is the sender's own. `cap` is the most that it gets (bytes/s), whatever is
    free; `latency` what it waits out on its whole route (s), `overhead` what it costs its two hosts (s). `cause` is the
    activity that led to its being sent, `links` what it came over."""

    __slots__ = (
        "cap",
        "cause",
        "dst",
        "label",
        "latency",
        "links",
        "nbytes",
        "order",
        "overhead",
        "sent",
        "src",
        "start",
        "stream",
        "then",
    )

    def __init__(
        self, src: int, dst: int, nbytes: float, *, sent: float, then: Then, stream: int, order: int, label: Any
    ) -> None:
        self.src, self.dst, self.nbytes, self.then = src, dst, nbytes, then
        self.stream, self.order, self.label = stream, order, label
        self.sent = self.start = sent
        self.cap, self.latency, self.overhead = math.inf, 0.0, 0.0
        self.cause, self.links = NO_CAUSE, list[Link]()


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
        self.flows: dict[Any, None] = {}  # Fair: connections with a message under way (a dict, for its order)
        self.free = 0.0  # Fifo: when the messages so far have passed
        self.waiting: list[tuple[Message, int, float]] = []  # Fifo: arrivals of this moment, with hop and tail


class Processor:
    """What messages cost a host itself: `overhead` each, one after the other, and `gap` from one to the next, for
    those that it sends and for those that it receives (Alexandrov et al. 1995)."""

    __slots__ = ("free", "gap", "inbox", "last_in", "last_out", "outbox", "overhead")

    def __init__(self, port: Port) -> None:
        self.overhead, self.gap, self.free = port.overhead, port.gap, 0.0
        self.last_out = self.last_in = -math.inf  # when it last sent, and received
        self.outbox: list[Message] = []  # of this moment
        self.inbox: list[tuple[Message, list[Link]]] = []

    def sends(self, now: float) -> float:
        """When a message that is handed over now leaves."""
        self.free = max(now, self.free) + self.overhead
        self.last_out = max(self.free, self.last_out + self.gap)
        return self.last_out

    def receives(self, now: float) -> float:
        """When a message whose last byte comes now is there."""
        self.last_in = max(now, self.last_in + self.gap)
        self.free = max(self.last_in, self.free) + self.overhead
        return self.free


class Network:
    """What all ways of sharing have in common: routes, latency, what messages cost hosts, counting, recording."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Record | None) -> None:
        self.env = env
        self.links = [Link(*each) for each in zip(topology.names, topology.rates, topology.latencies, strict=True)]
        self._delivered: dict[float, int] = {}  # how many messages of each size, between hosts
        self.latency_sum = self.duration_sum = 0.0  # over all messages, s
        self._topology, self._record = topology, record
        self._ports = [host.link for host in topology.hosts]
        self._plain = all(port.plain for port in self._ports)
        self._processors = [Processor(port) if port.overhead or port.gap else None for port in self._ports]
        self._routes: dict[tuple[int, int], tuple[list[Link], float]] = {}

    def send(
        self, src: int, dst: int, nbytes: float, then: Then, *, stream: int = 0, order: int = 0, label: Any = None
    ) -> None:
        """Send a message; `then` hears of its delivery: at once within a host."""
        now = self.env.now
        message = Message(src, dst, nbytes, sent=now, then=then, stream=stream, order=order, label=label)
        if src == dst:
            then(message)
            return
        message.cause = getattr(self.env, "cause", NO_CAUSE)
        message.latency = self._route(message)[1]
        if not self._plain:
            self._price(message)
            processor = self._processors[src]
            if processor:
                if not processor.outbox:
                    self._last_in_this_moment(partial(self._post, processor))
                processor.outbox.append(message)
                return
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

    def _price(self, message: Message) -> None:
        """Latency and cap of a message by its size and its two hosts' links; each has half of the latency."""
        ports = self._ports[message.src], self._ports[message.dst]
        message.latency += sum(port.latency_of(message.nbytes) - port.latency for port in ports) / 2
        message.cap = min(port.cap_of(message.nbytes) for port in ports)

    def _post(self, processor: Processor, _: Event) -> None:
        """What a host sends at this moment leaves in its own order, at the pace of its processor."""
        messages, processor.outbox = sorted(processor.outbox, key=lambda message: message.order), []
        for message in messages:
            leaves = processor.sends(self.env.now)
            message.overhead += leaves - self.env.now
            Timer(self.env, leaves - self.env.now, lambda timer: self._carry(timer._value), message)

    def _arrived(self, message: Message, links: list[Link]) -> None:
        """The last byte has come to the receiver, whose processor may take its time."""
        processor = self._processors[message.dst]
        if processor is None:
            self._deliver(message, links)
            return
        if not processor.inbox:
            self._last_in_this_moment(partial(self._take_in, processor))
        processor.inbox.append((message, links))

    def _take_in(self, processor: Processor, _: Event) -> None:
        arrivals, processor.inbox = sorted(processor.inbox, key=lambda each: (each[0].src, each[0].order)), []
        for message, links in arrivals:
            there = processor.receives(self.env.now)
            message.overhead += there - self.env.now
            Timer(self.env, there - self.env.now, lambda timer: self._deliver(*timer._value), (message, links))

    def _deliver(self, message: Message, links: list[Link]) -> None:
        now, nbytes = self.env.now, message.nbytes
        for link in links:
            link.carried[nbytes] = link.carried.get(nbytes, 0) + 1
        self._delivered[nbytes] = self._delivered.get(nbytes, 0) + 1
        self.latency_sum += message.latency + message.overhead
        self.duration_sum += now - message.sent
        if self._record:
            message.links = links
            self._record(message, now)
        message.then(message)

    def _last_in_this_moment(self, what: Callable[[Event], None]) -> None:
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks = [what]
        self.env.schedule(event, priority=LAST)


def _bytes(carried: dict[float, int]) -> float:
    """Bytes of messages counted by their size."""
    return math.fsum(nbytes * count for nbytes, count in carried.items())
