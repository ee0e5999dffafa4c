"""Hosts that are namespaces of one machine, and what its core and its TCP do with their messages.

The core does what messages cost their two ends one job after the other, in order, while their latency passes for all of
them at once. TCP's acknowledgement rides on what its sender sends back on the same connection (RFC 1122, 4.2.3.2).
Where nothing goes back it is a frame of its own as soon as the program has read (tcp_cleanup_rbuf of Linux's
net/ipv4/tcp.c), which costs the two ends something, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Set
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import simpy

from netsim.collectives.rounds import Collective, unrolled
from netsim.engine.messages import Message, Then
from netsim.engine.record.clock import Timer
from netsim.engine.reference.network import Network
from netsim.engine.reference.play import Adder, Play, Steps
from netsim.engine.reference.sharing import network_of
from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star
from netsim.units import Duration, Size
from netsim.validation.small_queues import SmallQueues

Pair = tuple[int, int]  # hosts: who sends, and who receives


@dataclass(frozen=True, kw_only=True)
class MachineLink(Link):
    """How such a host is connected, as all others are.

    programs: how long a message takes (s) with nothing but the programs and their stacks in between. An acknowledgement
    wakes no program, and so costs its ends as much less than the `overhead`. one_core: whether one core has the
    overheads of all hosts to do, and not each its own. piece: bytes of a message that TCP hands its host's queue at a
    time, two at most of a connection, where messages are served in order of arrival; by default all.
    """

    programs: Duration
    one_core: bool = False
    piece: Size | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.piece == 0:
            raise ScenarioError("must be above 0", path="piece")

    @property
    def acknowledgement(self) -> float:
        """What one that is a frame of its own costs each end (s)."""
        return max(0.0, self.overhead - self.programs / 2)

    @property
    def wire(self) -> Link:
        """What is left of it without hosts."""
        known = {each.name: getattr(self.for_payload, each.name) for each in fields(Link)}
        return Link(**{**known, "overhead": 0.0})

    def star(self, env: simpy.Environment, hosts: int, sharing: str) -> Network:
        """A star of so many wires."""
        of = partial(SmallQueues, piece=self.piece) if self.piece and sharing == "fifo" else network_of(sharing)
        return of(env, star([Host(f"rank{host}", self.wire) for host in range(hosts)]), None)


class Machine:
    """A network with one such link of all hosts, by which their cores send. one_way: pairs of whose messages
    acknowledgements go alone."""

    def __init__(self, network: Network, link: MachineLink, one_way: Set[Pair] = frozenset()) -> None:
        self.env, self._network, self._link, self._one_way = network.env, network, link, one_way
        self._free = defaultdict[int, float](float)  # when a core has done all jobs so far

    def window(self, src: int, dst: int) -> float:
        """Bytes that a connection between two hosts takes in before the receiver wants them."""
        return self._network.window(src, dst)

    def send(self, src: int, dst: int, nbytes: float, then: Then, **how: Any) -> None:
        """Send a message; `then` hears of its delivery."""
        come = partial(self._come, then)
        self._do(src, self._link.overhead, lambda: self._network.send(src, dst, nbytes, come, **how))

    def _come(self, then: Then, message: Message) -> None:
        self._do(message.dst, self._link.overhead, lambda: self._read(then, message))

    def _read(self, then: Then, message: Message) -> None:
        """The receiver's program has the message, and goes on."""
        pair = src, dst = message.src, message.dst
        if pair in self._one_way:
            lasts = self._link.acknowledgement
            told = partial(self._do, src, lasts, lambda: None)
            self._do(dst, lasts, lambda: self._after(self._link.latency, told))
        then(message)

    def _do(self, host: int, lasts: float, then: Callable[[], None]) -> None:
        """A job for a host's core, after those that it has."""
        core = 0 if self._link.one_core else host
        self._free[core] = max(self._free[core], self.env.now) + lasts
        self._after(self._free[core] - self.env.now, then)

    def _after(self, seconds: float, then: Callable[[], None]) -> None:
        Timer(self.env, seconds, lambda _: then(), None)


def seconds(kind: Collective, ranks: int, size: float, link: MachineLink, sharing: str) -> float:
    """Until the last rank has all of `size` bytes."""
    env, steps = simpy.Environment(), Steps(kind, ranks)
    network = Machine(link.star(env, steps.hosts, sharing), link, one_way(kind, ranks))
    play = Play(network, [Adder(env, None)] * steps.hosts, steps, nbytes=size, stream=0, label=None)
    env.run(until=env.all_of([play.join(host) for host in range(steps.hosts)]))  # not until all is acknowledged
    return float(env.now)


def one_way(kind: Collective, ranks: int) -> set[Pair]:
    """Pairs of which never both send in one round: what goes up a tree, or to a server, and what comes down again have
    connections of their own."""
    sent, answered = set[Pair](), set[Pair]()
    for each in unrolled(kind.rounds(ranks), kind.pieces(ranks)):
        pairs = set(zip(each.src.tolist(), each.dst.tolist(), strict=True))
        sent |= pairs
        answered |= {(src, dst) for src, dst in pairs if (dst, src) in pairs}
    return sent - answered
