"""Collectives on the networks that they were made for take their closed forms; on others, what shared links cost."""

from __future__ import annotations

import math
from typing import Any

import pytest

import netsim
from netsim.families import FAMILIES
from netsim.hardware import Link

S, B, A = 64e6, 1.25e9, 20e-6
ROUNDING = 1e-12  # of sums of a few dozen times


def played(kind: Any, ranks: int, topology: Any, **more: Any) -> float:
    result = netsim.allreduce(kind, ranks=ranks, size=S, rate=B, latency=A, topology=topology, **more)
    assert result.ideal_time_s is None and result.time_s >= result.lower_bound_s * (1 - ROUNDING)
    return result.time_s


@pytest.mark.parametrize("ranks", [2, 3, 8, 17])
def test_a_ring_on_a_ring_or_a_complete_graph_takes_its_closed_form(ranks: int) -> None:
    """Patarasuk, Yuan 2009: every message goes one cable, and no two share one."""
    closed = 2 * (ranks - 1) * (A + S / (ranks * B))
    assert played("ring", ranks, "ring") == pytest.approx(closed, rel=ROUNDING)
    assert played("ring", ranks, "fully_connected") == pytest.approx(closed, rel=ROUNDING)


@pytest.mark.parametrize("ranks", [2, 3, 8, 17])
def test_everyone_to_everyone_on_a_complete_graph_takes_two_messages(ranks: int) -> None:
    assert played("direct", ranks, "fully_connected") == pytest.approx(2 * (A + S / (ranks * B)), rel=ROUNDING)


@pytest.mark.parametrize("ranks", [2, 4, 16, 32])
def test_halving_and_doubling_on_a_hypercube_takes_its_closed_form(ranks: int) -> None:
    closed = 2 * math.log2(ranks) * A + 2 * (ranks - 1) / ranks * S / B
    assert played("halving_doubling", ranks, "hypercube") == pytest.approx(closed, rel=ROUNDING)


@pytest.mark.parametrize("dims", [(4, 4), (2, 3, 4), (5, 3)])
def test_rings_along_the_dimensions_of_a_torus_take_their_closed_form(dims: tuple[int, ...]) -> None:
    ranks = math.prod(dims)
    closed = 2 * A * sum(size - 1 for size in dims) + 2 * (ranks - 1) / ranks * S / B
    taken = played({"kind": "torus", "dims": dims}, ranks, {"kind": "torus", "dims": dims})
    assert taken == pytest.approx(closed, rel=ROUNDING)


@pytest.mark.parametrize("ranks", [3, 8])
def test_a_ring_on_a_line_goes_back_over_all_of_it(ranks: int) -> None:
    """Of each step's messages that from the last to the first has the longest way, and no other comes the same way."""
    closed = 2 * (ranks - 1) * ((ranks - 1) * A + S / (ranks * B))
    assert played("ring", ranks, "line") == pytest.approx(closed, rel=ROUNDING)


def test_a_ring_on_a_fat_tree_waits_for_the_longest_way_alone() -> None:
    """16 hosts on a 4-ary tree: six links of half the latency between pods."""
    closed = 2 * 15 * (3 * A + S / (16 * B))
    assert played("ring", 16, {"kind": "fat_tree", "k": 4}) == pytest.approx(closed, rel=ROUNDING)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_halves_that_are_swapped_over_an_oversubscribed_spine_take_so_many_times_as_long(ratio: float) -> None:
    """Recursive doubling, 8 hosts on 2 leaves: the last of three swaps crosses the spine, all four at once."""
    network = {"kind": "leaf_spine", "per_leaf": 4, "spines": 1, "oversubscription": ratio}
    closed = 2 * (A + S / B) + 2 * A + ratio * S / B
    assert played("recursive_doubling", 8, network) == pytest.approx(closed, rel=ROUNDING)


def test_a_hierarchy_on_machines_of_four_takes_the_sum_of_its_parts() -> None:
    """Rings over NVLink inside, four rings at once over each machine's one card between them: a quarter of its rate."""
    inner_rate, inner = 100e9, 2e-6
    network = {"kind": "nodes", "per_host": 4, "link": {"rate": "100 GB/s", "latency": "2 us"}}
    kind = {"kind": "hierarchical", "per_host": 4}
    inside = 2 * 3 * (inner + S / 4 / inner_rate)
    between = 2 * 3 * (A + 2 * inner + 4 * (S / 4 / 4) / B)
    assert played(kind, 16, network) == pytest.approx(inside + between, rel=ROUNDING)


def test_a_card_for_each_accelerator_lets_their_rings_go_side_by_side() -> None:
    network = {
        "kind": "nodes",
        "per_host": 4,
        "nics": 4,
        "link": {"rate": "100 GB/s", "latency": "2 us"},
        "bus": {"rate": "50 GB/s", "latency": "1 us"},
    }
    kind = {"kind": "hierarchical", "per_host": 4}
    closed = 2 * 3 * (2e-6 + S / 4 / 100e9) + 2 * 3 * (A + 2e-6 + S / 16 / B)
    assert played(kind, 16, network) == pytest.approx(closed, rel=ROUNDING)


@pytest.mark.parametrize("kind", ["ring", "tree", "direct", "halving_doubling"])
@pytest.mark.parametrize("topology", ["ring", "torus", "hypercube", "fat_tree", "leaf_spine", "dragonfly"])
def test_half_duplex_is_never_faster(kind: str, topology: str) -> None:
    """Both ways share the rate: what a full-duplex cable does in one time takes a half-duplex one at most two."""
    from netsim.engine.single import collective

    member, build = FAMILIES["collectives"].build(kind), FAMILIES["topologies"].build(topology)
    half = {host: Link(rate=B, latency=A, duplex="half") for host in range(8)}
    times = [
        collective(member, ranks=8, size=S, rate=B, latency=A, topology=build, links=links).time_s
        for links in (None, half)
    ]
    assert times[0] * (1 - ROUNDING) <= times[1]


@pytest.mark.parametrize("topology", sorted(set(FAMILIES["topologies"].names()) - {"graph", "nodes"}))
def test_both_engines_give_the_same_times_on_every_network(topology: str) -> None:
    for kind in ("ring", "halving_doubling"):
        times = [played(kind, 8, topology, engine=engine) for engine in ("auto", "simpy")] if topology != "star" else []
        assert not times or times[0] == pytest.approx(times[1], rel=1e-9)
