"""Where batches of points are computed: in this process, in processes of this machine, on a Dask cluster.

A pool is an executor of `concurrent.futures` with the two figures that hand-out needs. Results do not depend on it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from netsim.errors import RunError, ScenarioError

EXECUTORS = ("auto", "serial", "processes", "dask")
_AHEAD = 2  # batches handed out for each worker, so that none waits and an interruption loses little


@dataclass(frozen=True)
class Pool:
    """`ahead`: batches that may be on their way at once. `seconds` that a batch should take, so that handing it out
    costs less than a tenth of it."""

    executor: Executor
    ahead: Callable[[], int]
    seconds: float


class _Serial(Executor):
    """Computes at once, here."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def serial() -> Iterator[Pool]:
    """This process."""
    yield Pool(_Serial(), lambda: 1, 0.05)


class _Processes(ProcessPoolExecutor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _interrupts_held():  # it may start a process
            return super().submit(fn, *args, **kwargs)

    def end(self) -> None:
        """Ends the processes at once: what Python has as `terminate_workers` from 3.14 on."""
        for process in list((self._processes or {}).values()):
            process.terminate()


@contextmanager
def processes(jobs: int) -> Iterator[Pool]:
    """Processes of this machine. Ctrl-C ends them at once, and they do not outlive the one that started them."""
    executor = _Processes(jobs, multiprocessing.get_context("spawn"), initializer=_end_with_the_parent)
    try:
        yield Pool(executor, lambda: jobs * _AHEAD, 0.2)
    except BrokenProcessPool:
        raise RunError("a worker process was killed, perhaps for want of memory: fewer --jobs need less") from None
    except BaseException:
        executor.end()  # interrupted or given up: nobody waits for what is half done
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def dask(jobs: int, scheduler: str | None) -> Iterator[Pool]:
    """A Dask cluster: the one whose scheduler has that address, or one of processes of this machine.

    Batches of workers that die are handed to others. Raises ScenarioError where there is no such scheduler, and
    RunError if it goes away.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ScenarioError(
            "needs Dask, which is not installed: pip install 'netsim-training[dask]'", path="--executor"
        ) from None
    local = {"n_workers": jobs, "threads_per_worker": 1, "silence_logs": logging.CRITICAL}
    anywhere = "127.0.0.1:0"  # for Dask's pages: another sweep may have its usual port
    with _interrupts_held():
        cluster = None if scheduler else LocalCluster(**local, dashboard_address=anywhere)
    try:
        client = Client(scheduler or cluster, timeout=10)
    except (OSError, ValueError) as error:
        raise ScenarioError(f"there is no Dask scheduler at {scheduler}: {error}", path="--scheduler") from None
    try:
        workers = _Workers(client)
        yield Pool(client.get_executor(pure=False), workers.ahead, 0.5)
    except CancelledError:
        raise RunError("the Dask scheduler is gone; the same command goes on where this ended") from None
    finally:
        for each in (client, cluster):
            with suppress(Exception):  # what was computed is kept; a cluster that is half gone cannot say good-bye
                if each is not None:
                    each.close(timeout=5)


class _Workers:
    """How many batches the workers of a cluster may have, which come and go; asked for once in a while."""

    def __init__(self, client: Any) -> None:
        self._client, self._known, self._at = client, 0, -1.0

    def ahead(self) -> int:
        if time.monotonic() > self._at + 1:
            self._known, self._at = sum(self._client.nthreads().values()), time.monotonic()
        return max(1, self._known) * _AHEAD


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
