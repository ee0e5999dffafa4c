"""A server on every host in the measured program's own loop: what fits a window is netsim's own collective, and what
does not is never faster than its ports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netsim.collectives.parameter_server import ParameterServer
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.families import build
from netsim.hardware import Link
from netsim.validation import shards
from netsim.validation.exchanges import Exchange, seconds

BURST = 2e4
LINK = Link(rate=1e7, latency=1e-4, burst=BURST)
SIZE = 1e6


def play(ranks: int, link: Link = LINK, *, in_turn: bool = False, staggered: bool = False, **more: float) -> float:
    late = {1: more["late"]} if more else {}
    return shards.seconds([link] * ranks, SIZE, in_turn=in_turn, staggered=staggered, late=late)


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
@pytest.mark.parametrize("order", ["both", "pushes"])
@pytest.mark.parametrize("in_turn", [False, True])
def test_shards_of_a_window_or_less_take_what_the_collective_does(ranks: int, order: str, in_turn: bool) -> None:
    of = ParameterServer(placement="colocated", staggered=order)  # type: ignore[arg-type]
    link = replace(LINK, window=SIZE / ranks)
    own = play(ranks, link, in_turn=in_turn, staggered=order == "both")
    given = {"ranks": ranks, "size": SIZE, "rate": LINK.rate, "latency": LINK.latency, "sharing": "fifo", "link": LINK}
    assert own == pytest.approx(collective(of, **given).time_s)  # type: ignore[arg-type]


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("window", [1e4, 7e4])
@pytest.mark.parametrize("in_turn", [False, True])
def test_no_port_passes_more_than_its_rate_and_its_burst(ranks: int, window: float, in_turn: bool) -> None:
    ports = (2 * (ranks - 1) / ranks * SIZE - BURST) / LINK.rate
    assert play(ranks, replace(LINK, window=window), in_turn=in_turn) > ports


def test_between_two_hosts_each_window_waits_for_the_one_before() -> None:
    """Five windows of a shard each way, one round trip's half and its bytes each, and no burst but the first."""
    link = Link(rate=1e7, latency=1e-4, window=1e5)
    assert play(2, link) == pytest.approx(2 * 5 * (1e-4 + 1e5 / 1e7))


def test_a_late_host_holds_up_what_is_more_than_a_window_and_every_answer() -> None:
    link = replace(LINK, window=5e4)
    assert play(4, link, late=1.0) > 1.0 + (3 / 4 * SIZE - BURST) / LINK.rate


@pytest.mark.parametrize(
    "changed",
    [
        {"collective": {"kind": "parameter_server"}},
        {"collective": {"kind": "parameter_server", "placement": "colocated", "servers": 2}},
        {"collective": "ring"},
        {"sharing": "fair"},
        {"parts": ("reduce",)},
    ],
)
def test_other_collectives_have_no_such_loop(changed: dict[str, object]) -> None:
    row = {
        "collective": {"kind": "parameter_server", "placement": "colocated"},
        "ranks": 4,
        "size": "1 MB",
        "link": "a",
        "sharing": "fifo",
        "pushes": "in turn",
    }
    assert seconds(build(Exchange, row), {"a": LINK}) > 0
    with pytest.raises(ScenarioError, match="pushes"):
        build(Exchange, {**row, **changed})
