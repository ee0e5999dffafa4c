"""Messages, and whose they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import simpy

from netsim.engine.links import Link, bytes_of
from netsim.trace import NO_CAUSE


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
