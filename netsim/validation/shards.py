"""A server on every host in the measured program's own loop, over netsim's queues: who waits for whom as its source
says.

A connection has a window under way at most, as TCP's do; the next bytes set out when those before have come and their
receiver is there to take them. A worker pushes a shard to each server, that on the next host first: all together, or
each when the buffers have taken in the one before. A server that has all pushes answers everybody at once.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

import simpy
from simpy.events import Event

from netsim.engine.messages import Sender
from netsim.engine.reference.sharing import network_of
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star
from netsim.validation.machine import Machine, MachineLink


class Program:
    """The hosts' connections, and what each host still waits for."""

    def __init__(self, links: Sequence[Link], size: float, *, in_turn: bool, staggered: bool) -> None:
        """size: of the buffer (bytes), of which each host's server owns an equal part. in_turn: a worker's pushes
        follow one another. staggered: a server answers the next host first, not the first one."""
        self.env, self._in_turn, self._staggered = simpy.Environment(), in_turn, staggered
        self._ranks, self._shard = range(len(links)), size / len(links)
        self._network = self._machine(links[0]) if isinstance(links[0], MachineLink) else self._wires(links)
        self._windows = [link.window or math.inf for link in links]
        self._there = [self.env.event() for _ in links]
        self._pushes = [len(links) - 1 for _ in links]

    def _wires(self, links: Sequence[Link]) -> Sender:
        hosts = [Host(f"rank{rank}", replace(link.for_payload, window=None)) for rank, link in enumerate(links)]
        return network_of("fifo")(self.env, star(hosts), None)

    def _machine(self, link: MachineLink) -> Sender:
        return Machine(link.star(self.env, len(self._ranks), "fifo"), link)

    def play(self, late: Mapping[int, float]) -> float:
        """Seconds until every worker has all answers."""
        for rank in self._ranks:
            self.env.process(self._live(rank, late.get(rank, 0.0)))
        self.env.run()
        return float(self.env.now)

    def _live(self, rank: int, late: float) -> Generator[Event, None, None]:
        yield self.env.timeout(late)
        self._there[rank].succeed()
        for server in self._others(rank, staggered=True):
            taken = self._send(rank, server, stream=0)
            if self._in_turn:
                yield taken

    def _others(self, rank: int, *, staggered: bool) -> list[int]:
        """All other hosts, the next one first or the first one."""
        first = rank + 1 if staggered else 0
        order = [(first + turn) % len(self._ranks) for turn in self._ranks]
        return [other for other in order if other != rank]

    def _send(self, src: int, dst: int, *, stream: int) -> Event:
        """Push a shard (stream 0) or answer with it (1); happens when the sender's buffers have all that is left."""
        taken = self.env.event()
        self.env.process(self._carry(src, dst, stream, taken))
        return taken

    def _carry(self, src: int, dst: int, stream: int, taken: Event) -> Generator[Event, None, None]:
        left, window = self._shard, min(self._windows[src], self._windows[dst])
        while left > 0:
            now = min(left, window)
            left -= now
            if not left:
                taken.succeed()
            came = self.env.event()
            self._network.send(src, dst, now, came.succeed, stream=stream)
            yield came & self._there[dst]
        if stream == 0:
            self._pushed(dst)

    def _pushed(self, server: int) -> None:
        self._pushes[server] -= 1
        if not self._pushes[server]:
            for worker in self._others(server, staggered=self._staggered):
                self._send(server, worker, stream=1)


def seconds(
    links: Sequence[Link], size: float, *, in_turn: bool, staggered: bool, late: Mapping[int, float] | None = None
) -> float:
    """Until every worker has all of `size` bytes back, over the hosts' `links`. `late`: s that a rank begins after the
    others."""
    return Program(links, size, in_turn=in_turn, staggered=staggered).play(late or {})
