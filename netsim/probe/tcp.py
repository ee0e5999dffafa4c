"""Latency and rate between two processes, measured by ping-pong over plain TCP.

One side listens and answers whatever comes back at once; the other sends messages of growing sizes, waits for each, and
notes how long it took. What travels: a greeting, then for each message a header with its length, and its bytes. Both
sides take nothing for granted of the other: every wait has an end, and every length a limit.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from netsim.errors import RunError, ScenarioError

_GREETING = b"netsim probe 1\n"
_HEADER = struct.Struct("!Q")
LARGEST = 1 << 30  # bytes of a message
_PART = 1 << 20
LOST = 30.0  # s that a peer may be silent
SIZES = (0, 1, 64, 256, *(1 << power for power in range(10, 25)))  # bytes, to 16 MiB


@dataclass(frozen=True)
class Trip:
    """A message of so many bytes there and back (s)."""

    size: int
    round_trip: float


def address(text: str) -> tuple[str, int]:
    """Host and port of "host:port", "[::1]:port"."""
    host, colon, port = text.rpartition(":")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ScenarioError(f"{text[:80]!r} has no name of a host in it", path="PEER") from None
    if not colon or not host.strip("[]") or not port.isdigit() or not 0 < int(port) < 65536:
        raise ScenarioError(f"{text!r} is not HOST:PORT, such as node1:9000", path="PEER")
    return host.strip("[]"), int(port)


def serve(
    port: int, *, host: str = "", once: bool = False, ready: Callable[[int], None] | None = None, silence: float = LOST
) -> None:
    """Answers one peer after the other until it is interrupted, or one peer. `ready` hears the port, which may be 0 for
    any that is free. A peer that says nothing, or nonsense, is left alone."""
    try:
        listener = socket.create_server((host, port), backlog=8)
    except (OSError, OverflowError) as error:
        raise RunError(f"port {port} cannot be listened to: {error}") from None
    with listener:
        if ready:
            ready(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError, _Strange):
                connection.settimeout(silence)
                _answer(connection)
                if once:
                    return


def measure(
    peer: str, *, sizes: Sequence[int] = SIZES, repeat: int = 20, seconds: float = 60.0, silence: float = LOST
) -> Iterator[Trip]:
    """Round trips of messages of each size, in turn; so many of each, or as many as there is time for, but one.

    Raises RunError where nobody listens, or whoever does is no netsim, or falls silent.
    """
    host, port = address(peer)
    until = time.monotonic() + seconds
    try:
        with socket.create_connection((host, port), timeout=min(10.0, silence)) as connection:
            connection.settimeout(silence)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(_GREETING)
            if _received(connection, len(_GREETING)) != _GREETING:
                raise _Strange
            yield from _trips(connection, sizes, repeat, until)
    except TimeoutError:
        raise RunError(f"{peer} does not answer; does `netsim probe --listen {port}` run there?") from None
    except ConnectionRefusedError as error:
        raise RunError(f"{peer} cannot be reached: {error.strerror}") from None
    except (_Strange, ConnectionError):
        raise RunError(f"what answers at {peer} is no netsim probe, or has hung up") from None
    except OSError as error:
        raise RunError(f"{peer} cannot be reached: {error.strerror or error}") from None


class _Strange(Exception):
    """The peer is gone, or speaks another language."""


def _trips(connection: socket.socket, sizes: Sequence[int], repeat: int, until: float) -> Iterator[Trip]:
    payload = bytes(max(sizes, default=0))
    for size in sizes:
        _there_and_back(connection, payload, size)  # the first opens windows and fills caches
        for number in range(repeat):
            if number and time.monotonic() > until:
                break
            yield Trip(size, _there_and_back(connection, payload, size))


def _there_and_back(connection: socket.socket, payload: bytes, size: int) -> float:
    begun = time.perf_counter()
    connection.sendall(_HEADER.pack(size) + payload[:size])
    if _HEADER.unpack(_received(connection, _HEADER.size))[0] != size:
        raise _Strange
    _received(connection, size)
    return time.perf_counter() - begun


def _answer(connection: socket.socket) -> None:
    """Sends back what comes, message by message, each when all of it is there."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if _received(connection, len(_GREETING)) != _GREETING:
        raise _Strange
    connection.sendall(_GREETING)
    while True:
        head = _received(connection, _HEADER.size, may_end=True)
        if not head:
            return
        (size,) = _HEADER.unpack(head)
        if size > LARGEST:
            raise _Strange
        connection.sendall(head + _received(connection, size))


def _received(connection: socket.socket, size: int, *, may_end: bool = False) -> bytes:
    """Exactly so many bytes; none where the peer has hung up before the first, if it may."""
    parts, left = [], size
    while left:
        part = connection.recv(min(left, _PART))
        if not part:
            if may_end and left == size:
                return b""
            raise _Strange
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
