"""Which gradient became part of which weights: the book of a parameter server's updates."""

from __future__ import annotations

from collections import Counter

from netsim.engine.record.log import Log

THROWN_AWAY = -1


class Updates:
    """Counts keys, so that a gradient is an update when the last of its keys is applied.

    version: how many updates have been applied whole. What a worker holds is the version at its last answer.
    """

    def __init__(self, keys: int, log: Log, *, at_once: bool) -> None:
        self.version = 0
        self._keys, self._log, self._at_once = keys, log, at_once
        self._held, self._answered = Counter[int](), Counter[int]()
        self._seen = Counter[tuple[int, int]]()
        self._applied = Counter[int]()
        self._counted: dict[int, dict[int, None]] = {}  # iteration -> workers, in order
        self._part: dict[int, int] = {}  # worker -> the last iteration in which it counted

    def took(self, now: float, worker: int, iteration: int, *, counts: bool) -> None:
        """A server has dealt with one key of a worker's gradient."""
        if counts:
            self._part[worker] = iteration
            self._counted.setdefault(iteration, {})[worker] = None
        self._seen[worker, iteration] += 1
        if self._seen[worker, iteration] < self._keys:
            return
        del self._seen[worker, iteration]
        if self._at_once:
            self.version += 1
            self._counted.pop(iteration, None)
            self._note(now, worker, iteration, self.version)
        elif self._part.get(worker) != iteration:
            self._note(now, worker, iteration, THROWN_AWAY)

    def applied(self, now: float, iteration: int) -> None:
        """A key has all that it takes of an iteration; with the last one the iteration is an update."""
        self._applied[iteration] += 1
        if self._applied[iteration] == self._keys:
            del self._applied[iteration]
            self.version = iteration + 1
            for worker in self._counted.pop(iteration):
                self._note(now, worker, iteration, self.version)

    def answered(self, worker: int) -> None:
        """The worker is sent a key as it is."""
        self._answered[worker] = self.version

    def goes_on(self, worker: int) -> None:
        """The worker has all keys, and computes its next gradient on them."""
        self._held[worker] = self._answered[worker]

    def alone(self, now: float, worker: int, iteration: int) -> None:
        """A worker without servers has applied its own gradient."""
        self.version += 1
        self._note(now, worker, iteration, self.version)
        self.answered(worker)

    def _note(self, now: float, worker: int, iteration: int, version: int) -> None:
        self._log.updated(now, worker, iteration, self._held[worker], version)
