"""A clock that ends when only what goes on for ever in the background is left, in SimPy."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL, Event, EventPriority

Ending = TypeVar("Ending")


class Timer(Event):
    """Has `what` called with itself at a given time; a timeout that carries anything."""

    def __init__(self, env: simpy.Environment, delay: float, what: Callable[[Any], None], value: Any) -> None:
        self.env, self.callbacks, self._value, self._ok = env, [what], value, True
        env.schedule(self, delay=delay)


class Clock(simpy.Environment):
    """Ends when nothing but events of its `backstage` is to come: without them the job could not go on, either.

    `hope` says whether one of them may set the job going again: a link's coming back does, background traffic does not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0  # events that are to come, without the backstage's
        self.hope: Callable[[], bool] = lambda: False

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: float = 0) -> None:
        self._ahead += 1
        super().schedule(event, priority, delay)

    def step(self) -> None:
        if not self._ahead and not self.hope():
            raise EmptySchedule
        if self._queue and self._queue[0][3].env is self:
            self._ahead -= 1
        super().step()


class Backstage(simpy.Environment):
    """The same clock for what goes on in the background: its events do not keep the clock going."""

    def __init__(self, clock: simpy.Environment) -> None:
        self._clock = clock
        super().__init__()
        self._queue, self._eid = clock._queue, clock._eid

    @property
    def _now(self) -> float:
        return self._clock._now

    @_now.setter
    def _now(self, _: float) -> None:
        """It is the clock that goes on."""


class Agenda(Generic[Ending]):
    """What ends when, with a timer for the earliest end alone; an end that is put off or brought forward is simply
    entered anew. Ends at one moment are told in the order in which they were entered."""

    def __init__(self, env: simpy.Environment, tell: Callable[[Ending], None]) -> None:
        self._env, self._tell = env, tell
        self._entries: list[tuple[float, int, Ending]] = []
        self._valid: dict[Ending, int] = {}
        self._numbers, self._next = count(), float("inf")

    def enter(self, ending: Ending, when: float) -> None:
        """It ends then, and not when it was said before."""
        number = self._valid[ending] = next(self._numbers)
        heappush(self._entries, (when, number, ending))
        if len(self._entries) > 2 * len(self._valid) + 64:
            self._entries = [entry for entry in self._entries if self._valid.get(entry[2]) == entry[1]]
            heapify(self._entries)
        self._wake(when)

    def cross_out(self, ending: Ending) -> None:
        """It does not end any more."""
        self._valid.pop(ending, None)

    def _wake(self, when: float) -> None:
        if when < self._next:
            self._next = when
            Timer(self._env, max(0.0, when - self._env.now), self._due, when)

    def _due(self, timer: Timer) -> None:
        when: float = timer._value
        if when != self._next:
            return
        self._next = float("inf")
        while self._entries and (self._entries[0][0] <= when or not self._is_valid()):
            valid, (_, _, ending) = self._is_valid(), heappop(self._entries)
            if valid:
                del self._valid[ending]
                self._tell(ending)
        if self._entries:
            self._wake(self._entries[0][0])

    def _is_valid(self) -> bool:
        _, number, ending = self._entries[0]
        return self._valid.get(ending) == number
