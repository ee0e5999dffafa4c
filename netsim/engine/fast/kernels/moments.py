# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""What all kernels of events have in common: an agenda, links that messages pass, and the run from moment to moment.

The twin of the agenda in clock.py, of network.py and of meter.py. A link, a connection (flow) and a message are
numbers, and what is known of them are entries of arrays. moments.pxd has the types.
"""

from __future__ import annotations

from typing import Any

Array = Any  # of numbers: a NumPy array, or a memoryview where this runs uncompiled

# What a run is given up for (an order that only the reference knows, no room, nothing moves); or that it is not over,
# or that the network asks what comes next from outside.
DONE, TIE, FULL, STUCK, GOING, ASKS = 0, 1, 2, 3, 4, 5

NEAR = 1e-12  # times nearer than this, of their own size, may be equal but for rounding


class Agenda:
    """What is to happen when, each thing once: a heap that knows where in it each thing is. Of things at one moment,
    the one that was put in first is first, as in SimPy and in clock.py's agenda."""

    def __init__(self, at: Array, turn: Array, heap: Array, place: Array) -> None:
        self.at, self.turn, self.heap, self.place, self.size, self.turns = at, turn, heap, place, 0, 0

    def put(self, thing: int, time: float) -> None:
        """The thing happens at this time, whatever was said before."""
        self.turns += 1
        self.turn[thing] = self.turns
        if self.place[thing] < 0:
            self.place[thing] = self.size
            self.heap[self.size] = thing
            self.size += 1
            self.at[thing] = time
            self._up(self.place[thing])
        elif time < self.at[thing]:
            self.at[thing] = time
            self._up(self.place[thing])
        else:
            self.at[thing] = time
            self._down(self.place[thing])

    def drop(self, thing: int) -> None:
        """The thing does not happen."""
        place = self.place[thing]
        if place < 0:
            return
        self.size -= 1
        self.place[thing] = -1
        if place < self.size:
            last = self.heap[self.size]
            self.heap[place] = last
            self.place[last] = place
            self._up(place)
            self._down(self.place[last])

    def _before(self, one: int, other: int) -> bool:
        earlier: bool = self.at[one] < self.at[other] or (
            self.at[one] == self.at[other] and self.turn[one] < self.turn[other]
        )
        return earlier

    def _up(self, place: int) -> None:
        thing = self.heap[place]
        while place > 0:
            above = (place - 1) // 2
            if not self._before(thing, self.heap[above]):
                break
            self.heap[place] = self.heap[above]
            self.place[self.heap[place]] = place
            place = above
        self.heap[place] = thing
        self.place[thing] = place

    def _down(self, place: int) -> None:
        thing = self.heap[place]
        while True:
            below = 2 * place + 1
            if below >= self.size:
                break
            if below + 1 < self.size and self._before(self.heap[below + 1], self.heap[below]):
                below += 1
            if not self._before(self.heap[below], thing):
                break
            self.heap[place] = self.heap[below]
            self.place[self.heap[place]] = place
            place = below
        self.heap[place] = thing
        self.place[thing] = place


