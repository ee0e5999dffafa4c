# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: infer_types=True, annotation_typing=False
"""Fair sharing where links have many flows that nothing else keeps from more: as a server's that many workers send to.

All flows of such a link, a hub, go at one rate, which changes whenever one of them starts or ends, and all ends with
it. So no ends are worked out but the next: a clock tells how many bytes the hub has given to each of its flows, and a
flow ends when the clock shows its tag, what it showed at the flow's start and the flow's bytes (processor sharing by
virtual time: Parekh, Gallager 1993). A start or an end then costs the logarithm of the number of flows. hubs.pxd has
the types.
"""

from __future__ import annotations

from typing import Any

from netsim.engine.fast.kernels.moments import Network
from netsim.engine.fast.kernels.sharing import Fair

ROOM = 1e-12  # a link that is nearer than this, of its own rate, to being full may be


class Hub:
    """What a link gives to each of its flows, and when it has given each enough."""

    def __init__(self, tags: Any) -> None:
        """tags: the flows' agenda, in bytes."""
        self.tags, self.next = tags, -1  # next: the flow whose end the network's agenda has
        self.share, self.limit = 0.0, 0.0  # bytes/s of each flow; up to which no other link is full
        self.served, self.since = 0.0, 0.0  # bytes given to each by then, s

    def advance(self, now: float) -> None:
        """The clock goes on."""
        self.served += self.share * (now - self.since)
        self.since = now


