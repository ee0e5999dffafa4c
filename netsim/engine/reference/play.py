"""A collective, played transfer by transfer in SimPy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, NamedTuple

import simpy
from simpy.events import Event

from netsim.collectives.rounds import Collective, PieceBytes, unrolled
from netsim.engine.messages import Sender, Then
from netsim.engine.record.causes import lasting
from netsim.engine.record.clock import Timer


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

    def within(self, lane: int, host: int, adds: bool | None) -> list[list[int]]:
        """A host's steps in a lane that add, that do not, or all."""
        steps = self.of[lane][host]
        return steps if adds is None else [each for each in steps if self.transfers[each[0]][4] == adds]


Together = list[tuple[int, list[int]]]  # lanes, each with what a host has to do in it, all at once
Chain = tuple[Iterable[Together], int]  # one begun after the other, in order, with so many under way at most


class TakingPart(Event):
    """A host goes through its part stage by stage, in each of which it does several chains of things; happens when all
    is done."""

    def __init__(
        self,
        env: simpy.Environment,
        stages: Iterator[list[Chain]],
        do: Callable[[Chain], Generator[Event, Any, None]],
    ) -> None:
        super().__init__(env)
        self._stages, self._do, self._left = stages, do, 0
        self._go_on()

    def _go_on(self) -> None:
        for chains in self._stages:
            self._left = len(chains)
            for chain in chains:
                _callbacks(self.env.process(self._do(chain))).append(self._ended)
            return
        self.succeed()

    def _ended(self, _: Event) -> None:
        self._left -= 1
        if self._left == 0:
            self._go_on()


