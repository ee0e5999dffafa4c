"""The fast engine's kernels: compiled or as plain Python they do the same; a binary of another source is not used."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.collectives.ring import Ring
from netsim.engine.fast import kernels
from netsim.engine.fast.patterns import neighbours
from netsim.engine.single import CollectiveResult, collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link

KINDS = FAMILIES["collectives"].names()
Sizes = {"size": 1e6, "rate": 1.25e9, "latency": 25e-6}


@pytest.fixture(params=["compiled", "interpreted"])
def forms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each test once with the kernels as they are installed, and once with the Python that they are made of."""
    if request.param == "interpreted":
        monkeypatch.setattr(kernels, "load", kernels.interpreted)
    yield request.param


def both(kind: Any, ranks: int, **options: Any) -> tuple[CollectiveResult, CollectiveResult]:
    """The reference and the fast engine."""
    given = {**Sizes, **options}
    return tuple(collective(kind, ranks=ranks, engine=engine, **given) for engine in ("simpy", "fast"))  # type: ignore[return-value]


def same(reference: CollectiveResult, other: CollectiveResult) -> None:
    assert other.time_s == pytest.approx(reference.time_s, rel=1e-9)
    assert other.messages == reference.messages
    assert other.wire_bytes == pytest.approx(reference.wire_bytes, rel=1e-14)  # sums of fractions of bytes
    assert other.busiest_link_bytes == pytest.approx(reference.busiest_link_bytes, rel=1e-14)


@pytest.mark.parametrize("slices", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_every_collective_takes_as_long_in_both_forms_as_in_the_reference(forms: str, kind: str, slices: int) -> None:
    late, links = {1: 0.001, 3: 0.0004}, {2: Link(rate=2e9, latency=1e-5)}
    of = FAMILIES["collectives"].build({"kind": kind, "slices": slices})
    same(*both(of, 8))
    same(*both(of, 8, late=late, links=links, reduction_rate=3e9))


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(KINDS),
    slices=st.integers(1, 5),
    ranks=st.integers(2, 12),
    late=st.dictionaries(st.integers(0, 11), st.sampled_from([0.0005, 0.001, 0.0042]), max_size=4),
    slow=st.dictionaries(st.integers(0, 11), st.sampled_from([Link(3e8, 1e-4), Link(2e9, 0.0)]), max_size=3),
    reduction_rate=st.sampled_from([None, 1e9]),
    cut=st.sampled_from([{}, {"element": "4 B"}]),
    sharing=st.sampled_from(["fair", "fifo"]),
    burst=st.sampled_from([0.0, 5e3, 1e6]),
)
def test_the_engines_agree_on_any_collective_of_unequal_hosts(
    kind: str,
    slices: int,
    ranks: int,
    late: Any,
    slow: Any,
    reduction_rate: float | None,
    cut: Any,
    sharing: str,
    burst: float,
) -> None:
    of = FAMILIES["collectives"].build({"kind": kind, "slices": slices, **cut})
    hosts = range(ranks + of.helpers(ranks))
    late, slow = ({host: each for host, each in table.items() if host in hosts} for table in (late, slow))
    options = {"late": late, "links": slow, "reduction_rate": reduction_rate, "sharing": sharing}
    options["link"] = Link(Sizes["rate"], Sizes["latency"], burst=burst if sharing == "fifo" else 0.0)
    same(*both(of, ranks, size=1e5, **options))


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    slices=st.sampled_from([1, 3]),
    ranks=st.sampled_from([4, 8, 16]),
    network=st.sampled_from(FAMILIES["topologies"].names()),
    late=st.dictionaries(st.integers(0, 3), st.sampled_from([0.0005, 0.001, 0.0042]), max_size=2),
    sharing=st.sampled_from([("fair", "cut_through"), ("fifo", "cut_through"), ("fifo", "store_and_forward")]),
    latency=st.sampled_from([25e-6, 0.0]),
    burst=st.sampled_from([0.0, 1e5]),
)
def test_the_engines_agree_on_any_network(
    kind: str, slices: int, ranks: int, network: str, late: Any, sharing: tuple[str, str], latency: float, burst: float
) -> None:
    of = FAMILIES["collectives"].build({"kind": kind, "slices": slices})
    try:
        topology = FAMILIES["topologies"].build(network)
        options = {"topology": topology, "late": late, "sharing": sharing[0], "forwarding": sharing[1]}
        options |= {**Sizes, "latency": latency}
        options["link"] = Link(Sizes["rate"], latency, burst=burst if sharing[0] == "fifo" else 0.0)
        reference = collective(of, ranks=ranks, engine="simpy", **options)
    except ScenarioError:  # a kind of network that needs to be told more, or has no room for so many hosts
        return
    same(reference, collective(of, ranks=ranks, engine="fast", **options))


@pytest.mark.parametrize("kind", ["ring", "halving_doubling", "recursive_doubling", "binomial_tree"])
def test_queues_in_which_nothing_waits_are_played_fast(kind: str) -> None:
    of, options = FAMILIES["collectives"].build(kind), {"sharing": "fifo", "links": {2: Link(3e8, 1e-4)}}
    reference, other = both(of, 16, **options)
    assert other.engine == "fast"
    same(reference, other)


