"""What holds for every collective, for any number of ranks and lanes: the next one is covered on its first day."""

from __future__ import annotations

import math

import pytest

from netsim.collectives.rounds import Collective, prove
from netsim.engine.run import CollectiveResult, collective
from netsim.families import FAMILIES

RANKS = [*range(1, 18), 32, 64]
LANES = [1, 2, 3, 8]
SIZE, RATE, LATENCY = 96e6, 1.25e9, 10e-6
VARIANTS = {
    "tree": [{"arity": 1}, {"arity": 3}],
    "parameter_server": [{"servers": 3}, {"placement": "colocated"}, {"placement": "colocated", "servers": 1}],
}


def members(**fields: object) -> list[Collective]:
    """Every collective with its defaults, and with the variants of its own fields."""
    family = FAMILIES["collectives"]
    return [
        family.build({"kind": name, **variant, **fields})
        for name in family.names()
        for variant in [{}, *VARIANTS.get(name, [])]
    ]


def played(kind: Collective, ranks: int, **changes: object) -> CollectiveResult:
    return collective(kind, **{"ranks": ranks, "size": SIZE, "rate": RATE, "latency": LATENCY, **changes})


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("kind", members(), ids=repr)
def test_everyone_ends_with_each_contribution_exactly_once(kind: Collective, ranks: int) -> None:
    prove(kind, ranks)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("kind", [kind for lanes in LANES for kind in members(slices=lanes)], ids=repr)
def test_a_collective_keeps_its_closed_form_its_bound_and_its_bytes(kind: Collective, ranks: int) -> None:
    result = played(kind, ranks)
    if result.ideal_time_s is not None:
        assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)  # sums of some thousand floats
    assert result.time_s >= result.lower_bound_s * (1 - 1e-12)
    assert result.wire_bytes == pytest.approx(kind.wire_bytes(ranks, SIZE), rel=1e-12)
    assert result.messages == kind.slices * kind.messages(ranks)
    assert kind.messages(ranks) == sum(map(len, kind.rounds(ranks)))


@pytest.mark.parametrize("ranks", [2, 3, 8, 13])
@pytest.mark.parametrize("kind", members(), ids=repr)
def test_in_order_of_arrival_no_collective_beats_its_bound_or_loses_a_byte(kind: Collective, ranks: int) -> None:
    result = played(kind, ranks, sharing="fifo")
    assert result.time_s >= result.lower_bound_s * (1 - 1e-12)
    assert result.wire_bytes == pytest.approx(kind.wire_bytes(ranks, SIZE), rel=1e-12)


@pytest.mark.parametrize("ranks", [2, 3, 8, 16])
@pytest.mark.parametrize("name", ["ring", "binomial_tree"])
def test_where_no_two_messages_meet_both_ways_of_sharing_agree(name: str, ranks: int) -> None:
    if name == "binomial_tree":
        ranks = 2 ** math.floor(math.log2(ranks))
    kind = FAMILIES["collectives"].build(name)
    fair, fifo = played(kind, ranks), played(kind, ranks, sharing="fifo")
    assert fifo.time_s == pytest.approx(fair.time_s, rel=1e-9)


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 8, 15])
@pytest.mark.parametrize("kind", members(), ids=repr)
def test_the_time_to_add_is_in_the_closed_form(kind: Collective, ranks: int) -> None:
    result = played(kind, ranks, reduction_rate=5e9)
    if result.ideal_time_s is not None:
        assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)
    assert result.time_s >= played(kind, ranks).time_s


@pytest.mark.parametrize("kind", members(), ids=repr)
def test_one_rank_has_nothing_to_do(kind: Collective) -> None:
    result = played(kind, 1)
    assert (result.time_s, result.ideal_time_s, result.lower_bound_s) == (0, 0, 0)
    assert (result.messages, result.wire_bytes, result.busiest_link, result.busiest_link_bytes) == (0, 0, None, 0)


@pytest.mark.parametrize("kind", members(), ids=repr)
def test_no_bytes_cost_latency_only(kind: Collective) -> None:
    assert 0 < played(kind, 8, size=0.0).time_s < 100 * LATENCY


@pytest.mark.parametrize("kind", members(), ids=repr)
def test_twice_the_rate_is_never_slower(kind: Collective) -> None:
    assert played(kind, 13, rate=2 * RATE).time_s <= played(kind, 13).time_s
