"""Two pieces of a connection at most wait in their host's queue: its connections take turns, one alone goes whole."""

from __future__ import annotations

from functools import partial

import pytest
import simpy

from netsim.engine.reference.fifo import Fifo
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star
from netsim.validation.small_queues import SmallQueues

PIECE, RATE, LATENCY = 1000.0, 1e6, 0.5
TURN = PIECE / RATE  # s


def arrivals(sent: list[tuple[int, int, float]], *, piece: float | None, burst: float | None = None) -> list[float]:
    """When messages (from, to, bytes) that are sent at once, in this order, are there, in s after the latency."""
    env, link = simpy.Environment(), Link(RATE, LATENCY, burst=burst)
    of = Fifo if piece is None else partial(SmallQueues, piece=piece)
    network = of(env, star([Host(f"rank{host}", link) for host in range(4)]), None)
    there: dict[int, float] = {}
    for number, (src, dst, nbytes) in enumerate(sent):
        network.send(src, dst, nbytes, lambda _, n=number: there.setdefault(n, env.now - LATENCY), order=number)  # type: ignore[misc]
    env.run()
    assert network.nbytes == pytest.approx(sum(nbytes for *_, nbytes in sent))
    return [there[number] for number in range(len(sent))]


@pytest.mark.parametrize("pieces", [0.0, 0.3, 1.0, 2.5, 7.0])
@pytest.mark.parametrize("burst", [None, 1500.0])
def test_a_message_alone_takes_what_it_does_whole(pieces: float, burst: float | None) -> None:
    sent = [(0, 1, pieces * PIECE)]
    assert arrivals(sent, piece=PIECE, burst=burst) == pytest.approx(arrivals(sent, piece=None, burst=burst))


@pytest.mark.parametrize("pieces", [1, 2])
def test_messages_of_two_pieces_or_less_are_served_whole(pieces: int) -> None:
    sent = [(0, dst, pieces * PIECE) for dst in (1, 2, 3)]
    assert arrivals(sent, piece=PIECE) == pytest.approx(arrivals(sent, piece=None))


def test_two_connections_of_a_host_take_turns_by_two_pieces() -> None:
    """AABBAABB in place of AAAABBBB."""
    sent = [(0, 1, 4 * PIECE), (0, 2, 4 * PIECE)]
    assert arrivals(sent, piece=PIECE) == pytest.approx([6 * TURN, 8 * TURN])
    assert arrivals(sent, piece=None) == pytest.approx([4 * TURN, 8 * TURN])


def test_a_connection_s_own_messages_follow_one_another() -> None:
    sent = [(0, 1, 4 * PIECE), (0, 1, 4 * PIECE)]
    assert arrivals(sent, piece=PIECE) == pytest.approx([4 * TURN, 8 * TURN])


def test_hosts_do_not_wait_for_each_other_s_queues() -> None:
    sent = [(0, 1, 4 * PIECE), (2, 3, 4 * PIECE)]
    assert arrivals(sent, piece=PIECE) == pytest.approx([4 * TURN, 4 * TURN])


@pytest.mark.parametrize("piece", [None, PIECE, 3 * PIECE])
def test_what_a_host_sends_takes_the_time_of_its_bytes_in_whatever_pieces(piece: float | None) -> None:
    sent = [(0, dst, nbytes) for dst, nbytes in ((1, 9.5 * PIECE), (2, 0.5 * PIECE), (3, 4 * PIECE))]
    assert max(arrivals(sent, piece=piece)) == pytest.approx(14 * TURN)