@pytest.mark.parametrize("forwarding", ["cut_through", "store_and_forward"])
@pytest.mark.parametrize("kind", ["direct", "tree", "ring"])
def test_queues_in_which_messages_wait_are_played_fast_to_the_last_digit(
    forms: str, kind: str, forwarding: str
) -> None:
    """Times are sums and maxima in one order alone, that of the queues."""
    of, links = FAMILIES["collectives"].build({"kind": kind, "slices": 2}), {2: Link(3e8, 1e-4)}
    options = {
        "late": {1: 0.0001},
        "links": links,
        "reduction_rate": 3e9,
        "topology": FAMILIES["topologies"].build("line"),
    }
    reference, other = both(of, 8, sharing="fifo", forwarding=forwarding, **options)
    assert (other.engine, other.time_s) == ("fast", reference.time_s)
    same(reference, other)


def test_what_comes_to_a_queue_in_the_phase_in_which_it_is_served_is_left_to_the_reference() -> None:
    """Without latency a message goes on at the moment at which it is served, beside others that come to its link."""
    of, options = FAMILIES["collectives"].build({"kind": "bcube", "slices": 4}), {"latency": 0.0, "sharing": "fifo"}
    reference, other = both(of, 8, **options, topology=FAMILIES["topologies"].build("line"))
    assert other.engine == "simpy" and other.time_s == reference.time_s


@pytest.mark.parametrize("kind", KINDS)
def test_in_one_slice_every_collective_of_hosts_alike_is_played_fast(kind: str) -> None:
    of = FAMILIES["collectives"].build(kind)
    assert both(of, 16)[1].engine == "fast"


def test_what_is_late_by_chance_at_the_same_moment_is_left_to_the_reference() -> None:
    """Two slices that come to one connection at the same moment, in an order that only the reference knows."""
    of = FAMILIES["collectives"].build({"kind": "torus_2d", "slices": 4})
    reference, other = both(of, 8)
    assert other.engine == "simpy" and other.time_s == reference.time_s


@pytest.mark.parametrize("kind", ["ring", "halving_doubling", "recursive_doubling", "bruck", "torus", "hierarchical"])
def test_one_of_many_hosts_alike_is_played_for_all_without_a_change(kind: str) -> None:
    of = FAMILIES["collectives"].build(kind)
    for ranks in (16, 64):
        for late in ({}, {rank: 0.003 for rank in range(0, ranks, 2)}):
            one, all_of_them = (
                collective(of, ranks=ranks, late=late, symmetry=symmetry, engine="fast", **Sizes)
                for symmetry in (True, False)
            )
            assert one == all_of_them


def test_a_ring_of_many_ranks_takes_as_long_as_its_closed_form() -> None:
    result = collective(Ring(), ranks=3000, engine="fast", **Sizes)
    assert result.messages == 2 * 3000 * 2999 and result.engine == "fast"
    assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)


def test_a_binary_of_another_source_has_another_name(tmp_path: Path) -> None:
    for file in kernels.FOLDER.glob("*.p*"):
        shutil.copy(file, tmp_path)
    assert kernels.digest(tmp_path) == kernels.digest()
    (tmp_path / "rounds.py").write_text((tmp_path / "rounds.py").read_text() + "\n")
    assert kernels.digest(tmp_path) != kernels.digest()


def test_without_compiled_kernels_the_plain_ones_are_used_with_one_notice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kernels, "digest", lambda: "0" * 12)
    kernels.load.cache_clear(), kernels._tell.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert [kernels.load("rounds") is kernels.interpreted("rounds") for _ in range(2)] == [True, True]
        assert [record.getMessage().startswith("netsim: the fast engine's kernels") for record in caplog.records] == [
            True
        ]
    finally:
        kernels.load.cache_clear(), kernels._tell.cache_clear()


def test_kernels_refuse_to_play_what_comes_out_of_order() -> None:
    """Two lanes, the second of which is ready first: its message would wait behind one that comes after it."""
    ends, none = np.array([0, 1], dtype=np.int32), np.zeros(0)
    src, dst = ends[:1], ends[1:]
    own, start, end, under_way = np.zeros((4, 1))
    ready, never = np.array([5.0, 5.0, 1.0, 1.0]), np.full(2, -np.inf)
    played = kernels.load("rounds").play(
        1, 2, 0, src, dst, ends[:0], ends[:0], np.zeros(1), none, np.ones(2), none, np.zeros(1), own, never[:1].copy(),
        ready, np.zeros(2), never, start, end, under_way,
    )  # fmt: skip
    assert played == 0


@settings(deadline=None, max_examples=60)
@given(chance=st.integers(0, 2**32 - 1), hosts=st.integers(2, 9), times=st.integers(2, 6))
def test_a_round_that_takes_place_again_and_again_is_played_at_a_stroke_to_the_same_last_digit(
    chance: int, hosts: int, times: int
) -> None:
    """Hosts send to one another, each one message at most: some of them form rings, some chains."""
    draw = np.random.default_rng(chance)
    src, dst = (draw.permutation(hosts)[: draw.integers(1, hosts)].astype(np.int32) for _ in range(2))
    count = min(len(src), len(dst))
    src, dst, none = src[:count], dst[:count], np.zeros(0)
    wait, lasts = draw.uniform(0, 1, count), draw.uniform(0, 1, count)
    ready, free = draw.uniform(0, 3, hosts), draw.uniform(0, 3, count)

    def after(around: tuple[Any, Any]) -> Any:
        own, others, never = free.copy(), np.full(count, -np.inf), np.full(hosts, -np.inf)
        changed = (np.full(count, -np.inf), ready.copy(), np.zeros(hosts), never, *np.zeros((3, count)))
        state = (src, dst, *around, wait, none, lasts, none, others, own, *changed)
        assert kernels.load("rounds").play(times, 1, 0, *state) == times
        return [each.tolist() for each in (own, *changed)]

    assert after(neighbours(src, dst)) == after((src[:0], src[:0]))
