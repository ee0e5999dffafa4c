"""The same ping-pong between two processes of torch.distributed, through Gloo, where PyTorch is installed.

The side that listens is rank 0 and keeps the store by which the two find each other; the other one says before every
size how many messages of it will come.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

from netsim.errors import RunError, ScenarioError
from netsim.probe.tcp import LARGEST, LOST, SIZES, Trip, address

_HERE = "the other side is here"


def serve(
    port: int, *, host: str = "", once: bool = False, ready: Callable[[int], None] | None = None, silence: float = LOST
) -> None:
    """Answers one peer after the other until it is interrupted, or one peer. `ready` hears the port."""
    torch = _torch()
    while True:
        try:
            store = _store(torch, host or "0.0.0.0", port, silence, listens=True)
        except (RuntimeError, OSError) as error:
            raise RunError(f"port {port} cannot be listened to: {_first_line(error)}") from None
        if ready:
            ready(store.port)
            ready, port = None, store.port
        while not store.add(_HERE, 0):  # not store.wait, which no Ctrl-C ends
            time.sleep(0.05)
        with contextlib.suppress(RuntimeError), _group(torch, store, 0, silence):
            _answer(torch)
        if once:
            return
        del store


def measure(
    peer: str, *, sizes: Sequence[int] = SIZES, repeat: int = 20, seconds: float = 60.0, silence: float = LOST
) -> Iterator[Trip]:
    """Round trips of messages of each size, in turn; so many of each, or as many as there is time for, but one.

    Raises RunError where nobody listens, or whoever does falls silent.
    """
    torch, (host, port) = _torch(), address(peer)
    until = time.monotonic() + seconds
    wait = min(10.0, silence)
    try:
        with socket.create_connection((host, port), timeout=wait):
            pass  # somebody is there: PyTorch would be long to say that nobody is
        store = _store(torch, host, port, wait, listens=False)
        store.add(_HERE, 1)
    except (RuntimeError, OSError) as error:
        raise RunError(f"{peer} cannot be reached: {_first_line(error)}") from None
    try:
        with _group(torch, store, 1, silence):
            yield from _trips(torch, sizes, repeat, until)
    except RuntimeError as error:
        raise RunError(f"what listens at {peer} has hung up: {_first_line(error)}") from None


def _torch() -> Any:
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # it tells of each trouble in forty lines
    try:
        torch = import_module("torch")
        import_module("torch.distributed")
    except ImportError:
        raise ScenarioError("gloo needs PyTorch, which is not installed; tcp does not", path="--transport") from None
    if not (torch.distributed.is_available() and hasattr(torch.distributed, "TCPStore")):
        raise ScenarioError("gloo is not in this PyTorch; tcp needs none", path="--transport")
    return torch


def _store(torch: Any, host: str, port: int, silence: float, *, listens: bool) -> Any:
    return torch.distributed.TCPStore(host, port, 2, listens, timedelta(seconds=silence), wait_for_workers=False)


@contextmanager
def _group(torch: Any, store: Any, rank: int, silence: float) -> Iterator[None]:
    wait = timedelta(seconds=silence)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=wait)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _trips(torch: Any, sizes: Sequence[int], repeat: int, until: float) -> Iterator[Trip]:
    for size in sizes:
        (first,) = _there_and_back(torch, size, 1)  # opens windows and fills caches
        left = max(until - time.monotonic(), 0.0)
        for round_trip in _there_and_back(torch, size, max(1, min(repeat, int(left / first)))):
            yield Trip(size, round_trip)
    _say(torch, 0, 0)


def _there_and_back(torch: Any, size: int, count: int) -> Iterator[float]:
    _say(torch, size, count)
    payload = torch.zeros(size, dtype=torch.uint8)
    for _ in range(count):
        begun = time.perf_counter()
        torch.distributed.send(payload, 0)
        torch.distributed.recv(payload, 0)
        yield time.perf_counter() - begun


def _say(torch: Any, size: int, count: int) -> None:
    """What comes next; none ends it."""
    torch.distributed.send(torch.tensor([size, count]), 0)


def _answer(torch: Any) -> None:
    """Sends back what comes, as often as was said, until none is to come."""
    said = torch.zeros(2, dtype=torch.int64)
    while True:
        torch.distributed.recv(said, 1)
        size, count = (int(each) for each in said)
        if not (count > 0 and 0 <= size <= LARGEST):
            return
        payload = torch.zeros(size, dtype=torch.uint8)
        for _ in range(count):
            torch.distributed.recv(payload, 1)
            torch.distributed.send(payload, 1)


def _first_line(error: BaseException) -> str:
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
