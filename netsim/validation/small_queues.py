"""Links that serve messages in order of arrival, of which TCP lets only so much wait in a host's own queue at a time.

Linux's TCP hands its host's queue a message piece by piece, and none while two are there (tcp_small_queue_check of
net/ipv4/tcp_output.c). It does so for each connection by itself, so that those of a host take turns. Near a receiver a
piece is of 64 kB, so that messages below a window are served whole; from some milliseconds on it is as small as may be,
two frames (tcp_tso_autosize, tcp_min_tso_segs).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from netsim.engine.messages import Link, Message, Then
from netsim.engine.record.clock import Timer
from netsim.engine.reference.fifo import Fifo

_AT_ONCE = 2  # pieces of a connection in its host's queue

Connection = tuple[int, int, int]  # from a host to another, and the stream


class SmallQueues(Fifo):
    """Fifo links whose hosts hand them messages in pieces, of which the last comes last."""

    def __init__(self, *of: Any, piece: float, **how: Any) -> None:
        """piece: bytes."""
        super().__init__(*of, **how)
        self._piece = piece
        self._waiting = defaultdict[Connection, deque[Callable[[], None]]](deque)
        self._queued = defaultdict[Connection, int](int)

    def send(self, src: int, dst: int, nbytes: float, then: Then, *, stream: int = 0, **how: Any) -> None:
        """Send a message of the job; `then` hears of its delivery."""
        whole, rest = divmod(nbytes, self._piece)
        *ahead, last = [self._piece] * int(whole) + [rest] * (rest > 0 or not whole)
        send, connection = partial(super().send, src, dst, stream=stream, **how), (src, dst, stream)
        self._waiting[connection] += [*(partial(send, piece, _nobody) for piece in ahead), partial(send, last, then)]
        self._hand_over(connection)

    def _hand_over(self, connection: Connection) -> None:
        waiting = self._waiting[connection]
        while waiting and self._queued[connection] < _AT_ONCE:
            self._queued[connection] += 1
            waiting.popleft()()

    def _pass(self, message: Message, link: Link, start: float) -> float | None:
        passed = super()._pass(message, link, start)
        connection = message.src, message.dst, message.stream
        if passed is not None and link is message.links[0]:
            Timer(self.env, passed - self.env.now, lambda _: self._has_left(connection), None)
        return passed

    def _has_left(self, connection: Connection) -> None:
        self._queued[connection] -= 1
        self._hand_over(connection)


def _nobody(_: Message) -> None:
    """Waits for what is not a message's last piece."""
