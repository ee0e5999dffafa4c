"""When a parameter server applies what it got, and whom it may answer: one object a key and rule, without a clock."""

from __future__ import annotations

import math
from collections.abc import Iterable


class Rule:
    """What a server knows of one key: who takes part, what has come, and who still waits for the weights."""

    def __init__(self, workers: Iterable[int]) -> None:
        self.version = 0  # updates of this key so far
        self._members = dict.fromkeys(workers)  # a dict, for its order
        self._waiting: dict[int, None] = {}

    def push(self, worker: int, iteration: int) -> bool:
        """A worker's gradient of an iteration is there; False if it does not count."""
        raise NotImplementedError

    @property
    def due(self) -> bool:
        """Whether enough has come for an update."""
        raise NotImplementedError

    def apply(self) -> None:
        """The update is made."""
        self.version += 1

    def ready(self) -> list[int]:
        """The workers that may be answered now; each is named once."""
        raise NotImplementedError

    def leave(self, worker: int) -> None:
        """The worker takes part no more; nobody waits for it. If it waits for an answer itself, it gets one."""
        self._members.pop(worker, None)

    def join(self, worker: int) -> None:
        """The worker takes part again."""
        self._members[worker] = None


class Together(Rule):
    """All gradients of an iteration make one update, or the first `n - backup` of them.

    With backup workers (Chen, Pan, Monga, Bengio, Jozefowicz 2016, algorithms 3 and 4) an update takes the first
    gradients that come; one that comes later is thrown away, and its worker goes on with the weights that there are.
    """

    def __init__(self, workers: Iterable[int], *, backup: int = 0) -> None:
        super().__init__(workers)
        self._backup, self._came = backup, dict[int, None]()
        self._ready: list[int] = []

    def push(self, worker: int, iteration: int) -> bool:
        if iteration < self.version:
            self._ready.append(worker)
            return False
        self._waiting[worker] = None
        first = worker not in self._came
        self._came[worker] = None
        return first

    @property
    def due(self) -> bool:
        return max(1, len(self._members) - self._backup) <= len(self._came.keys() & self._members.keys())

    def apply(self) -> None:
        super().apply()
        self._came.clear()
        self._ready += self._waiting
        self._waiting.clear()

    def ready(self) -> list[int]:
        ready, self._ready = self._ready, []
        return ready


class Reads(Rule):
    """What comes is a wish for the weights, no gradient: nothing changes, and each is answered at once."""

    def push(self, worker: int, iteration: int) -> bool:
        self._waiting[worker] = None
        return False

    @property
    def due(self) -> bool:
        return False

    def ready(self) -> list[int]:
        ready = list(self._waiting)
        self._waiting.clear()
        return ready


class AtOnce(Rule):
    """Each gradient is an update of its own. Its worker is answered when it is at most `bound` iterations ahead of the
    slowest: at once with an endless bound, as the stale synchronous parallel of Ho et al. (NIPS 2013) with another."""

    def __init__(self, workers: Iterable[int], *, bound: float = math.inf) -> None:
        super().__init__(workers)
        self._bound = bound
        self._clocks = dict.fromkeys(self._members, 0)  # iterations that each member has pushed
        self._pushed = False

    def push(self, worker: int, iteration: int) -> bool:
        self._clocks[worker] += 1
        self._waiting[worker] = None
        self._pushed = True
        return True

    @property
    def due(self) -> bool:
        return self._pushed

    def apply(self) -> None:
        super().apply()
        self._pushed = False

    def ready(self) -> list[int]:
        slowest = min((self._clocks[member] for member in self._members), default=0)
        ready = [worker for worker in self._waiting if self._clocks[worker] - slowest <= self._bound]
        for worker in ready:
            del self._waiting[worker]
        return ready

    def join(self, worker: int) -> None:
        """A worker that returns is as far as the slowest, so that nobody has to wait for what it has missed."""
        self._clocks[worker] = max(self._clocks[worker], min((self._clocks[m] for m in self._members), default=0))
        super().join(worker)
