"""Namespaces of one machine: a message alone takes what a ping-pong says, and the work of many is done in turn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netsim.collectives.rounds import Collective
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, build
from netsim.hardware import Link
from netsim.validation import machine, shards
from netsim.validation.exchanges import Exchange, seconds
from netsim.validation.machine import MachineLink
from netsim.validation.sources import read

LATENCY, OVERHEAD, SIZE = 0.01, 0.001, 1e6
LINK = MachineLink(rate=1e8, latency=LATENCY, overhead=OVERHEAD, programs=0.0, one_core=True)
FREE = replace(LINK, overhead=0.0)
TINY = 1e-6  # bytes
SOURCE = Path(__file__).parents[1] / "scenarios" / "validation" / "shaped_network.toml"


def kind_of(name: str, **keys: object) -> Collective:
    found: Collective = FAMILIES["collectives"].build({"kind": name, **keys})
    return found


def play(kind: Collective, ranks: int, link: MachineLink = LINK, *, size: float = TINY, sharing: str = "fifo") -> float:
    return machine.seconds(kind, ranks, size, link, sharing)


def alone(kind: Collective, ranks: int, link: Link, *, size: float = TINY, sharing: str = "fifo") -> float:
    found = collective(
        kind, ranks=ranks, size=size, rate=link.rate, latency=link.latency, link=link, sharing=sharing, engine="simpy"
    )
    return found.time_s


@pytest.mark.parametrize("name", FAMILIES["collectives"].names())
@pytest.mark.parametrize("sharing", ["fair", "fifo"])
def test_a_core_that_has_nothing_to_do_changes_nothing(name: str, sharing: str) -> None:
    kind = kind_of(name)
    assert play(kind, 8, FREE, size=SIZE, sharing=sharing) == pytest.approx(
        alone(kind, 8, FREE.wire, size=SIZE, sharing=sharing)
    )


@pytest.mark.parametrize("name", FAMILIES["collectives"].names())
def test_no_collective_is_over_before_its_core_has_done_the_work_of_all_messages(name: str) -> None:
    kind = kind_of(name)
    slow = replace(LINK, latency=1e-6)
    assert play(kind, 8, slow) >= 2 * OVERHEAD * kind.messages(8) * (1 - 1e-9)


@pytest.mark.parametrize("programs", [0.0, 0.001, 0.1])
@pytest.mark.parametrize("piece", [None, SIZE / 7])
def test_a_message_alone_takes_what_a_ping_pong_says(programs: float, piece: float | None) -> None:
    link = replace(LINK, programs=programs, piece=piece)
    assert play(kind_of("binomial_tree", operation="broadcast"), 2, link, size=SIZE) == pytest.approx(
        LATENCY + 2 * OVERHEAD + SIZE / link.rate
    )


@pytest.mark.parametrize(("name", "measured"), [("sockets-5-2ms", 2342.6e-6), ("sockets-5-10ms", 10511.4e-6)])
@pytest.mark.parametrize("both", ["", "-both"])
def test_links_behind_the_box_take_what_their_ping_pongs_took(name: str, measured: float, both: str) -> None:
    links = read(SOURCE).links
    link = links[name + both]
    assert isinstance(link, MachineLink)
    assert play(kind_of("binomial_tree", operation="broadcast"), 2, link) == pytest.approx(measured)
    assert link.one_core and link.programs == links["sockets-5"].latency


def test_two_hosts_jobs_follow_one_another() -> None:
    """Both send, one after the other; when the second's message comes, the first's has been taken in just now."""
    assert play(kind_of("recursive_doubling"), 2) == pytest.approx(LATENCY + 3 * OVERHEAD)
    own = replace(LINK, one_core=False)
    assert play(kind_of("recursive_doubling"), 2, own) == pytest.approx(LATENCY + 2 * OVERHEAD)


def test_a_ring_on_long_links_hides_all_work_but_that_of_less_than_two_rounds() -> None:
    steps, link = 2 * 7, replace(LINK, latency=0.1, programs=2 * OVERHEAD, window=1.0)
    hidden = steps * (0.1 + 2 * OVERHEAD)
    assert hidden + 7 * OVERHEAD < play(kind_of("ring"), 8, link) < hidden + 2 * 8 * 2 * OVERHEAD


@pytest.mark.parametrize("ranks", [3, 4, 8])
def test_a_ring_that_its_core_holds_up_takes_the_work_of_its_messages_and_of_their_acknowledgements(ranks: int) -> None:
    """Each has two ends; nobody waits for the acknowledgements of the last round."""
    messages, link = 2 * (ranks - 1) * ranks, replace(LINK, latency=1e-6)
    riding = replace(link, programs=2 * OVERHEAD)
    assert riding.acknowledgement == 0.0
    assert play(kind_of("ring"), ranks, riding) == pytest.approx(2 * OVERHEAD * messages, rel=1e-3)
    assert play(kind_of("ring"), ranks, link) == pytest.approx(2 * OVERHEAD * (2 * messages - ranks), rel=1e-3)


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("name", ["recursive_doubling", "halving_doubling", "direct"])
def test_acknowledgements_ride_where_two_exchange(name: str, ranks: int) -> None:
    assert machine.one_way(kind_of(name), ranks) == set()


@pytest.mark.parametrize("name", ["ring", "binomial_tree", "tree", "parameter_server"])
def test_acknowledgements_go_alone_where_nothing_comes_back(name: str) -> None:
    kind = kind_of(name)
    sent = {
        (src, dst) for each in kind.rounds(4) for src, dst in zip(each.src.tolist(), each.dst.tolist(), strict=True)
    }
    assert machine.one_way(kind, 4) == sent


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("in_turn", [False, True])
def test_shards_cost_a_core_nothing_or_the_work_of_all_their_messages(ranks: int, in_turn: bool) -> None:
    def take(link: Link) -> float:
        return shards.seconds([replace(link, window=SIZE)] * ranks, SIZE, in_turn=in_turn, staggered=False)

    assert take(FREE) == pytest.approx(take(FREE.wire))
    work = 2 * OVERHEAD * 2 * ranks * (ranks - 1)
    assert take(replace(LINK, latency=1e-6, rate=1e15)) == pytest.approx(work, rel=1e-3)


@pytest.mark.parametrize(
    "changed",
    [
        {"links": ("a", "a")},
        {"late_rank": 1, "late": "1 ms"},
        {"in_flight": 2},
        {"reduction_rate": "1 GB/s"},
        {"topology": {"kind": "ring"}},
        {"forwarding": "store_and_forward"},
    ],
)
def test_what_is_not_played_of_one_machine_is_refused(changed: dict[str, object]) -> None:
    row = {"collective": "ring", "ranks": 2, "size": "1 MB", "link": "a", "sharing": "fifo"}
    assert seconds(build(Exchange, row), {"a": LINK}) > 0
    with pytest.raises(ScenarioError, match="one machine"):
        seconds(build(Exchange, {**row, **changed}), {"a": LINK})
