"""Running a sweep: what the store lacks is claimed, handed out in batches, and kept before it counts as done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from netsim.designs import Coordinates
from netsim.errors import NetsimError, RunError
from netsim.scenario import Scenario
from netsim.sweeps import pools
from netsim.sweeps.points import Point, Sweep
from netsim.sweeps.store import Outcome, Row, Store, kept_in
from netsim.sweeps.work import Done, Simulate, Work

_SERIAL_SECONDS = 1.0  # of a sweep run here before processes are started, which takes longer than a small sweep
_LARGEST_BATCH = 1000  # points
_PATIENCE = 0.2  # s between two looks at what another process computes


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def computed(
    sweep: Sweep,
    store: Store,
    *,
    simulate: Simulate,
    executor: str = "auto",
    jobs: int | None = None,
    scheduler: str | None = None,
) -> Iterator[int]:
    """Computes what the store lacks, and gives how many points are done, as they come; those that failed before count.

    executor: one of `EXECUTORS`; auto is this process for a second, and then processes. jobs: how many, by default one
    a core. scheduler: the address of Dask's; without one, Dask uses this machine.
    """
    run = _Run(sweep, store, Work.on(sweep, simulate))
    yield from run.known()
    jobs = jobs or cores()
    if executor == "serial" or (jobs == 1 and executor == "auto"):
        yield from run.on(pools.serial())
    elif executor == "dask":
        yield from run.on(pools.dask(jobs, scheduler))
    else:
        if executor == "auto":
            yield from run.on(pools.serial(), seconds=_SERIAL_SECONDS)
        if run.left:
            yield from run.on(pools.processes(min(jobs, run.left)))


def run_points(
    scenario: Scenario,
    axes: Mapping[str, Any] | None = None,
    *,
    simulate: Simulate,
    jobs: int = 1,
    engine: str = "auto",
) -> list[Row]:
    """The rows of all points, in order: coordinates, then the summary. Raises the first point's error, if any."""
    sweep = Sweep.of(scenario, axes, engine=engine)
    with kept_in(None) as store:
        for _ in sweep.checked(store):
            pass
        for _ in computed(sweep, store, simulate=simulate, jobs=jobs):
            pass
        results = Results(sweep, store)
        for _, outcome in results.failures():
            raise RunError(outcome.error)
        return list(results)


@dataclass(frozen=True)
class Results:
    """What a sweep has in its store, in the order of the points, read anew each time that it is gone through."""

    sweep: Sweep
    store: Store

    def __iter__(self) -> Iterator[Row]:
        """The rows of the points that did not fail: coordinates, then the summary."""
        return ({**at, **outcome.row} for at, outcome in self._outcomes() if outcome.row is not None)

    def failures(self) -> Iterator[tuple[Coordinates, Outcome]]:
        """The points that failed, with what is known of it."""
        if self.store.has_failures():
            yield from ((at, outcome) for at, outcome in self._outcomes() if outcome.error is not None)

    def _outcomes(self) -> Iterator[tuple[Coordinates, Outcome]]:
        for point in self.sweep:
            if (outcome := self.store.get(point.key)) is None:
                raise RunError(
                    "points that were kept are not found again. Has a file that the scenario names changed meanwhile? "
                    "The same command computes them with what it says now"
                )
            yield point.coordinates, outcome


@dataclass
class _Run:
    """A sweep while it runs, on one pool or on several in turn."""

    sweep: Sweep
    store: Store
    work: Work
    done: int = 0
    seconds: float | None = None  # of one point, lately
    batch_seconds: float = 0.0
    ahead: int = 1
    running: dict[Future[Done], list[Point]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.release_claims()
        self._batches = self._claimed()

    @property
    def left(self) -> int:
        """Points without an outcome, this process' or another's."""
        return len(self.sweep) - self.done

    def known(self) -> Iterator[int]:
        """Counts what is there already."""
        self.done = sum(point.key in self.store for point in self.sweep) if len(self.store) else 0
        yield self.done

    def on(self, opened: AbstractContextManager[pools.Pool], *, seconds: float = float("inf")) -> Iterator[int]:
        """Hands batches out to a pool until all is done, or for so long."""
        until = time.monotonic() + seconds
        with opened as pool:
            self.batch_seconds = pool.seconds
            while time.monotonic() < until:
                self.ahead = pool.ahead()
                batch = next(self._batches, None)
                if batch is None:
                    break
                if batch:
                    self._submit(pool, batch)
                elif not self.running:
                    time.sleep(_PATIENCE)
                while self.running and (not batch or len(self.running) >= self.ahead):
                    yield from self._settled(pool)
            while self.running:
                yield from self._settled(pool)

    def _submit(self, pool: pools.Pool, batch: list[Point]) -> None:
        self.running[pool.executor.submit(self.work, [point.coordinates for point in batch])] = batch

    def _settled(self, pool: pools.Pool) -> Iterator[int]:
        for future in wait(self.running, return_when=FIRST_COMPLETED).done:
            batch = self.running.pop(future)
            try:
                outcomes, seconds = future.result()
            except (NetsimError, BrokenProcessPool, CancelledError):
                raise
            except Exception as error:  # of its worker, which died several times
                if len(batch) > 1:
                    for point in batch:
                        self._submit(pool, [point])
                    continue
                outcomes, seconds = [Outcome(None, f"its worker failed: {type(error).__name__}: {error}")], 0.0
            self.store.keep(batch, outcomes)
            self.done += len(batch)
            self.seconds = seconds / len(batch)
            yield self.done

    def _claimed(self) -> Iterator[list[Point]]:
        """Batches of points that are to be computed, and an empty one where all that is left is another process'."""
        points: Iterable[Point] = (point for point in self.sweep if point.key not in self.store)
        while True:
            source, elsewhere = iter(points), []
            while chunk := list(islice(source, self._size())):
                mine, others = self.store.claim(chunk)
                elsewhere += others
                if mine:
                    yield mine
            if not elsewhere:
                return
            yield []
            points = [point for point in elsewhere if point.key not in self.store]
            self.done += len(elsewhere) - len(points)
            self.store.release_claims()

    def _size(self) -> int:
        """Points in a batch: so many as take a pool's time for one, and fewer where few are left to share out."""
        if self.seconds is None:
            return 1
        fair = -(-self.left // (2 * self.ahead))
        return max(1, min(int(self.batch_seconds / max(self.seconds, 1e-9)), fair, _LARGEST_BATCH))