class Hubs(Fair):
    """The same rates, times but for rounding, bytes and waits as Fair, sooner where many flows share a link.

    Flows are on hubs (`hub`: which) or as Fair has them. A link that a flow of a hub uses has flows of hubs alone, and
    is not full: that is so while each hub's share times the number of all flows on the link is below its rate.
    Whatever may end this dissolves the hubs that it touches: Fair's rates take over, and may make new hubs. Links keep
    their rates.
    """

    def __init__(self, agenda: Any, ordered: int, bins: int, arrays: Any, hubs: list[Any], many: int) -> None:
        """hubs: of each link that may be one. many: as many flows make it one."""
        super().__init__(agenda, ordered, bins, arrays)
        self.hubs, self.many_flows = hubs, many
        self.hub, self.active = arrays["hub"], arrays["active"]

    def watch(self, start: float) -> None:
        """What passes links when is known of flows alone."""
        for link in range(self.active.shape[0]):
            self._dissolve(link)
        Network.watch(self, start)

    def _start(self, flow: int, message: int) -> None:
        center = self._center(flow)
        self.hub[flow] = center
        if center < 0:
            for place in range(self.first[flow], self.first[flow + 1]):
                link = self.links[place]
                if self.crowd[link] > 0:
                    self._dissolve(self.hub[self.owner[self.head[link]]])
        Fair._start(self, flow, message)
        if center >= 0:
            hub = self.hubs[center]
            hub.advance(self.now)
            hub.tags.put(flow, hub.served + self.remaining[flow])
            self._limit(flow)

    def _center(self, flow: int) -> int:
        """The hub that the flow can join: the only one on its way, on which all flows are on hubs; else -1."""
        center = -1
        for place in range(self.first[flow], self.first[flow + 1]):
            link = self.links[place]
            if self.crowd[link] > 0 and (
                self.hub[self.owner[self.head[link]]] < 0 or (self.active[link] and center >= 0)
            ):
                return -1
            if self.active[link]:
                center = link
        return center

    def _limit(self, flow: int) -> None:
        """Hubs must give no more than makes a link full that this flow uses, too."""
        for place in range(self.first[flow], self.first[flow + 1]):
            link = self.links[place]
            entry = -1 if self.active[link] else self.head[link]
            while entry >= 0:
                center = self.hub[self.owner[entry]]
                hub = self.hubs[center]
                if self.rates[link] / self.crowd[link] < hub.limit:
                    hub.limit = self.rates[link] / self.crowd[link]
                    self._note(center)
                entry = self.after[entry]

    def _settle_later(self, flow: int) -> None:
        if self.hub[flow] >= 0:
            self._note(self.hub[flow])
        else:
            Fair._settle_later(self, flow)

    def _account_of(self, hub: Any, center: int, flow: int) -> None:
        """What has passed, and what was lost to others, since the flow came to the hub."""
        left = hub.tags.at[flow] - hub.served
        left = left if left > 0.0 else 0.0
        lost = self.now - self.since[flow] - (self.remaining[flow] - left) / self.alone[flow]
        if lost > 0:
            self.waited[center] += lost
        self.remaining[flow], self.since[flow] = left, self.now

    def happens(self, flow: int) -> int:
        center = self.hub[flow]
        if center < 0:
            return Fair.happens(self, flow)
        hub = self.hubs[center]
        message: int = self.message[flow]
        following = self.queue[flow]
        hub.served, hub.since, hub.next = hub.tags.at[flow], self.now, -1
        hub.tags.drop(flow)
        self._account_of(hub, center, flow)
        if following >= 0:
            self.queue[flow] = self.behind[following]
            self._take_up(flow, following)
            hub.tags.put(flow, hub.served + self.remaining[flow])
            self._plan(hub)
        else:
            self._stop(flow)
            self.hub[flow] = -1
            self.active[center] = self.crowd[center] > 0
        return message

    def _plan(self, hub: Any) -> None:
        """The agenda has the hub's next end."""
        flow = hub.tags.heap[0]
        if hub.next >= 0 and hub.next != flow:
            self.agenda.drop(hub.next)
        left = hub.tags.at[flow] - hub.served
        hub.next = flow
        self.agenda.put(flow, self.now + (left if left > 0.0 else 0.0) / hub.share)

    def settle(self) -> None:
        """New shares of hubs, if that is all; else the rates of all that the changes can reach."""
        others = 0
        for number in range(self.changes):
            link = self.changed[number]
            if not (self.active[link] and self._shares(link)):
                self.changed[others] = link
                others += 1
            else:
                self.is_changed[link] = 0
        self.changes = others
        if others > 0:
            Fair.settle(self)
            if self._are_hubs():
                self._make_hubs()

    def _shares(self, link: int) -> bool:
        """The hub gives each flow as much as there are flows now, unless that may be more than other links let pass."""
        hub = self.hubs[link]
        if self.rates[link] / self.crowd[link] * (1 + ROOM) >= hub.limit:
            self._dissolve(link)
            return False
        hub.advance(self.now)
        hub.share = self.rates[link] / self.crowd[link]
        self._plan(hub)
        return True

    def _dissolve(self, center: int) -> None:
        """The flows of a hub, and of those that share a link with it, go on by themselves."""
        if center < 0 or not self.active[center]:
            return
        self.active[center] = 0
        hub = self.hubs[center]
        hub.advance(self.now)
        hub.next = -1
        entry = self.head[center]
        while entry >= 0:
            flow = self.owner[entry]
            self._account_of(hub, center, flow)
            self.hub[flow] = -1
            hub.tags.drop(flow)
            self.rate[flow], self.bottleneck[flow] = hub.share, center
            self.agenda.put(flow, self.now + self.remaining[flow] / hub.share)
            entry = self.after[entry]
        entry = self.head[center]
        while entry >= 0:
            flow = self.owner[entry]
            for place in range(self.first[flow], self.first[flow + 1]):
                other = self.head[self.links[place]] if self.links[place] != center else -1
                while other >= 0:
                    self._dissolve(self.hub[self.owner[other]])
                    other = self.after[other]
            entry = self.after[entry]

    def _are_hubs(self) -> bool:
        """Whether each flow of those that have just got their rates is kept from more by a link that keeps all of its
        flows from more, and has many."""
        if self.watches or self.flows == 0:
            return False
        for number in range(self.flows):
            link = self.narrowest[self.reached[number]]
            if self.hubs[link] is None or self.crowd[link] < self.many_flows:
                return False
            self.many[link] = 0  # which has been all that are left to freeze
        for number in range(self.flows):
            self.many[self.narrowest[self.reached[number]]] += 1
        for number in range(self.flows):
            flow = self.reached[number]
            for place in range(self.first[flow], self.first[flow + 1]):
                link = self.links[place]
                if link == self.narrowest[flow]:
                    if self.many[link] < self.crowd[link]:
                        return False
                elif self.level[flow] * (1 + ROOM) * self.crowd[link] >= self.rates[link]:
                    return False
        return True

    def _make_hubs(self) -> None:
        """Ends are left to hubs."""
        self.blurred = 1
        for number in range(self.flows):
            flow = self.reached[number]
            center = self.narrowest[flow]
            hub = self.hubs[center]
            if not self.active[center]:
                self.active[center] = 1
                hub.served, hub.since, hub.share, hub.limit = 0.0, self.now, self.level[flow], self.rates[center]
            self._account(flow)
            self.agenda.drop(flow)
            hub.tags.put(flow, self.remaining[flow])
            self.hub[flow] = center
        for number in range(self.flows):
            flow = self.reached[number]
            self._limit(flow)
            hub = self.hubs[self.narrowest[flow]]
            if hub.next < 0:
                self._plan(hub)
