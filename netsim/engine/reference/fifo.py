"""Links that serve whole messages in order of arrival, in SimPy."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import count
from typing import Any, ClassVar

import simpy

from netsim.engine.messages import Arrival, Link, Message, Record
from netsim.engine.record.clock import Timer
from netsim.engine.reference.network import Network
from netsim.topologies.base import Topology


class Fifo(Network):
    """Links serve whole messages in order of arrival; arrivals at the same moment as `_tie` says.

    From link to link a message cuts through: it comes to the next link's queue when that link could pass it on at its
    full rate without waiting for bytes, so that no link is held by a message that is still trickling in. Links that are
    idle meanwhile let it trickle through, so that a narrower one behind them need not wait. It is there when every link
    has passed it, and its last byte has passed them all. A link with a burst passes so much at once when it has been
    idle, and whatever follows at its rate. Messages with priorities wait at their host, which hands its
    link the most urgent one whenever that is free.
    """

    cuts_through: ClassVar[bool] = True

    def __init__(self, env: simpy.Environment, topology: Topology, record: Record | None, **failing: Any) -> None:
        super().__init__(env, topology, record, **failing)
        self._for_ever: dict[Message, Link] = {}  # those that wait for a link which does not come back
        self._turns = count()  # of messages with priorities, for those that have the same

    def held_up(self) -> list[tuple[Message, Link | None]]:
        return [*super().held_up(), *((m, link) for m, link in self._for_ever.items() if m.tenant is self.job)]

    def _carry(self, message: Message) -> None:
        message.attempt += 1
        message.passed = {}
        if message.priority is None:
            self._head(message, 0, self.env.now, message.attempt)
            return
        link = message.links[0]
        if not link.outbox:
            self._last_in_this_moment(lambda _: self._next(link))
        heappush(link.outbox, (message.priority, next(self._turns), message))

    def _next(self, link: Link) -> None:
        """A host's next message by priority comes to its link, if that is free; else it is seen to when it will be."""
        _, _, message = link.outbox[0]
        wait = link.free - self.env.now
        if not wait > 0:
            heappop(link.outbox)
            self._head(message, 0, self.env.now, message.attempt)
            if link.outbox:
                self._last_in_this_moment(lambda _: self._next(link))
        elif wait < math.inf:
            Timer(message.tenant.env, wait, lambda _: self._next(link), None)

    def _head(self, message: Message, hop: int, tail: float, attempt: int) -> None:
        """The first byte comes to a hop's link now, the last one at `tail`."""
        if attempt != message.attempt:
            return
        now, link, env = self.env.now, message.links[hop], message.tenant.env
        comes = self._comes(message, link, now, tail)
        if not comes > now:
            self._join(Arrival(message, hop, tail, False, attempt))
            return
        trickles = max(now, link.free)
        told = hop + 1 < len(message.links) and trickles < comes and self.cuts_through
        Timer(env, comes - now, lambda _: self._join(Arrival(message, hop, tail, told, attempt)), None)
        if told:
            self._tell(message, hop, trickles, tail)

    def _tell(self, message: Message, hop: int, head: float, tail: float) -> None:
        """The next link is told when first and last byte leave this hop's."""
        latency = self._latency(message, message.links[hop])
        arguments = message, hop + 1, tail + latency, message.attempt
        Timer(message.tenant.env, head + latency - self.env.now, lambda _: self._head(*arguments), None)

    def _join(self, arrival: Arrival) -> None:
        link = arrival.message.links[arrival.hop]
        if not link.waiting:
            self._last_in_this_moment(lambda _: self._serve(link))
        link.waiting.append(arrival)

    def _serve(self, link: Link) -> None:
        arrivals, link.waiting = sorted(link.waiting, key=_tie), []
        for arrival in arrivals:
            message, hop, tail, told, attempt = arrival
            if attempt != message.attempt:
                continue
            start = max(self.env.now, link.free)
            if hop == 0:
                message.start = start
            passed = self._pass(message, link, start)
            if passed is not None:
                link.waited += start - self.env.now
                link.free = message.passed[hop] = max(passed, tail)
                if hop + 1 < len(message.links) and not told:
                    self._tell(message, hop, start if self.cuts_through else link.free, link.free)
                if len(message.passed) == len(message.links):
                    self._all_have_passed(message)

    def _all_have_passed(self, message: Message) -> None:
        tail = 0.0
        for hop, link in enumerate(message.links):
            tail = max(tail, message.passed[hop]) + self._latency(message, link)
        Timer(message.tenant.env, tail - self.env.now, lambda _: self._arrived(message), None)

    def _pass(self, message: Message, link: Link, start: float) -> float | None:
        """When the link has passed all bytes of a message that it begins at `start`; None where it never does."""
        health = link.health
        if link.ahead:
            return self._pass_ahead(message, link, start)
        if health is None:
            lasts = message.nbytes / min(link.rate, message.cap)
            self._used(link, start, start + lasts, min(link.rate, message.cap))
            return start + lasts
        fails = math.inf
        if start < math.inf:
            for begin, end, rate in health.passes(message.nbytes, link.full, limit=message.cap, start=start):
                fails = fails if rate > 0 else min(fails, begin)
                if self._reroutes and fails < end:
                    link.free = fails
                    message.attempt += 1
                    Timer(message.tenant.env, fails - self.env.now, self._cut, message)
                    return None
                self._used(link, begin, end, rate)
                start = end
        if fails < start:
            self._interrupted(message, link, "waits", max(fails, self.env.now))
        if start == math.inf:
            link.free, self._for_ever[message] = start, link
            message.attempt += 1
            return None
        return start

    def _pass_ahead(self, message: Message, link: Link, start: float) -> float:
        """The same, of a token bucket, which has filled up at the link's rate, as far as it goes, since it was even."""
        even = max(link.even, start - link.ahead)
        link.even = even + message.nbytes / link.rate
        passed = max(start + message.nbytes / message.cap, link.even)
        link.busy += passed - start
        if self.meter:
            at_once = min(message.nbytes, (start - even) * link.rate) if message.cap == math.inf else 0.0
            self.meter.at_once(link, start, at_once, link.rate)
            if passed > start:
                self.meter.passed(link, start, passed, (message.nbytes - at_once) / (passed - start))
        return passed

    def _used(self, link: Link, begin: float, end: float, rate: float) -> None:
        if rate > 0:
            link.busy += end - begin
            if self.meter:
                self.meter.passed(link, begin, end, rate)
        elif end < math.inf:
            link.waited += end - begin

    def _cut(self, timer: Timer) -> None:
        """A link has failed under a message, which is sent anew, whole, another way."""
        self._last_in_this_moment(lambda _: self._set_out(timer._value))

    def _latency(self, message: Message, link: Link) -> float:
        """Of one hop: its share of the route's, which depends on the message's size where the hosts' links say so."""
        links = message.links
        whole = math.fsum(each.latency for each in links)
        return link.latency * message.latency / whole if whole > 0 else message.latency / len(links)

    def _comes(self, message: Message, link: Link, head: float, tail: float) -> float:
        """When a message whose first and last byte come at these times joins the link's queue."""
        return max(head, tail - message.nbytes / min(link.full, message.cap))


class StoreAndForward(Fifo):
    """Switches pass a message on when they have all of it."""

    cuts_through = False


def _tie(arrival: Arrival) -> tuple[int, int]:
    """Where messages come to a link at the same moment: by source, then in the source's own order."""
    return arrival.message.src, arrival.message.order
