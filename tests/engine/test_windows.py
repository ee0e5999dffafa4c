"""A connection takes in a window before its receiver wants it, as a socket does; no more than a window is under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

import netsim
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective, Round
from netsim.engine.reference.play import Adder, Play, Steps
from netsim.engine.reference.sharing import SHARING, network_of
from netsim.engine.single import collective
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.loading import from_table
from netsim.topologies.base import Host
from netsim.topologies.star import star

LINK = Link(rate=10.0, latency=1.0, window=20.0)


class Once(Collective):
    """Rank 0 sends the buffer to rank 1."""

    def rounds(self, ranks: int) -> Any:
        yield Round.of([0], [1], add=False)


def ends(nbytes: float, late: dict[int, float], sharing: str, link: Link = LINK) -> tuple[float, float]:
    """When sender and receiver are done, if some are late."""
    env = simpy.Environment()
    network = network_of(sharing)(env, star([Host(f"host{i}", link) for i in range(2)]), None)
    play = Play(network, [Adder(env, None)] * 2, Steps(Once(), 2), nbytes=nbytes, stream=0, label=None)
    found: dict[int, float] = {}

    def life(host: int) -> Any:
        yield env.timeout(late.get(host, 0.0))
        yield play.join(host)
        found[host] = env.now

    for host in range(2):
        env.process(life(host))
    env.run()
    assert network.nbytes == pytest.approx(nbytes)
    return found[0], found[1]


@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize(
    ("nbytes", "late", "done"),
    [
        (10.0, {}, (0.0, 2.0)),  # it fits: its sender need not wait
        (10.0, {1: 1.5}, (0.0, 2.0)),  # it comes before it is wanted, or as it is
        (10.0, {1: 5.0}, (0.0, 5.0)),
        (20.0, {1: 5.0}, (0.0, 5.0)),
        (30.0, {1: 5.0}, (7.0, 7.0)),  # the window is there, the rest needs its latency and its bytes' time
        (30.0, {1: 0.5}, (4.0, 4.0)),  # the window takes until 3, and the rest follows it
        (30.0, {0: 5.0}, (9.0, 9.0)),  # the receiver was first: as ever
    ],
)
def test_a_window_goes_ahead_of_a_receiver_that_is_late(
    nbytes: float, late: dict[int, float], done: tuple[float, float], sharing: str
) -> None:
    assert ends(nbytes, late, sharing) == pytest.approx(done)


@pytest.mark.parametrize("sharing", SHARING)
def test_no_more_than_a_window_is_under_way_in_a_round_trip(sharing: str) -> None:
    far = Link(rate=1000.0, latency=1.0, window=20.0)
    assert ends(20.0, {0: 1.0}, sharing, far)[1] == pytest.approx(2.02)
    assert ends(200.0, {0: 1.0}, sharing, far)[1] == pytest.approx(2.0 + 200.0 / (20.0 / 2.0))


@given(
    kind=st.sampled_from(sorted(FAMILIES["collectives"].names())),
    ranks=st.sampled_from([2, 3, 4, 8]),
    window=st.sampled_from([1.0, 500.0, 1e9]),
    late=st.floats(0.0, 3.0),
    sharing=st.sampled_from(sorted(SHARING)),
)
@settings(max_examples=30, deadline=None)
def test_windows_move_the_same_bytes_and_beat_no_bound(
    kind: str, ranks: int, window: float, late: float, sharing: str
) -> None:
    built = FAMILIES["collectives"].build(kind)
    try:
        built.fit(ranks)
    except netsim.ScenarioError:
        return
    link = Link(rate=1000.0, latency=0.1, window=window * 10)
    given = {"ranks": ranks, "size": 1000.0, "rate": 1000.0, "latency": 0.1, "sharing": sharing, "late": {0: late}}
    plain, windowed = (collective(built, link=each, **given) for each in (replace(link, window=None), link))
    assert windowed.wire_bytes == pytest.approx(plain.wire_bytes)
    assert windowed.time_s >= windowed.lower_bound_s * (1 - 1e-9)
    assert windowed.engine == "simpy" and windowed.ideal_time_s is None


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_a_ring_of_equal_ranks_is_immune(ranks: int) -> None:
    given = {"ranks": ranks, "size": 1000.0, "rate": 1000.0, "latency": 0.001}
    link = Link(rate=1000.0, latency=0.001, window=50.0)
    assert collective(Ring(), link=link, **given).time_s == pytest.approx(collective(Ring(), **given).time_s)


@pytest.mark.parametrize("strategy", ["ring", "tree", "halving_doubling", "parameter_server"])
def test_jobs_over_windows_move_the_same_bytes_and_say_why_simpy_plays(strategy: str) -> None:
    def run(**more: str) -> dict[str, Any]:
        link = {"rate": "1 Gbit/s", "latency": "100 us", **more}
        cluster = {"workers": 4, "device": "v100", "link": link}
        job = {"model": "squeezenet", "batch": 8, "strategy": {"kind": strategy}}
        return netsim.simulate(from_table({"iterations": 2, "cluster": cluster, "job": job}, {})).summary()

    plain, windowed = run(), run(window="116 kB")
    assert windowed["why_simpy"] == "messages cost more than their latency and bytes"
    assert windowed["wire_bytes_per_iteration"] == pytest.approx(plain["wire_bytes_per_iteration"])
    assert windowed["iteration_time_s"] >= windowed["lower_bound_iteration_time_s"]


def test_a_window_must_be_a_size() -> None:
    cluster = {"workers": 2, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "1 us", "window": "1 s"}}
    with pytest.raises(netsim.ScenarioError, match=r"cluster\.link\.window"):
        from_table({"cluster": cluster, "job": {"model": "squeezenet", "batch": 8, "strategy": {"kind": "ring"}}}, {})
