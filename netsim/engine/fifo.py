"""Links that serve whole messages in order of arrival, in SimPy."""

from __future__ import annotations

from netsim.engine.network import Link, Message, Network, Timer


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
            start = max(self.env.now, link.free)
            lasts = message.nbytes / min(link.rate, message.cap)
            link.free = max(start + lasts, tail)
            link.busy += lasts
            if hop == 0:
                message.start = start
            latency = self._latency(message, link)
            self._pass_on(message, hop, start + latency, link.free + latency)

    def _pass_on(self, message: Message, hop: int, head: float, tail: float) -> None:
        """First and last byte come to the end of the hop's link at these times."""
        links, _ = self._route(message)
        if hop + 1 == len(links):
            Timer(self.env, tail - self.env.now, lambda _: self._arrived(message, links), None)
        else:
            comes = self._comes(message, links[hop + 1], head, tail)
            Timer(self.env, comes - self.env.now, lambda _: self._arrive(message, hop + 1, tail), None)

    def _latency(self, message: Message, link: Link) -> float:
        """Of one hop: its share of the route's, which depends on the message's size where the hosts' links say so."""
        links, whole = self._route(message)
        return link.latency * message.latency / whole if whole > 0 else message.latency / len(links)

    def _comes(self, message: Message, link: Link, head: float, tail: float) -> float:
        """When a message whose first and last byte come at these times joins the link's queue."""
        return max(head, tail - message.nbytes / min(link.rate, message.cap))


class StoreAndForward(Fifo):
    """Switches pass a message on when they have all of it."""

    def _comes(self, message: Message, link: Link, head: float, tail: float) -> float:
        return tail


def _tie(arrival: tuple[Message, int, float]) -> tuple[int, int]:
    """Where messages come to a link at the same moment: by source, then in the source's own order."""
    return arrival[0].src, arrival[0].order
