"""A collective, played transfer by transfer in SimPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import simpy
from simpy.events import Event

from netsim.collectives.rounds import Collective
from netsim.engine.network import Message, Network


class Countdown(Event):
    """Happens when it has been ticked so many times; at once for none."""

    def __init__(self, env: simpy.Environment, ticks: int) -> None:
        super().__init__(env)
        self._left = ticks
        if ticks == 0:
            self.succeed()

    def tick(self, _: Event | None = None) -> None:
        self._left -= 1
        if self._left == 0:
            self.succeed()


class Adder:
    """A host adds what it has received to its own, one piece after the other, at `rate` bytes/s."""

    def __init__(self, env: simpy.Environment, rate: float | None) -> None:
        self._env, self._rate, self._free = env, rate, 0.0

    def add(self, nbytes: float) -> float:
        """Seconds from now until these bytes are added, too."""
        if self._rate is None:
            return 0.0
        self._free = max(self._free, self._env.now) + nbytes / self._rate
        return self._free - self._env.now


class Steps:
    """A collective's rounds seen by each host: `of[host]` lists, round by round, the transfers that it takes part in."""

    def __init__(self, collective: Collective, ranks: int) -> None:
        self.hosts = ranks + collective.helpers(ranks)
        self.pieces = collective.pieces(ranks)
        self.transfers: list[tuple[int, int, int, bool]] = []  # source, destination, pieces, whether it is added
        self.of: list[list[list[int]]] = [[] for _ in range(self.hosts)]
        for each in collective.rounds(ranks):
            mine: dict[int, list[int]] = {}
            ends = zip(each.src.tolist(), each.dst.tolist(), each.count.tolist(), strict=True)
            for number, (src, dst, count) in enumerate(ends, start=len(self.transfers)):
                self.transfers.append((src, dst, count, each.add))
                mine.setdefault(src, []).append(number)
                mine.setdefault(dst, []).append(number)
            for host, numbers in mine.items():
                self.of[host].append(numbers)


class Play:
    """One exchange of `nbytes` by a collective: ranks join when they are ready, and hear when they are done."""

    def __init__(
        self, network: Network, adders: list[Adder], steps: Steps, *, lanes: int, nbytes: float, stream: int, label: Any
    ) -> None:
        self._env, self._network, self._adders, self._steps = network.env, network, adders, steps
        self._lanes, self._stream, self._label = lanes, stream, label
        self._piece = nbytes / (lanes * steps.pieces)
        self._waiting: list[dict[int, Countdown]] = [{} for _ in range(lanes)]  # who came first to each transfer

    def join(self, host: int) -> Event:
        """The host takes part from now on; the event happens when it has done all of its part."""
        done = Countdown(self._env, self._lanes)
        for lane in range(self._lanes):
            process = self._env.process(self._take_part(host, lane))
            assert process.callbacks is not None
            process.callbacks.append(done.tick)
        return done

    def _take_part(self, host: int, lane: int) -> Iterator[Event]:
        for transfers in self._steps.of[host]:
            finished = Countdown(self._env, len(transfers))
            for number in transfers:
                self._meet(number, lane, host, finished)
            yield finished

    def _meet(self, number: int, lane: int, host: int, finished: Countdown) -> None:
        """A transfer starts when both its ends have come to it."""
        other = self._waiting[lane].pop(number, None)
        if other is None:
            self._waiting[lane][number] = finished
            return
        src, dst, pieces, add = self._steps.transfers[number]
        order = lane * len(self._steps.transfers) + number
        message = self._network.send(
            src, dst, pieces * self._piece, stream=self._stream, order=order, label=self._label
        )
        at_source, at_destination = (finished, other) if host == src else (other, finished)
        assert message.callbacks is not None
        message.callbacks.append(at_source.tick)
        message.callbacks.append(self._adding(at_destination) if add else at_destination.tick)

    def _adding(self, then: Countdown) -> Any:
        def add(message: Event) -> None:
            assert isinstance(message, Message)
            delay = self._adders[message.dst].add(message.nbytes)
            if delay > 0:
                timer = self._env.timeout(delay)
                assert timer.callbacks is not None
                timer.callbacks.append(then.tick)
            else:
                then.tick()

        return add