class Ahead(NamedTuple):
    """The first bytes of a transfer, sent before its receiver was there: when they have come, and what is left."""

    came: Countdown
    left: float  # bytes


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
        self._legs, self._slices = steps.collective.legs(nbytes, steps.ranks), slices
        self._lanes, self._stream, self.label = slices * len(steps.of), stream, label
        self._announced = steps.collective.announced
        self._bytes = PieceBytes(steps.collective, steps.ranks, nbytes, slices=slices)
        # Who came first to each transfer, what waits for its end, and what went ahead.
        self._waiting: list[dict[int, tuple[int, Countdown, Ahead | None]]] = [{} for _ in range(self._lanes)]

    def join(self, host: int) -> Event:
        """The host takes part from now on; the event happens when it has done all of its part."""
        return TakingPart(self._env, self._stages(host), lambda chain: self._take_part(host, *chain))

    def waits(self) -> Iterator[tuple[int, int]]:
        """Who waits for whom to come to a transfer."""
        for lane in self._waiting:
            for number, (host, _, ahead) in lane.items():
                src, dst, *_ = self._steps.transfers[number]
                if ahead is None or ahead.left:
                    yield host, dst if host == src else src

    def _stages(self, host: int) -> Iterator[list[Chain]]:
        """What a host does of which one stage is to end before the next one begins."""
        owns = len(self._steps.of)
        for leg in self._legs:
            if not leg.by_step:
                for first in range(0, self._slices, leg.at_most):
                    lanes = range(first * owns, min(first + leg.at_most, self._slices) * owns)
                    yield [(self._whole(host, lane), 1) for lane in lanes]
                continue
            of_lanes = (self._steps.within(lane % owns, host, leg.adds) for lane in range(self._lanes))
            rounds = [list(enumerate(each)) for each in zip(*of_lanes, strict=True)]
            apart = ([each] for together in rounds for each in together)
            yield [(rounds, 1) if leg.abreast else (apart, leg.at_most * owns)]

    def _whole(self, host: int, lane: int) -> Iterator[Together]:
        """All that a host has to do in a lane."""
        return ([(lane, each)] for each in self._steps.of[lane % len(self._steps.of)][host])

    def _take_part(self, host: int, chain: Iterable[Together], at_most: int) -> Generator[Event, Any, None]:
        under_way = deque[Event]()
        for together in chain:
            if len(under_way) == at_most:
                yield under_way.popleft()
            under_way.append(self._begin(host, together))
        yield from under_way

    def _begin(self, host: int, together: Together) -> Event:
        """The host comes to transfers; the event happens when it is done with all of them."""
        finished = Countdown(self._env, sum(len(transfers) for _, transfers in together))
        for lane, transfers in together:
            for number in self._words_first(host, transfers) if self._announced else transfers:
                self._come(number, lane, host, finished)
        return finished

    def _words_first(self, host: int, transfers: list[int]) -> list[int]:
        """Those of which the host is the receiver, whose words leave before it sends, then the others."""
        return sorted(transfers, key=lambda number: host == self._steps.transfers[number][0])

    def _come(self, number: int, lane: int, host: int, finished: Countdown) -> None:
        """An end comes to a transfer; a receiver that announces itself has come when its word has."""
        src, dst, *_ = self._steps.transfers[number]
        if host == dst != src and self._announced:
            order = (lane - self._lanes) * len(self._steps.transfers) + number
            meet = lambda _: self._meet(number, lane, host, finished)  # noqa: E731
            self._network.send(dst, src, 0.0, meet, stream=self._stream, order=order, label=self.label)
        else:
            self._meet(number, lane, host, finished)

    def _meet(self, number: int, lane: int, host: int, finished: Countdown) -> None:
        """A transfer starts when both its ends have come to it, but for what goes ahead of it."""
        first_there = self._waiting[lane].pop(number, None)
        if first_there is None:
            ahead = self._send_ahead(number, lane, finished) if host == self._steps.transfers[number][0] else None
            self._waiting[lane][number] = host, finished, ahead
            return
        _, other, ahead = first_there
        _, dst, _, _, add = self._steps.transfers[number]
        at_source, at_destination = (finished, other) if host != dst else (other, finished)
        nbytes = self._bytes_of(number, lane)

        def then(_: object) -> None:
            if ahead is None or ahead.left:
                at_source.tick()
            if add and self._adders[dst].rate is not None:
                adding = self._adders[dst].add(nbytes)
                lasting(Timer(self._env, adding, at_destination.tick, None), "reduce", dst, self.label)
            else:
                at_destination.tick()

        if ahead is None:
            self._send(number, lane, nbytes, then)
        else:
            self._follow(ahead, number, lane, then)

    def _send_ahead(self, number: int, lane: int, finished: Countdown) -> Ahead | None:
        """What a connection takes in before the receiver is there; a source that has nothing left is done with it."""
        src, dst, *_ = self._steps.transfers[number]
        window = self._network.window(src, dst)
        if not window or self._announced:
            return None
        nbytes = self._bytes_of(number, lane)
        ahead = Ahead(Countdown(self._env, 1), max(0.0, nbytes - window))
        self._send(number, lane, nbytes - ahead.left, ahead.came.tick)
        if not ahead.left:
            finished.tick()
        return ahead

    def _follow(self, ahead: Ahead, number: int, lane: int, then: Then) -> None:
        """The rest of a transfer follows what went ahead; `then` hears when all of it has come."""
        all_come = Countdown(self._env, 2)
        _callbacks(all_come).append(then)
        if ahead.left:
            self._send(number, lane, ahead.left, all_come.tick)
        else:
            all_come.tick()
        if ahead.came.processed:
            all_come.tick()
        else:
            _callbacks(ahead.came).append(all_come.tick)

    def _bytes_of(self, number: int, lane: int) -> float:
        _, _, first, count, _ = self._steps.transfers[number]
        return float(self._bytes(first, count, slice=lane // len(self._steps.of)))

    def _send(self, number: int, lane: int, nbytes: float, then: Then) -> None:
        src, dst, *_ = self._steps.transfers[number]
        order = lane * len(self._steps.transfers) + number
        self._network.send(src, dst, nbytes, then, stream=self._stream, order=order, label=self.label)


def _callbacks(event: Event) -> list[Any]:
    """Of an event that has not happened yet."""
    assert event.callbacks is not None
    return event.callbacks
