"""What holds for every collective, for any number of ranks and lanes: the next one is covered on its first day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from netsim.collectives.rounds import Collective, Round, prove, unrolled
from netsim.engine.single import CollectiveResult, collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link

ENGINES_PLAY = [
    *((ranks, rate) for ranks in range(1, 10) for rate in (None, 5e9)),
    (12, None),
    (13, 5e9),
    (16, 5e9),
    (17, None),
]
LANES = [1, 2, 3, 8]
WITHOUT_FORMULA = ("double_binary_tree",)  # whose two trees share ports
SIZE, RATE, LATENCY = 96e6, 1.25e9, 10e-6
VARIANTS = {
    "bcube": [{"base": 3}],
    "hierarchical": [
        {"inside": "tree", "between": "double_binary_tree"},
        {"inside": "bruck", "between": "bruck"},
        {"inside": "direct", "between": {"kind": "hierarchical", "inside": "halving_doubling", "per_host": 1}},
    ],
    "ring": [{"two_way": True}],
    "tree": [{"arity": 1}, {"arity": 3}],
    "parameter_server": [
        {"servers": 3, "staggered": "neither"},
        {"placement": "colocated", "staggered": "pushes"},
        {"placement": "colocated", "servers": 1},
    ],
}


class Renamed(Collective):
    """Another collective whose ranks have other names; helpers keep theirs."""

    def __init__(self, kind: Collective, names: np.ndarray) -> None:
        self.__dict__.update(vars(kind))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "names", names)

    def __getattribute__(self, name: str) -> object:
        if name in ("kind", "names", "rounds", "__dict__", "__class__"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "kind"), name)

    def rounds(self, ranks: int) -> Iterator[Round]:
        names = np.concatenate([self.names, np.arange(ranks, ranks + self.kind.helpers(ranks))])
        for each in unrolled(self.kind.rounds(ranks), self.kind.pieces(ranks)):
            yield replace(each, src=names[each.src], dst=names[each.dst])


def members(**fields: object) -> list[Collective]:
    """Every collective with its defaults, and with the variants of its own fields."""
    family = FAMILIES["collectives"]
    return [
        family.build({"kind": name, **variant, **fields})
        for name in family.names()
        for variant in [{}, *VARIANTS.get(name, [])]
    ]


def operations() -> list[Collective]:
    """Every collective in every operation that it has beside the all-reduce."""
    family = FAMILIES["collectives"]
    return [
        family.build({"kind": name, "operation": each})
        for name in family.names()
        for each in family.member(name).operations  # type: ignore[attr-defined]
        if each != "all_reduce"
    ]


def fits(kind: Collective, ranks: int) -> bool:
    try:
        kind.fit(ranks)
    except ScenarioError:
        return False
    return True


def played(kind: Collective, ranks: int, **changes: object) -> CollectiveResult:
    return collective(kind, **{"ranks": ranks, "size": SIZE, "rate": RATE, "latency": LATENCY, **changes})


@pytest.mark.parametrize("ranks", [*range(1, 34), 48, 64])
@pytest.mark.parametrize("kind", members(), ids=repr)
def test_everyone_ends_with_each_contribution_exactly_once(kind: Collective, ranks: int) -> None:
    prove(kind, ranks)


@pytest.mark.parametrize("name", FAMILIES["collectives"].names())
def test_so_do_many(name: str) -> None:
    kind = FAMILIES["collectives"].build(name)
    prove(kind, 256 if kind.pieces(256) <= 2 else 96)


@pytest.mark.parametrize("kind", [kind for lanes in LANES for kind in members(slices=lanes)], ids=repr)
def test_a_collective_keeps_its_closed_form_its_bound_and_its_bytes(kind: Collective) -> None:
    """In the faster of the engines that are exact: that both agree is another test's."""
    for ranks in (*range(1, 18), 31, 32, 33) if kind.slices == 1 else (2, 3, 5, 7, 8, 13, 16, 17):
        result = played(kind, ranks)
        if result.ideal_time_s is not None:
            assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9), ranks  # sums of some thousand floats
        assert result.time_s >= result.lower_bound_s * (1 - 1e-12), ranks
        assert result.wire_bytes == pytest.approx(kind.wire_bytes(ranks, SIZE), rel=1e-12), ranks
        assert result.messages == kind.slices * kind.messages(ranks), ranks
        assert kind.messages(ranks) == sum(len(each) * each.times for each in kind.rounds(ranks)), ranks


@pytest.mark.parametrize("kind", [kind for lanes in (1, 3) for kind in members(slices=lanes)], ids=repr)
def test_a_closed_form_with_adding_is_kept_wherever_one_is_claimed(kind: Collective) -> None:
    for ranks in (1, 2, 3, 8):
        result = played(kind, ranks, reduction_rate=5e9)
        if result.ideal_time_s is not None:
            assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9), ranks


PART = 7 / 8  # of the buffer, that one of 8 ranks has to send or get
BUFFERS = {"all_reduce": 2 * PART, "barrier": 0.0, "broadcast": 1.0, "reduce": 1.0}


