"""A collective, played transfer by transfer in SimPy."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import simpy
from simpy.events import Event

from netsim.collectives.rounds import Collective, PieceBytes, unrolled
from netsim.engine.causes import lasting
from netsim.engine.clock import Timer
from netsim.engine.messages import Message, Sender


class Countdown(Event):
    """Happens when it has been ticked so many times; at once for none."""

    def __init__(self, env: simpy.Environment, ticks: int) -> None:
        super().__init__(env)
        self._left = ticks
        if ticks == 0:
            self.succeed()

    def tick(self, _: object = None) -> None:
        self._left -= 1
        if self._left == 0:
            self.succeed()


class Adder:
    """A host adds what it has received to its own, one piece after the other, at `rate` bytes/s."""

    def __init__(self, env: simpy.Environment, rate: float | None) -> None:
        self._env, self.rate, self._free = env, rate, 0.0

    def add(self, nbytes: float) -> float:
        """Seconds from now until these bytes are added, too."""
        if self.rate is None:
            return 0.0
        self._free = max(self._free, self._env.now) + nbytes / self.rate
        return self._free - self._env.now


class Steps:
    """A collective's rounds seen by each host: `of[lane][host]` lists, round by round, the transfers that it is in."""

    def __init__(self, collective: Collective, ranks: int) -> None:
        self.collective, self.ranks = collective, ranks
        self.hosts = ranks + collective.helpers(ranks)
        self.pieces = collective.pieces(ranks)
        self.transfers: list[tuple[int, int, int, int, bool]] = []  # from, to, first piece, pieces, whether added
        self.of: list[list[list[list[int]]]] = [[[] for _ in range(self.hosts)]]
        latest: list[list[int]] = [[-1] * self.hosts]  # the round of each host's last step so far, by lane
        for number, each in enumerate(unrolled(collective.rounds(ranks), self.pieces)):
            while each.lane >= len(self.of):
                self.of.append([[] for _ in range(self.hosts)])
                latest.append([-1] * self.hosts)
            steps, last = self.of[each.lane], latest[each.lane]
            columns = each.src.tolist(), each.dst.tolist(), each.first.tolist(), each.count.tolist()
            for src, dst, first, count in zip(*columns, strict=True):
                for host in (src, dst):
                    if last[host] != number:
                        last[host] = number
                        steps[host].append([])
                    steps[host][-1].append(len(self.transfers))
                self.transfers.append((src, dst, first, count, each.add))


class Play:
    """One exchange of `nbytes` by a collective: ranks join when they are ready, and hear when they are done."""

    def __init__(
        self,
        network: Sender,
        adders: list[Adder],
        steps: Steps,
        *,
        nbytes: float,
        stream: int,
        label: Any,
    ) -> None:
        self._env, self._network, self._adders, self._steps = network.env, network, adders, steps
        slices = steps.collective.lanes(nbytes, steps.ranks)
        self._lanes, self._stream, self.label = slices * len(steps.of), stream, label
        self._bytes = PieceBytes(steps.collective, steps.ranks, nbytes, slices=slices)
        # Who came first to each transfer, and what waits for its end.
        self._waiting: list[dict[int, tuple[int, Countdown]]] = [{} for _ in range(self._lanes)]

    def join(self, host: int) -> Event:
        """The host takes part from now on; the event happens when it has done all of its part."""
        done = Countdown(self._env, self._lanes)
        for lane in range(self._lanes):
            process = self._env.process(self._take_part(host, lane))
            assert process.callbacks is not None
            process.callbacks.append(done.tick)
        return done

    def waits(self) -> Iterator[tuple[int, int]]:
        """Who waits for whom to come to a transfer."""
        for lane in self._waiting:
            for number, (host, _) in lane.items():
                src, dst, *_ = self._steps.transfers[number]
                yield host, dst if host == src else src

    def _take_part(self, host: int, lane: int) -> Generator[Event, Any, None]:
        for transfers in self._steps.of[lane % len(self._steps.of)][host]:
            finished = Countdown(self._env, len(transfers))
            for number in transfers:
                self._meet(number, lane, host, finished)
            yield finished

    def _meet(self, number: int, lane: int, host: int, finished: Countdown) -> None:
        """A transfer starts when both its ends have come to it."""
        first_there = self._waiting[lane].pop(number, None)
        if first_there is None:
            self._waiting[lane][number] = host, finished
            return
        _, other = first_there
        src, dst, first, count, add = self._steps.transfers[number]
        at_source, at_destination = (finished, other) if host == src else (other, finished)

        def then(message: Message) -> None:
            at_source.tick()
            if add and self._adders[dst].rate is not None:
                adding = self._adders[dst].add(message.nbytes)
                lasting(Timer(self._env, adding, at_destination.tick, None), "reduce", dst, self.label)
            else:
                at_destination.tick()

        order = lane * len(self._steps.transfers) + number
        nbytes = float(self._bytes(first, count, slice=lane // len(self._steps.of)))
        self._network.send(src, dst, nbytes, then, stream=self._stream, order=order, label=self.label)
