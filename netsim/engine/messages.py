"""Messages, whose they are, and what they come over: links, and the processors of hosts."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import simpy

from netsim.engine.health import Health
from netsim.hardware import Link as Port
from netsim.trace import NO_CAUSE

STUCK = "nothing can move any more"  # why a run is over that is not done


class Message:
    """A message on its way; `then` is called with it when its last byte is delivered.

    Messages on one `stream` between two hosts follow one another, of those that wait the one of lowest `priority` first
    (None: none goes ahead). Of those that a host sends at the same moment, those of lower `order` leave first. `label`
    is the sender's own. `cap` is the most that it gets (bytes/s), whatever is free; `latency` what it waits out on its
    whole route (s), `overhead` what it costs its two hosts (s). `tenant` is whose it is, `cause` is the activity that
    led to its being sent, `links` what it comes over."""

    __slots__ = (
        "attempt",
        "cap",
        "cause",
        "dst",
        "label",
        "latency",
        "left",
        "links",
        "nbytes",
        "order",
        "overhead",
        "passed",
        "priority",
        "sent",
        "src",
        "start",
        "stream",
        "tenant",
        "then",
    )

    def __init__(
        self,
        src: int,
        dst: int,
        nbytes: float,
        *,
        sent: float,
        then: Then,
        stream: int,
        order: int,
        priority: int | None,
        label: Any,
        tenant: Tenant,
    ) -> None:
        self.src, self.dst, self.nbytes, self.then = src, dst, nbytes, then
        self.stream, self.order, self.label, self.tenant = stream, order, label, tenant
        self.priority = priority
        self.sent = self.start = sent
        self.cause, self.links = NO_CAUSE, list[Link]()
        self.left = nbytes  # Fair: to come over its links, which is less where it was sent another way in its midst
        self.attempt, self.passed = 0, dict[int, float]()  # Fifo: to send it, and when its hops' links have passed it
        self.cap, self.latency, self.overhead = math.inf, 0.0, 0.0


Then = Callable[[Message], object]
Record = Callable[[Message, float], object]  # a message, and when it was delivered


class Link:
    """One direction of a link, and what it carries. `rate` is what its `health` leaves of `full` (bytes/s) now."""

    __slots__ = (
        "ahead",
        "background",
        "busy",
        "busy_since",
        "carried",
        "even",
        "flows",
        "free",
        "full",
        "health",
        "latency",
        "name",
        "outbox",
        "place",
        "rate",
        "waited",
        "waiting",
    )

    def __init__(
        self, name: str, rate: float, latency: float, health: Health | None = None, *, place: int = sys.maxsize
    ) -> None:
        self.name, self.full, self.rate, self.latency, self.health = name, rate, rate, latency, health
        self.place = place  # its number; of links that are full at once, the first one counts as the narrowest
        self.busy, self.busy_since = 0.0, 0.0
        self.waited = 0.0  # s that messages have lost to others on it, all together
        self.carried: dict[float, int] = {}  # how many messages of each size, so that bytes are summed without dust
        self.background: dict[float, int] = {}  # those of others than the job
        self.flows: dict[Any, None] = {}  # Fair: connections with a message under way (a dict, for its order)
        self.free = 0.0  # Fifo: when the messages so far have passed
        self.ahead = 0.0  # Fifo: s of its rate that it passes at once when it has been idle, as a token bucket does
        self.even = -math.inf  # Fifo: when the rate alone would have passed what has passed so far
        self.waiting: list[Arrival] = []  # Fifo: those of this moment
        self.outbox: list[tuple[int, int, Message]] = []  # Fifo: those of a host that have priorities, a heap


class Arrival(NamedTuple):
    """A message comes to the queue of a hop's link; its last byte comes at `tail`, if nothing else keeps it up. `told`:
    whether the next hop knows of it. `attempt`: to send it."""

    message: Message
    hop: int
    tail: float
    told: bool
    attempt: int


class Processor:
    """What messages cost a host itself: `overhead` each, one after the other, and `gap` from one to the next, for
    those that it sends and for those that it receives (Alexandrov et al. 1995)."""

    __slots__ = ("free", "gap", "inbox", "last_in", "last_out", "outbox", "overhead")

    def __init__(self, port: Port) -> None:
        self.overhead, self.gap, self.free = port.overhead, port.gap, 0.0
        self.last_out = self.last_in = -math.inf  # when it last sent, and received
        self.outbox: list[Message] = []  # of this moment
        self.inbox: list[Message] = []

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


class Sender(Protocol):
    """What an exchange sends by: the network, for the job itself, or a tenant of it."""

    env: simpy.Environment

    def send(
        self,
        src: int,
        dst: int,
        nbytes: float,
        then: Then,
        *,
        stream: int = 0,
        order: int = 0,
        priority: int | None = None,
        label: Any = None,
    ) -> None:
        """Send a message; `then` hears of its delivery."""

    def window(self, src: int, dst: int) -> float:
        """Bytes that a connection between two hosts takes in before the receiver wants them."""


class Carrier(Protocol):
    """What carries messages: a network."""

    def carry(self, message: Message) -> None:
        """Take over a message that is sent now."""

    def window(self, src: int, dst: int) -> float:
        """Bytes that a connection between two hosts takes in before the receiver wants them."""


class Tenant:
    """Somebody who sends over a network: the job, or another, whose own host i is the network's `hosts[i]`.

    `env` is his view of the clock: what goes on backstage does not keep a run going. His streams are his own.
    `delivered`: how many messages of his of each size have come, between hosts."""

    def __init__(
        self, network: Carrier, env: simpy.Environment, number: int, hosts: Sequence[int], record: Record | None = None
    ) -> None:
        self.env, self.record = env, record
        self.delivered: dict[float, int] = {}
        self._network, self._hosts, self._first_stream = network, hosts, number << 40

    def send(
        self,
        src: int,
        dst: int,
        nbytes: float,
        then: Then,
        *,
        stream: int = 0,
        order: int = 0,
        priority: int | None = None,
        label: Any = None,
        cap: float = math.inf,
    ) -> None:
        """Send a message between two of his hosts; `then` hears of its delivery. `cap`: the most that it gets."""
        message = Message(
            self._hosts[src],
            self._hosts[dst],
            nbytes,
            sent=self.env.now,
            then=then,
            stream=self._first_stream + stream,
            order=order,
            priority=priority,
            label=label,
            tenant=self,
        )
        message.cap = cap
        self._network.carry(message)

    def window(self, src: int, dst: int) -> float:
        """Bytes that a connection between two of his hosts takes in before the receiver wants them."""
        return self._network.window(self._hosts[src], self._hosts[dst])

    @property
    def messages(self) -> int:
        """Delivered so far, between hosts."""
        return sum(self.delivered.values())

    @property
    def nbytes(self) -> float:
        """Delivered so far, between hosts."""
        return bytes_of(self.delivered)


def bytes_of(carried: dict[float, int]) -> float:
    """Bytes of messages counted by their size."""
    return math.fsum(nbytes * count for nbytes, count in carried.items())
