"""What a network is made of: links, and the processors of hosts."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from netsim.engine.health import Health
from netsim.hardware import Link as Port

if TYPE_CHECKING:
    from netsim.engine.fifo import Arrival
    from netsim.engine.messages import Message


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


def bytes_of(carried: dict[float, int]) -> float:
    """Bytes of messages counted by their size."""
    return math.fsum(nbytes * count for nbytes, count in carried.items())