class Network:
    """Links, the routes of connections over them, and what passes them when.

    The agenda's first `things` are the network's own. `ordered`: what happens at one moment is told in the order in
    which it happens in the reference; else the network is `tied` where that would matter.
    """

    def __init__(self, agenda: Any, things: int, ordered: int, bins: int, arrays: Any) -> None:
        self.agenda, self.things, self.ordered, self.bins = agenda, things, ordered, bins
        self.now, self.changes, self.tied = 0.0, 0, 0  # changes: how much is to be settled at this moment
        self.first, self.links = arrays["first"], arrays["links"]  # flow f has those from first[f] to first[f + 1]
        self.rates, self.busy, self.waited = arrays["rates"], arrays["busy"], arrays["waited"]  # of each link
        self.nbytes, self.begin = arrays["nbytes"], arrays["begin"]  # of each message
        self.priority = arrays["priority"]
        self.meter, self.watches = arrays["meter"], 0  # of each link: bytes in so many bins
        self.watched_from, self.bin, self.until = 0.0, 0.0, 0.0  # s
        self.blurred = 0  # whether times may differ from the reference's by rounding
        self.disturbed, self.asks, self.hopes = 0, 0, 0  # links change; it is asked how; so many that are down return
        self.coming = 0  # changes in the agenda

    def near(self, then: float) -> bool:
        """Whether now and then may be the same moment but for rounding."""
        return self.now - then <= NEAR * self.now

    def unsure(self, then: float) -> bool:
        """Whether rounding may have put now and then in another order than the reference's."""
        return (self.now > then or self.blurred > 0) and self.near(then)

    def enter(self, flow: int, message: int, opening: int, order: int) -> None:
        """A message comes to its connection. opening: its turn among those that open an exchange, else -1; order: its
        place among what its host sends at this moment."""

    def happens(self, thing: int) -> int:
        """One of the network's things; the message that has arrived with it, or -1."""
        return -1

    def settle(self) -> None:
        """All has happened that was to happen at this moment; what follows from it, or a part of that."""

    def watch(self, start: float) -> None:
        """From this time on, it is known what passes each link when."""
        self.watches, self.watched_from = 1, start

    def _passed(self, link: int, begin: float, end: float, rate: float) -> None:
        """Bytes passed the link from `begin` to `end` (s), at a rate (bytes/s)."""
        if begin < self.watched_from:
            begin = self.watched_from
        if end <= begin or rate <= 0:
            return
        self._open_bins(end)
        if end > self.until:
            self.until = end
        at, until = (begin - self.watched_from) / self.bin, (end - self.watched_from) / self.bin
        first, last = int(at), int(until)
        if last > self.bins - 1:
            last = self.bins - 1
        row = link * self.bins
        if first >= last:
            self.meter[row + last] += rate * (end - begin)
            return
        self.meter[row + first] += rate * self.bin * (first + 1 - at)
        for number in range(first + 1, last):
            self.meter[row + number] += rate * self.bin
        self.meter[row + last] += rate * self.bin * (until - last)

    def _passed_at_once(self, link: int, when: float, nbytes: float) -> None:
        """Bytes passed the link at one moment, ahead of its rate."""
        if nbytes <= 0 or when < self.watched_from:
            return
        self._open_bins(when + nbytes / self.rates[link])
        if when > self.until:
            self.until = when
        place = int((when - self.watched_from) / self.bin)
        if place > self.bins - 1:
            place = self.bins - 1
        self.meter[link * self.bins + place] += nbytes

    def _open_bins(self, end: float) -> None:
        """Bins go on until then."""
        if self.bin == 0:
            self.bin = (end - self.watched_from) / self.bins
        while end > self.watched_from + self.bin * self.bins * (1 + 1e-12):
            self._fold()

    def _fold(self) -> None:
        """Two bins become one."""
        for link in range(self.rates.shape[0]):
            row = link * self.bins
            for number in range(self.bins // 2):
                self.meter[row + number] = self.meter[row + 2 * number] + self.meter[row + 2 * number + 1]
            for number in range(self.bins // 2, self.bins):
                self.meter[row + number] = 0.0
        self.bin *= 2


class Moments:
    """A run: whatever the agenda has, moment by moment, until nothing is left."""

    def __init__(self, network: Any, agenda: Any, unfinished: int, recorded: tuple[int, int]) -> None:
        """recorded: from which iteration to which things are recorded."""
        self.network, self.agenda, self.unfinished, self.things = network, agenda, unfinished, network.things
        self.record_from, self.record_to = recorded
        self.begun, self.trouble, self.duration, self.records = 0, DONE, 0.0, 0

    def run(self, moments: int) -> int:
        """Play so many moments more; GOING, DONE, or what it is given up for."""
        if not self.begun:
            self.begun = 1
            if self.record_from == 0 and self.record_to > 0:
                self.network.watch(0.0)
            self._begin_all()
        while (self.agenda.size > 0 or self.network.asks) and self.trouble == DONE:
            if self.network.asks:
                return ASKS
            if moments == 0:
                return GOING
            if self.network.disturbed and self._is_over():
                break
            moments -= 1
            self.network.now = self.agenda.at[self.agenda.heap[0]]
            while self._more():
                thing = self.agenda.heap[0]
                self.agenda.drop(thing)
                if thing >= self.things:
                    self._happens(thing - self.things)
                    continue
                message = self.network.happens(thing)
                if message >= 0:
                    self._arrived(message)
            while self.network.changes > 0 and not self._more():
                self.network.settle()
            if self.network.tied:
                self.trouble = TIE
        if self.trouble == DONE and self.unfinished > 0:
            return STUCK
        return self.trouble

    def _is_over(self) -> bool:
        """Whether links alone go on, and none of those that are down returns, as in clock.py."""
        waits: bool = self.agenda.size == self.network.coming and self.network.hopes == 0
        return waits or self.unfinished == 0

    def _more(self) -> bool:
        """Whether anything else is to happen at this moment."""
        more: bool = self.agenda.size > 0 and self.agenda.at[self.agenda.heap[0]] <= self.network.now
        return more

    def _begin_all(self) -> None:
        """What happens first."""

    def _happens(self, thing: int) -> None:
        """One of the things that are not the network's."""

    def _arrived(self, message: int) -> None:
        """The last byte of a message has come over the network."""

    def _no_room(self) -> None:
        """There is more than arrays were made for."""
        self.trouble = FULL
