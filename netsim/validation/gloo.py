"""Gloo's ring all-reduce in its own loop, over netsim's network: who waits for whom as its source says.

Nothing is sent before the receiver's word that it is ready (gloo/transport/tcp/pair.cc), which goes through the same
port as the receiver's own data. A rank works through its segments in order, and begins one when the last but
`in_flight` has come and gone (gloo/allreduce.cc, where it is two). The ranks have met before in a dissemination
barrier (gloo/barrier.cc); where one of them came last to it, they are not in step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import simpy
from simpy.events import Event

from netsim.engine.reference.network import Network
from netsim.engine.reference.sharing import network_of
from netsim.hardware import Link
from netsim.topologies.base import Host, Topology

_WORD = 48  # bytes: the preamble of a message, which is all that the word has
_INTO_HOSTS = 1e15  # bytes/s: what comes in is not shaped


class Segment(NamedTuple):
    """What one rank is to send to another."""

    src: int
    dst: int
    number: Any  # tells it from all others between the two


class Connections:
    """Messages that leave when their sender has them and their receiver's word has come."""

    def __init__(self, network: Network) -> None:
        self._env, self._network = network.env, network
        self._words: dict[Segment, Event] = {}
        self._comes: dict[Segment, Event] = {}

    def receive(self, segment: Segment) -> Event:
        """The receiver is ready; happens when the message has come."""
        word = self._words.setdefault(segment, self._env.event())
        self._network.send(segment.dst, segment.src, _WORD, lambda _: word.succeed())
        return self._comes.setdefault(segment, self._env.event())

    def send(self, segment: Segment, nbytes: float) -> Event:
        """The sender has it; happens when it is handed over to the connection."""
        return self._env.process(self._hand_over(segment, nbytes))

    def _hand_over(self, segment: Segment, nbytes: float) -> Generator[Event, Any, None]:
        yield self._words.setdefault(segment, self._env.event())
        comes = self._comes.setdefault(segment, self._env.event())
        del self._words[segment], self._comes[segment]
        self._network.send(segment.src, segment.dst, nbytes, lambda _: comes.succeed())


def seconds(
    ranks: int, size: float, segments: int, in_flight: int, link: Link, late: Mapping[int, float], adding: float = 0.0
) -> float:
    """The mean of what the ranks' own clocks say of one all-reduce of `size` bytes, each rank's part in so many
    `segments`. `link`: what leaves a host. `late`: how much later (s) than the others a rank comes to the barrier.
    `adding`: seconds for each segment that came, before the next is begun."""
    env = simpy.Environment()
    connections = Connections(network_of("fifo", "cut_through")(env, shaped(ranks, link.for_payload), None))
    took: list[float] = []

    def live(rank: int) -> Generator[Event, Any, None]:
        yield env.timeout(late.get(rank, 0.0))
        yield from _barrier(connections, rank, ranks)
        began = env.now
        for half, adds in (("reduce", adding), ("gather", 0.0)):
            under_way: deque[Event] = deque()
            for number in range((ranks - 1) * segments):
                if len(under_way) == in_flight:
                    yield under_way.popleft()
                    yield env.timeout(adds)
                comes = connections.receive(Segment((rank + 1) % ranks, rank, (half, number)))
                gone = connections.send(Segment(rank, (rank - 1) % ranks, (half, number)), size / (ranks * segments))
                under_way.append(comes & gone)
            for event in under_way:
                yield event
                yield env.timeout(adds)
        took.append(env.now - began)

    for rank in range(ranks):
        env.process(live(rank))
    env.run()
    return math.fsum(took) / len(took)


def _barrier(connections: Connections, rank: int, ranks: int) -> Generator[Event, Any, None]:
    """Hensgen, Finkel, Manber 1988: in turn with those 1, 2, 4, ... further."""
    distance = 1
    while distance < ranks:
        comes = connections.receive(Segment((rank - distance) % ranks, rank, distance))
        gone = connections.send(Segment(rank, (rank + distance) % ranks, distance), 0.0)
        yield comes & gone
        distance *= 2


def shaped(ranks: int, link: Link) -> Topology:
    """A star whose links are shaped and delayed where they leave the hosts, and as good as free where they come in."""
    inwards = max(_INTO_HOSTS, link.rate)
    return Topology(
        hosts=tuple(Host(f"rank{i}", link) for i in range(ranks)),
        switches=("switch",),
        names=(*(f"rank{i}.up" for i in range(ranks)), *(f"rank{i}.down" for i in range(ranks))),
        ends=(*((f"rank{i}", "switch") for i in range(ranks)), *(("switch", f"rank{i}") for i in range(ranks))),
        rates=(link.rate,) * ranks + (inwards,) * ranks,
        latencies=(link.latency,) * ranks + (0.0,) * ranks,
        path=lambda src, dst, _: (src, ranks + dst),
        places=list,
    )
