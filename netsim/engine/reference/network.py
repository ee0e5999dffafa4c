"""When does a message arrive? What all ways of sharing links have in common, in SimPy.

A message waits out the latencies of its route and then needs its bytes' time at the rate that the network gives it.
Messages from one host to another on one stream follow one another, as on a TCP connection or a queue pair. Where a
host's link says so, each also costs its sender and its receiver time (LogGP's overhead and gap).

`Fair` (fair.py) gives connections max-min fair rates (progressive filling), anew whenever one starts or ends.
`Fifo` (fifo.py) has each link serve whole messages in order of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import simpy
from simpy.events import Event, EventPriority

from netsim.engine.health import NOTHING, Health
from netsim.engine.messages import Link, Message, Processor, Record, Tenant, Then, bytes_of
from netsim.engine.record.clock import Backstage, Timer
from netsim.engine.record.meter import Meter
from netsim.errors import RunError
from netsim.topologies.base import Topology
from netsim.trace import NO_CAUSE, Columns, Interruption, LinkChange, LinkUse

# SimPy breaks ties in time by priority, then in order of scheduling. What must see all that happens at one moment
# (rates, the order of arrivals) is scheduled last in it.
LAST = EventPriority(9)

Route = tuple[list[Link], float]  # and the latency of all of them (s)


class Network:
    """What all ways of sharing have in common: routes, latency, what messages cost hosts, counting, recording.

    `health` has what is left of links, by their number, that fail or slow down; messages wait for a failed link, or
    are sent another way (`on_failure`), and `changes` and `interruptions` say so. `meter` hears what passes links.
    """

    def __init__(
        self,
        env: simpy.Environment,
        topology: Topology,
        record: Record | None,
        *,
        health: Mapping[int, Health] = NOTHING,
        on_failure: str = "wait",
    ) -> None:
        self.env = env
        links = zip(topology.names, topology.rates, topology.latencies, strict=True)
        self.links = [Link(*each, health.get(number), place=number) for number, each in enumerate(links)]
        for link, burst in zip(self.links, topology.bursts, strict=False):
            link.ahead = burst / link.rate
        self.job = Tenant(self, env, 0, range(len(topology.hosts)), record)
        self._tenants = 1
        self.latency_sum = self.duration_sum = 0.0  # over all messages of the job, s
        self.changes: list[LinkChange] = []
        self.interruptions: list[Interruption] = []
        self.meter: Meter | None = None
        self._topology = topology
        self._reroutes = on_failure == "reroute" and bool(health)
        self._stranded: dict[Message, None] = {}  # those that no route is left for
        self._ports = [host.link for host in topology.hosts]
        self._plain = all(port.unpriced for port in self._ports)
        self._processors = [Processor(port) if port.overhead or port.gap else None for port in self._ports]
        self._routes: dict[tuple[int, int, int], Route] = {}
        self._changing = set[Link]()  # at some time to come, or later at this moment
        self._without: dict[frozenset[int], Topology] = {}  # the network when these links are down
        self._backstage = Backstage(env)
        for link in self.links:
            if link.health:
                self._await_change(link, link.health.after(-math.inf))

    def watch(self) -> None:
        """From now on it is known what passes each link when."""
        if not self.meter:
            self.meter = Meter(self.links, self.env.now)

    def account(self) -> None:
        """Count what is under way up to now."""

    def ended(self, end: float) -> None:
        """The job was over at that time; the clock may have gone on to timers that nobody waits for any more."""
        self.changes = [change for change in self.changes if change.time < end]

    def tenant(self, hosts: Sequence[int]) -> Tenant:
        """Another one than the job, in the background: the run goes on for the job alone."""
        self._tenants += 1
        return Tenant(self, self._backstage, self._tenants, hosts)

    def send(self, src: int, dst: int, nbytes: float, then: Then, **how: Any) -> None:
        """Send a message of the job; `then` hears of its delivery: at once within a host."""
        self.job.send(src, dst, nbytes, then, **how)

    def window(self, src: int, dst: int) -> float:
        """The smaller of two hosts' windows: bytes that their connection takes in before the receiver wants them."""
        return min(self._ports[src].window or 0.0, self._ports[dst].window or 0.0)

    def carry(self, message: Message) -> None:
        """Take over a message that is sent now."""
        if message.src == message.dst:
            message.then(message)
            return
        message.cause = getattr(self.env, "cause", NO_CAUSE)
        message.links, message.latency = self._route(message)
        if not self._plain:
            self._price(message)
            processor = self._processors[message.src]
            if processor:
                if not processor.outbox:
                    self._last_in_this_moment(partial(self._post, processor))
                processor.outbox.append(message)
                return
        self._set_out(message)

    def use(self) -> Columns[LinkUse]:
        """What each link has carried so far."""
        return Columns(
            LinkUse,
            [
                LinkUse(
                    k.name,
                    k.full,
                    bytes_of(k.carried),
                    k.busy,
                    sum(k.carried.values()),
                    k.waited,
                    bytes_of(k.background),
                )
                for k in self.links
            ],
        )

    @property
    def messages(self) -> int:
        """The job's that were delivered so far, between hosts."""
        return self.job.messages

    @property
    def nbytes(self) -> float:
        """The job's that were delivered so far, between hosts."""
        return self.job.nbytes

    def held_up(self) -> list[tuple[Message, Link | None]]:
        """The job's messages that do not move, each with the link that it waits for; None where no route is left."""
        return [(message, None) for message in self._stranded if message.tenant is self.job]

    def hopes(self) -> bool:
        """Whether a change of links may set a message of the job going again that does not move."""
        stranded = [message for message in self._stranded if message.tenant is self.job]
        dead = frozenset(number for number, link in enumerate(self.links) if self._is_dead(link))
        return any(self._detour(message, dead) for message in stranded)

    def _is_dead(self, link: Link) -> bool:
        """Whether a link is down for ever."""
        return not link.rate > 0 and link not in self._changing

    def _set_out(self, message: Message) -> None:
        """A message leaves its host; one that finds no route waits until some link comes back."""
        if self._reroutes and not self._redirect(message):
            self._stranded[message] = None
        else:
            self._carry(message)

    def _carry(self, message: Message) -> None:
        raise NotImplementedError

    def _changed(self, link: Link, was: float) -> None:
        """The rate of a link is another than it was."""

    def _route(self, message: Message) -> Route:
        """The links from source to destination and their latency in all (s)."""
        ends = message.src, message.dst, 0 if self._topology.seed is None else message.stream
        if ends not in self._routes:
            self._routes[ends] = _with_latency([self.links[i] for i in self._topology.route(*ends)])
        return self._routes[ends]

    def _redirect(self, message: Message) -> bool:
        """Give a message the usual route if all of its links are up, else another one, if there is any."""
        links, latency = self._route(message)
        if not all(link.rate > 0 for link in links):
            failed = next(link for link in links if not link.rate > 0)
            found = self._detour(message, self._down())
            self._interrupted(message, failed, "waits" if found is None else "rerouted")
            if found is None:
                return False
            links, latency = found
        message.latency += latency - math.fsum(link.latency for link in message.links)
        message.links = links
        return True

    def _down(self) -> frozenset[int]:
        """The numbers of the links that are down."""
        return frozenset(number for number, link in enumerate(self.links) if not link.rate > 0)

    def _detour(self, message: Message, down: frozenset[int]) -> Route | None:
        """A way over other links; None where there is none."""
        if down not in self._without:
            self._without[down] = self._topology.avoiding(down)
        try:
            found = self._without[down].route(message.src, message.dst, message.stream)
        except RunError:
            return None
        return _with_latency([self.links[number] for number in found])

    def _interrupted(self, message: Message, link: Link, how: str, when: float | None = None) -> None:
        """Note down that a message of the job met a link that is down, by default now."""
        if message.tenant is self.job:
            time, ends = self.env.now if when is None else when, (message.src, message.dst)
            self.interruptions.append(Interruption(time, link.name, *ends, message.nbytes, how))

    def _await_change(self, link: Link, change: tuple[float, float] | None) -> None:
        self._changing.discard(link)
        if change is not None:
            self._changing.add(link)
            Timer(self._backstage, change[0] - self.env.now, lambda timer: self._change(link, *timer._value), change)

    def _change(self, link: Link, time: float, share: float) -> None:
        """A link slows down, fails, or comes back; those that found no route try again."""
        was, link.rate = link.rate, link.full * share
        self.changes.append(LinkChange(self.env.now, link.name, share))
        self._await_change(link, link.health.after(time) if link.health else None)
        self._changed(link, was)
        if not was > 0 and self._stranded:
            self._last_in_this_moment(self._try_again)

    def _try_again(self, _: Event) -> None:
        stranded, self._stranded = self._stranded, {}
        for message in stranded:
            self._set_out(message)

    def _price(self, message: Message) -> None:
        """Latency and cap of a message by its size and its two hosts' links; each has half of the latency."""
        ports = self._ports[message.src], self._ports[message.dst]
        message.latency += math.fsum(port.latency_of(message.nbytes) - port.latency for port in ports) / 2
        caps = [port.cap_of(message.nbytes, message.latency) for port in ports]
        caps += [port.host_rate for port in ports if port.host_rate]
        message.cap = min(message.cap, *caps)

    def _post(self, processor: Processor, _: Event) -> None:
        """What a host sends at this moment leaves in its own order, at the pace of its processor."""
        messages, processor.outbox = sorted(processor.outbox, key=lambda message: message.order), []
        for message in messages:
            leaves = processor.sends(self.env.now)
            message.overhead += leaves - self.env.now
            Timer(message.tenant.env, leaves - self.env.now, lambda timer: self._set_out(timer._value), message)

    def _arrived(self, message: Message) -> None:
        """The last byte has come to the receiver, whose processor may take its time."""
        processor = self._processors[message.dst]
        if processor is None:
            self._deliver(message)
            return
        if not processor.inbox:
            self._last_in_this_moment(partial(self._take_in, processor))
        processor.inbox.append(message)

    def _take_in(self, processor: Processor, _: Event) -> None:
        arrivals, processor.inbox = sorted(processor.inbox, key=lambda each: (each.src, each.order)), []
        for message in arrivals:
            there = processor.receives(self.env.now)
            message.overhead += there - self.env.now
            Timer(message.tenant.env, there - self.env.now, lambda timer: self._deliver(timer._value), message)

    def _deliver(self, message: Message) -> None:
        now, nbytes, tenant = self.env.now, message.nbytes, message.tenant
        ours = tenant is self.job
        self._have_carried(message, message.left)
        tenant.delivered[nbytes] = tenant.delivered.get(nbytes, 0) + 1
        if ours:
            self.latency_sum += message.latency + message.overhead
            self.duration_sum += now - message.sent
        if tenant.record:
            tenant.record(message, now)
        message.then(message)

    def _have_carried(self, message: Message, nbytes: float) -> None:
        """So much of a message has passed all links of its route."""
        for link in message.links:
            carried = link.carried if message.tenant is self.job else link.background
            carried[nbytes] = carried.get(nbytes, 0) + 1

    def _last_in_this_moment(self, what: Callable[[Event], None]) -> None:
        event = Event(self.env)
        event._ok, event._value = True, None
        event.callbacks = [what]
        self.env.schedule(event, priority=LAST)


def _with_latency(links: list[Link]) -> Route:
    return links, math.fsum(link.latency for link in links)
