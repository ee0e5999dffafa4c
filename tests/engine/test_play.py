from __future__ import annotations

import pytest
import simpy

from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective
from netsim.collectives.tree import Tree
from netsim.engine.reference.play import Adder, Countdown, Play, Steps
from netsim.engine.reference.sharing import SHARING
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star

Log = list[tuple[float, int, int]]


def play(
    kind: Collective,
    rates: list[float],
    *,
    nbytes: float,
    latency: float = 0.0,
    late: dict[int, float] | None = None,
    reduction_rate: float | None = None,
) -> tuple[Log, list[float]]:
    """Deliveries (when, from, to), and when each rank was done."""
    log: Log = []
    env = simpy.Environment()
    hosts = [Host(f"rank{i}", Link(rate=rate, latency=latency)) for i, rate in enumerate(rates)]
    network = SHARING["fair"](env, star(hosts), lambda m, now: log.append((now, m.src, m.dst)))
    adders = [Adder(env, reduction_rate) for _ in rates]
    one = Play(network, adders, Steps(kind, len(rates)), nbytes=nbytes, stream=0, label=None)
    done = [0.0] * len(rates)

    def rank(number: int) -> simpy.events.ProcessGenerator:
        yield env.timeout((late or {}).get(number, 0.0))
        yield one.join(number)
        done[number] = env.now

    for number in range(len(rates)):
        env.process(rank(number))
    env.run()
    return sorted(log), done


def test_the_whole_history_of_a_ring_of_three() -> None:
    log, done = play(Ring(), [1.0] * 3, nbytes=3.0, latency=0.5)
    steps = [1.5, 3.0, 4.5, 6.0]
    assert log == [(time, src, (src + 1) % 3) for time in steps for src in range(3)]
    assert done == [6.0, 6.0, 6.0]


def test_the_whole_history_of_a_binary_tree_of_three() -> None:
    log, done = play(Tree(), [1.0] * 3, nbytes=1.0)
    assert log == [(2.0, 1, 0), (2.0, 2, 0), (4.0, 0, 1), (4.0, 0, 2)]
    assert done == [4.0, 4.0, 4.0]


def test_a_rank_that_adds_goes_on_when_it_has_added() -> None:
    log, _ = play(Tree(), [1.0] * 3, nbytes=1.0, reduction_rate=0.5)
    assert log == [(2.0, 1, 0), (2.0, 2, 0), (8.0, 0, 1), (8.0, 0, 2)]


def test_a_slow_link_delays_every_rank_of_a_ring() -> None:
    _, done = play(Ring(), [1.0, 1.0, 0.5, 1.0], nbytes=4.0)
    assert done == [11.0, 12.0, 12.0, 12.0]  # 6.0 where all are fast; only the last step of rank 0 meets no slow port


def test_a_late_rank_delays_a_ring_by_as_much() -> None:
    _, on_time = play(Ring(), [1.0] * 4, nbytes=4.0)
    _, late = play(Ring(), [1.0] * 4, nbytes=4.0, late={2: 5.0})
    assert late == [time + 5.0 for time in on_time]


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_a_rank_without_others_is_done_at_once(slices: int) -> None:
    assert play(Ring(slices=slices), [1.0], nbytes=4.0) == ([], [0.0])


def test_an_adder_adds_one_piece_after_the_other() -> None:
    """Of pieces that come together the second waits for the first; after a pause there is nothing to wait for."""
    env = simpy.Environment()
    adder, at_once = Adder(env, 10.0), Adder(env, None)
    assert [adder.add(20.0), adder.add(10.0), adder.add(0.0), at_once.add(20.0)] == [2.0, 3.0, 3.0, 0.0]
    env.run(until=1.0)
    assert adder.add(10.0) == 3.0
    env.run(until=100.0)
    assert adder.add(10.0) == 1.0


def test_a_countdown_of_nothing_happens_at_once() -> None:
    env = simpy.Environment()
    assert Countdown(env, 0).triggered and not Countdown(env, 1).triggered