@pytest.mark.parametrize("kind", [*members(), *operations()], ids=repr)
def test_the_bound_is_what_ports_carry_at_least_and_how_far_news_is(kind: Collective) -> None:
    bytes_alone, latency_alone = Link(rate=RATE, latency=0.0), Link(rate=1e30, latency=LATENCY)
    apart, steps = kind.helpers(8) > 0, math.ceil(round(math.log(8, kind.fan(8) + 1), 9))
    buffers = 1.0 if apart else BUFFERS.get(kind.operation, PART)
    assert kind.lower_bound(8, SIZE, bytes_alone) == pytest.approx(buffers * SIZE / RATE, rel=1e-12)
    assert kind.lower_bound(8, SIZE, latency_alone) == pytest.approx((2 if apart else steps) * LATENCY, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in FAMILIES["collectives"].names() if name not in WITHOUT_FORMULA])
def test_a_closed_form_is_claimed_in_one_lane_for_every_power_of_two(name: str) -> None:
    member, link = FAMILIES["collectives"].member(name), Link(rate=RATE, latency=LATENCY)
    for operation in member.operations:  # type: ignore[attr-defined]
        kind = FAMILIES["collectives"].build({"kind": name, "operation": operation})
        assert all(kind.ideal_time(ranks, SIZE, link) is not None for ranks in (1, 2, 4, 16)), operation
        assert kind.ideal_time(1, SIZE, link) == kind.lower_bound(1, SIZE, link) == 0.0, operation


@pytest.mark.parametrize("ranks", [*range(2, 18), 33])
@pytest.mark.parametrize("kind", operations(), ids=repr)
def test_an_operation_keeps_its_promise_its_closed_form_its_bound_and_its_bytes(kind: Collective, ranks: int) -> None:
    if not fits(kind, ranks):
        assert ranks & (ranks - 1), "only numbers that are no power of two may be refused"
        return
    prove(kind, ranks)
    for size in (0.0, SIZE) if ranks in (3, 8) else (SIZE,):
        result = played(kind, ranks, size=size)
        if result.ideal_time_s is not None:
            assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)
        assert result.time_s >= result.lower_bound_s * (1 - 1e-12)
        assert result.wire_bytes == pytest.approx(kind.wire_bytes(ranks, result.size_bytes), rel=1e-12)
        assert result.messages == kind.messages(ranks) == sum(len(each) * each.times for each in kind.rounds(ranks))


@pytest.mark.parametrize(
    ("ranks", "tried"), [(3, (0.0, 4.0, 4e3, 100_004.0)), (8, (4.0, 100_004.0)), (13, (100_004.0,))]
)
@pytest.mark.parametrize("kind", [*members(), *operations()], ids=repr)
def test_bytes_stay_whole_and_none_is_lost_where_sizes_do_not_divide(
    kind: Collective, ranks: int, tried: tuple[float, ...]
) -> None:
    whole = replace(kind, element=4.0, **({"slices": 3} if kind.operation != "barrier" else {}))
    if not fits(whole, ranks):
        return
    for size in tried:
        held = whole.held(ranks, size)
        sizes = whole.sizes(ranks, size)
        assert sizes is not None and sizes.min() >= 0 and sizes.sum() == held
        assert (sizes % 4 == 0).all() and np.ptp(sizes.sum(axis=0)) <= 4
        result = played(whole, ranks, size=size)
        assert result.wire_bytes == pytest.approx(whole.wire_bytes(ranks, result.size_bytes), abs=8 * ranks * ranks)


@pytest.mark.parametrize("ranks", [3, 8])
@pytest.mark.parametrize("kind", [*members(), *operations()], ids=repr)
def test_other_names_for_the_ranks_change_nothing_on_a_star(kind: Collective, ranks: int) -> None:
    if fits(kind, ranks):
        renamed = Renamed(kind, np.random.default_rng(1).permutation(ranks))
        assert played(renamed, ranks).time_s == pytest.approx(played(kind, ranks).time_s, rel=1e-9)


@pytest.mark.parametrize("library", ["nccl", "gloo", "openmpi"])
@pytest.mark.parametrize("name", FAMILIES["collectives"].names())
def test_every_kind_takes_the_slices_of_a_library(name: str, library: str) -> None:
    kind = FAMILIES["collectives"].build({"kind": name, "library": library})
    result = played(kind, 8)
    assert result.messages == kind.lanes(SIZE, 8) * kind.messages(8) * (1 + kind.announced)
    assert result.time_s >= result.lower_bound_s * (1 - 1e-12)


@pytest.mark.parametrize("kind", members(), ids=repr)
def test_both_engines_agree(kind: Collective) -> None:
    for ranks, rate in ENGINES_PLAY:
        fast, simpy = (played(kind, ranks, engine=engine, reduction_rate=rate) for engine in ("fast", "simpy"))
        assert simpy.engine == "simpy"
        assert fast.time_s == pytest.approx(simpy.time_s, rel=1e-9), ranks
        assert fast.wire_bytes == pytest.approx(simpy.wire_bytes, rel=1e-12), ranks
        assert fast.messages == simpy.messages, ranks
        assert fast.busiest_link_bytes == pytest.approx(simpy.busiest_link_bytes, rel=1e-12), ranks


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
