"""Max-min fair sharing between connections, in SimPy."""

from __future__ import annotations

from collections import deque

import simpy
from simpy.events import Event

from netsim.engine.network import Link, Message, Network, Record, Timer
from netsim.topologies.base import Topology


class Flow:
    """A connection's current message in a fair network, its rate, and the messages that wait behind it.

    `links` has those of its route, then what else bounds it: its hosts' rate in all, and its own `cap`.
    """

    __slots__ = ("cap", "links", "message", "queue", "rate", "remaining", "since", "timer")

    def __init__(self, links: list[Link], cap: Link | None = None) -> None:
        self.links, self.cap = [*links, cap] if cap else links, cap
        self.queue: deque[Message] = deque()
        self.message: Message | None = None
        self.rate = self.remaining = self.since = 0.0
        self.timer: Timer | None = None


class Fair(Network):
    """Max-min fair sharing between connections, recomputed for what a start or an end can reach."""

    def __init__(self, env: simpy.Environment, topology: Topology, record: Record | None) -> None:
        super().__init__(env, topology, record)
        self._flows: dict[tuple[int, int, int], Flow] = {}
        self._changed: dict[Link, None] = {}
        self._in_all = {
            number: Link(f"{host.name}.all", host.link.host_rate, 0.0)
            for number, host in enumerate(topology.hosts)
            if host.link.host_rate is not None
        }

    def _carry(self, message: Message) -> None:
        key = message.src, message.dst, message.stream
        flow = self._flows.get(key)
        if flow is None:
            flow = self._flows[key] = self._flow(message)
        if message.latency > 0:
            Timer(self.env, message.latency, self._enter, (flow, message))
        else:
            self._queue(flow, message)

    def _flow(self, message: Message) -> Flow:
        links, _ = self._route(message)
        in_all = [self._in_all[host] for host in (message.src, message.dst) if host in self._in_all]
        return Flow([*links, *in_all], None if self._plain else Link("", message.cap, 0.0))

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
        if flow.cap:
            flow.cap.rate = message.cap
        for link in flow.links:
            if link.flows:
                alone = False
            else:
                link.busy_since = now
            link.flows[flow] = None
        flow.message, flow.remaining, flow.since = message, message.nbytes, now
        message.start = now
        if alone:
            self._give(flow, min(link.rate for link in flow.links))
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
            self._go_on(flow, flow.queue.popleft())
        else:
            self._stop(flow)
        self._arrived(message, flow.links)

    def _go_on(self, flow: Flow, message: Message) -> None:
        """The next message of a connection takes the place of the one before."""
        flow.message, flow.remaining, flow.since = message, message.nbytes, self.env.now
        message.start = flow.since
        flow.timer = Timer(self.env, flow.remaining / flow.rate, self._end, flow)
        if flow.cap and flow.cap.rate != message.cap:
            flow.cap.rate = message.cap
            self._settle_later(flow.links)

    def _stop(self, flow: Flow) -> None:
        flow.message, flow.timer, flow.rate = None, None, 0.0
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
