"""Sweeps: one scenario with axes becomes many points, which run on an executor and are kept as they come.

Points run in this process for their first second; what is left then goes to worker processes, since starting these
takes longer than a small sweep. Results do not depend on where they were computed. Ctrl-C ends worker processes at
once, and they do not outlive the process that started them.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netsim.errors import NetsimError, RunError, ScenarioError
from netsim.loading import dump, expand
from netsim.scenario import Scenario

Simulate = Callable[..., Any]
Row = dict[str, Any]
EXECUTORS = ("auto", "serial", "processes")
_SERIAL_SECONDS = 1.0
_WAITING_PER_PROCESS = 4  # points handed out ahead, so that processes never wait and an interruption loses little


@dataclass(frozen=True)
class Point:
    """One combination of the axes' values: its coordinates, its scenario, and what tells it from every other."""

    coordinates: Mapping[str, Any]
    scenario: Scenario
    key: str


@dataclass(frozen=True)
class Outcome:
    """What became of a point: its row, or the message of why there is none, and whether the scenario is at fault."""

    row: Row | None
    error: str | None
    refused: bool = False


class Store:
    """Outcomes by key in a SQLite file, each committed before it counts as done."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, timeout=60)
        with self._connection:
            self._connection.execute("CREATE TABLE IF NOT EXISTS points (key TEXT PRIMARY KEY, row TEXT, error TEXT)")

    def keep(self, key: str, outcome: Outcome) -> None:
        """Writes an outcome down; one of the same key takes its place."""
        row = None if outcome.row is None else json.dumps(outcome.row)
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", (key, row, outcome.error))

    def get(self, key: str) -> Outcome | None:
        """The outcome of that key, None if there is none yet."""
        found = self._connection.execute("SELECT row, error FROM points WHERE key = ?", (key,)).fetchone()
        return None if found is None else Outcome(None if found[0] is None else json.loads(found[0]), found[1])

    def close(self) -> None:
        self._connection.close()


def points_of(
    scenario: Scenario, axes: Mapping[str, Any] | None = None, *, engine: str = "auto", version: str = ""
) -> list[Point]:
    """The points of a sweep. The key covers the scenario as resolved, its seed, the engine and netsim's version."""
    return [
        Point(coordinates, varied, hashlib.sha256("\n".join((version, engine, dump(varied))).encode()).hexdigest())
        for coordinates, varied in expand(scenario, axes)
    ]


def run_points(
    scenario: Scenario,
    axes: Mapping[str, Any] | None = None,
    *,
    simulate: Simulate,
    jobs: int = 1,
    engine: str = "auto",
) -> list[Row]:
    """The rows of all points, in order: coordinates, then the summary. Raises the first point's error, if any."""
    outcomes = dict(outcomes_of(points_of(scenario, axes, engine=engine), simulate=simulate, jobs=jobs, engine=engine))
    for outcome in outcomes.values():
        if outcome.error is not None:
            raise RunError(outcome.error)
    return [outcomes[index].row or {} for index in sorted(outcomes)]


@contextmanager
def kept_in(folder: Path) -> Iterator[Store]:
    """The store of a result folder. Raises RunError, with what was kept left intact, if it cannot be written."""
    try:
        with closing(Store(folder / "points.sqlite")) as store:
            yield store
    except sqlite3.Error as error:
        raise RunError(f"results cannot be kept in {folder / 'points.sqlite'}: {error}") from None


def outcomes_of(
    points: Sequence[Point],
    *,
    simulate: Simulate,
    store: Store | None = None,
    jobs: int | None = None,
    engine: str = "auto",
    executor: str = "auto",
) -> Iterator[tuple[int, Outcome]]:
    """Each point's number and outcome as they come; what the store has is not computed again, but for what failed.

    jobs: worker processes, by default one a core. executor: "serial" and "processes" say where all points run.
    """
    todo = []
    for index, point in enumerate(points):
        known = store.get(point.key) if store else None
        if known is not None and known.error is None:
            yield index, Outcome({**point.coordinates, **(known.row or {})}, None)
        else:
            todo.append(index)
    for index, outcome in _computed(points, todo, simulate, jobs or os.cpu_count() or 1, engine, executor):
        if store:
            store.keep(points[index].key, outcome)
        row = None if outcome.row is None else {**points[index].coordinates, **outcome.row}
        yield index, replace(outcome, row=row)


def _computed(
    points: Sequence[Point], todo: list[int], simulate: Simulate, jobs: int, engine: str, executor: str
) -> Iterator[tuple[int, Outcome]]:
    serial_until = {"serial": float("inf"), "processes": 0.0}.get(executor, time.monotonic() + _SERIAL_SECONDS)
    while todo and (jobs == 1 or time.monotonic() < serial_until):
        index = todo.pop(0)
        yield index, _outcome(simulate, points[index].scenario, engine)
    if todo:
        yield from _in_processes(points, todo, simulate, min(jobs, len(todo)), engine)


def _in_processes(
    points: Sequence[Point], todo: list[int], simulate: Simulate, jobs: int, engine: str
) -> Iterator[tuple[int, Outcome]]:
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_end_with_the_parent)
    running: dict[Future[Outcome], int] = {}
    try:
        while todo or running:
            with _interrupts_held():
                while todo and len(running) < jobs * _WAITING_PER_PROCESS:
                    index = todo.pop(0)
                    running[pool.submit(_outcome, simulate, points[index].scenario, engine)] = index
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                outcome = future.result()
                yield running.pop(future), outcome
    except BrokenProcessPool:
        raise RunError("a worker process was killed, perhaps for want of memory: fewer --jobs need less") from None
    finally:
        if running:  # interrupted or given up: nobody waits for what is half done
            _terminate(pool)
        pool.shutdown(cancel_futures=True)


def _terminate(pool: ProcessPoolExecutor) -> None:
    """Ends the processes of a pool at once: what Python has as `terminate_workers` from 3.14 on."""
    for process in list((pool._processes or {}).values()):
        process.terminate()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes that are started within never hear Ctrl-C, since they inherit what is held back: it is their parent
    that answers it, as soon as this is left. Where signals cannot be held back, nothing is changed."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_the_parent() -> None:
    """Lets a worker process end when its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _outcome(simulate: Simulate, scenario: Scenario, engine: str) -> Outcome:
    """What became of a scenario. A bug in one point is noted down like any failure: the others are worth having."""
    try:
        return Outcome(simulate(scenario, engine=engine, detail="summary").summary(), None)
    except NetsimError as error:
        return Outcome(None, str(error), refused=isinstance(error, ScenarioError))
    except MemoryError:
        return Outcome(None, "not enough memory")
    except Exception as error:
        return Outcome(None, f"a bug of netsim: {type(error).__name__}: {error}")
