# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Links that serve whole messages in order of arrival, on arrays: the twin of fifo.py.

A thing (message * hops + hop) is a message's coming to a hop of its route. queues.pxd has the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.moments import Network

# What a thing is waiting for: its first byte; its turn to join the queue, with the next hop knowing of it or not.
HEAD, JOINS, TOLD = 0, 1, 2
INFINITY = float("inf")  # s: a link that is down for good


class Queues(Network):
    """Links serve whole messages in order of arrival; those that come at one moment by source, then in its own order.

    Links are served when all else has happened at a moment. What follows from that at the same moment makes a phase of
    its own, whose links are served after those of the phase before, in whatever order these were. Only a message that
    comes to a link in the very phase in which it is served hangs on that order.
    """

    def __init__(self, agenda: Any, ordered: int, bins: int, cuts_through: int, arrays: Any, faults: Any) -> None:
        """faults: what is asked how a link passes a message whose rate changes; those do that `change`."""
        super().__init__(agenda, len(arrays["tail"]), ordered, bins, arrays)
        self.cuts_through, self.hops = cuts_through, len(arrays["tail"]) // len(arrays["nbytes"])
        self.latency, self.source = arrays["latency"], arrays["source"]  # of each flow's links, s; of each flow
        self.flow, self.left, self.order = arrays["flow"], arrays["left"], arrays["order"]  # of each message
        self.state, self.tail, self.behind = arrays["state"], arrays["tail"], arrays["behind"]  # of each thing
        self.free, self.waiting, self.end = arrays["free"], arrays["waiting"], arrays["end"]  # of each link
        self.ahead, self.even = arrays["ahead"], arrays["even"]  # of each link, if any has a burst
        self.came, self.last_source, self.last_order = arrays["came"], arrays["last_source"], arrays["last_order"]
        self.faults, self.change = faults, arrays["change"]
        self.phase_of, self.turns = arrays["phase_of"], arrays["turns"]
        self.phase, self.of_phase, self.next, self.moment = 0, 0, 0, -1.0

    def enter(self, flow: int, message: int, opening: int, order: int) -> None:
        """The message comes to its first link."""
        self.flow[message], self.order[message] = flow, order
        self.left[message] = self.first[flow + 1] - self.first[flow]
        self._head(message * self.hops, self.now)

    def happens(self, thing: int) -> int:
        message = thing // self.hops
        if self.left[message] == 0:  # all links have passed it
            return message
        if self.state[thing] == HEAD:
            self._head(thing, self.tail[thing])
        else:
            self._join(thing)
        return -1

    def _place(self, thing: int) -> int:
        place: int = self.first[self.flow[thing // self.hops]] + thing % self.hops
        return place

    def _head(self, thing: int, tail: float) -> None:
        """The first byte comes to a hop's link now, the last one at `tail`."""
        place = self._place(thing)
        link = self.links[place]
        self._touch(link)
        self.tail[thing], self.state[thing] = tail, JOINS
        comes = tail - self.nbytes[thing // self.hops] / self.rates[link]
        if not comes > self.now:
            self._join(thing)
            return
        trickles = self.free[link] if self.free[link] > self.now else self.now
        self.agenda.put(thing, self.now + (comes - self.now))
        if self.cuts_through and trickles < comes and self._goes_on(thing, place):
            self.state[thing] = TOLD
            self._tell(thing, trickles, tail)

    def _goes_on(self, thing: int, place: int) -> bool:
        """Whether there is another link behind this one."""
        more: bool = place + 1 < self.first[self.flow[thing // self.hops] + 1]
        return more

    def _tell(self, thing: int, head: float, tail: float) -> None:
        """The next link is told when first and last byte leave this hop's."""
        latency = self.latency[self._place(thing)]
        self.tail[thing + 1], self.state[thing + 1] = tail + latency, HEAD
        self.agenda.put(thing + 1, self.now + (head + latency - self.now))

    def _touch(self, link: int) -> None:
        """Something comes to a link, which must not be about to be served, or have been, in just this phase."""
        if self.now > self.moment:
            self.moment = self.now
            self.phase += 1
        if self.phase_of[link] == self.phase and not self.ordered:
            self.tied = 1

    def _join(self, thing: int) -> None:
        """Into the queue of the link, in its order among those of this moment."""
        link = self.links[self._place(thing)]
        self._touch(link)
        if self.now > self.came[link]:
            source, order = self.last_source[link], self.last_order[link]
            if self.near(self.came[link]) and self._before(thing, source, order):
                self.tied = 1  # rounding may have put it behind what it is to be before
            self.came[link] = self.now
        if self.waiting[link] < 0:
            self.phase_of[link] = self.phase + 1
            self.turns[(self.next + self.changes) % self.rates.shape[0]] = link
            self.changes += 1
            self.waiting[link] = self.end[link] = thing
            self.behind[thing] = -1
            return
        self._insert(link, thing)

    def _insert(self, link: int, thing: int) -> None:
        last = self.end[link]
        if not self._precedes(thing, last):
            self.behind[last], self.behind[thing] = thing, -1
            self.end[link] = thing
            return
        one = self.waiting[link]
        if self._precedes(thing, one):
            self.waiting[link], self.behind[thing] = thing, one
            return
        while not self._precedes(thing, self.behind[one]):
            one = self.behind[one]
        self.behind[thing] = self.behind[one]
        self.behind[one] = thing

    def _precedes(self, thing: int, other: int) -> bool:
        """Whether it is served before another one of the same moment; the earlier one of the same source and order."""
        message = other // self.hops
        source, order = self.source[self.flow[message]], self.order[message]
        mine = thing // self.hops
        if self.source[self.flow[mine]] == source and self.order[mine] == order and not self.ordered:
            self.tied = 1
        return self._before(thing, source, order)

    def _before(self, thing: int, source: int, order: int) -> bool:
        message = thing // self.hops
        mine = self.source[self.flow[message]]
        earlier: bool = mine < source or (mine == source and self.order[message] < order)
        return earlier

    def settle(self) -> None:
        """The next link is served that something has come to."""
        if self.of_phase == 0:
            self.phase += 1
            self.of_phase = self.changes
        link = self.turns[self.next]
        self.next = (self.next + 1) % self.rates.shape[0]
        self.changes -= 1
        self.of_phase -= 1
        thing = self.waiting[link]
        last = self.end[link] // self.hops
        self.last_source[link], self.last_order[link] = self.source[self.flow[last]], self.order[last]
        self.waiting[link] = -1
        while thing >= 0:
            following = self.behind[thing]
            self._serve(link, thing)
            thing = following

    def _serve(self, link: int, thing: int) -> None:
        message = thing // self.hops
        start = self.free[link] if self.free[link] > self.now else self.now
        if thing % self.hops == 0:
            self.begin[message] = start
        if self.change[link]:
            passed = self._passes_changing(link, message, start)
            if passed == INFINITY:
                self.free[link] = passed
                return
            self._has_passed(link, thing, start, passed)
            return
        lasts = self.nbytes[message] / self.rates[link]
        passed = start + lasts
        if self.even.shape[0] > 0 and self.ahead[link] > 0:
            passed = self._passes_ahead(link, start, lasts, self.nbytes[message])
        elif self.watches and self.now >= self.watched_from:
            self._passed(link, start, passed, self.rates[link])
        self.busy[link] += passed - start
        self._has_passed(link, thing, start, passed)

    def _has_passed(self, link: int, thing: int, start: float, passed: float) -> None:
        """The link has begun a message at `start`, and will have passed it then."""
        message, place = thing // self.hops, self._place(thing)
        self.waited[link] += start - self.now
        self.free[link] = passed if passed > self.tail[thing] else self.tail[thing]
        self.tail[thing] = self.free[link]
        if self.state[thing] == JOINS and self._goes_on(thing, place):
            self._tell(thing, start if self.cuts_through else self.free[link], self.free[link])
        self.left[message] -= 1
        if self.left[message] == 0:
            self._all_have_passed(message)

    def _passes_changing(self, link: int, message: int, start: float) -> float:
        """When a link that slows down, fails and comes back has passed a message; infinity for never."""
        if start == INFINITY:
            return start
        for begin, end, rate in self.faults.passes(link, self.flow[message], self.nbytes[message], start, self.now):
            start = end
            if rate > 0:
                self.busy[link] += end - begin
                if self.watches and self.now >= self.watched_from:
                    self._passed(link, begin, end, rate)
            elif end < INFINITY:
                self.waited[link] += end - begin
        return start

    def _passes_ahead(self, link: int, start: float, lasts: float, nbytes: float) -> float:
        """When a token bucket has passed a message, which takes so long at the rate alone."""
        even = self.even[link] if self.even[link] > start - self.ahead[link] else start - self.ahead[link]
        self.even[link] = even + lasts
        passed = even + lasts if even + lasts > start else start
        if self.watches and self.now >= self.watched_from:
            at_once = (start - even) * self.rates[link]
            if at_once > nbytes:
                at_once = nbytes
            self._passed_at_once(link, start, at_once)
            if passed > start:
                self._passed(link, start, passed, (nbytes - at_once) / (passed - start))
        return passed

    def _all_have_passed(self, message: int) -> None:
        tail, first = 0.0, self.first[self.flow[message]]
        for place in range(first, self.first[self.flow[message] + 1]):
            passed = self.tail[message * self.hops + place - first]
            tail = (passed if passed > tail else tail) + self.latency[place]
        self.agenda.put(message * self.hops, self.now + (tail - self.now))
