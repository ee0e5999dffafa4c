"""Slices that follow one another: of every kind, and of the rings of libraries in the words of their sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.collectives._flights import in_loops
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective, Operation
from netsim.engine.single import CollectiveResult, collective
from netsim.families import FAMILIES
from netsim.hardware import Link

from .test_every_collective import fits

NAMES = FAMILIES["collectives"].names()
MIB, RATE = 2.0**20, 1.25e9
NEAR, FAR = 10e-6, 20e-3  # s: ports are never idle, or wait
LIBRARIES = ["nccl", "gloo", "openmpi"]


def played(kind: Collective, ranks: int = 8, **changes: Any) -> CollectiveResult:
    return collective(kind, **{"ranks": ranks, "size": 96e6, "rate": RATE, "latency": NEAR, **changes})


def member(name: str, **fields: Any) -> Collective:
    built: Collective = FAMILIES["collectives"].build({"kind": name, **fields})
    return built


@pytest.mark.parametrize("ranks", [2, 3, 8])
@pytest.mark.parametrize("name", NAMES)
def test_a_kind_keeps_its_bound_bytes_and_any_closed_form_however_few_are_in_flight(name: str, ranks: int) -> None:
    for slices, in_flight in ((4, 1), (5, 2)):
        kind = member(name, slices=slices, in_flight=in_flight)
        if not fits(kind, ranks):
            return
        for latency in (NEAR, FAR):
            result = played(kind, ranks, latency=latency)
            assert result.engine == "fast"
            assert result.time_s >= result.lower_bound_s * (1 - 1e-12)
            assert result.messages == slices * kind.messages(ranks)
            assert result.wire_bytes == pytest.approx(kind.wire_bytes(ranks, 96e6), rel=1e-12)
            if result.ideal_time_s is not None:
                assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_no_fewer_in_flight_than_there_are_is_as_if_nothing_were_said(name: str) -> None:
    kind = member(name, slices=3)
    for in_flight in (3, 4):
        assert replace(kind, in_flight=in_flight).legs(96e6, 8) == kind.legs(96e6, 8) == in_loops(3, 3)
        assert played(replace(kind, in_flight=in_flight)) == played(kind)


@pytest.mark.parametrize("name", NAMES)
def test_one_in_flight_takes_at_most_as_long_as_one_slice_so_often(name: str) -> None:
    """As often as there are slices where all end together; trees' leaves, which end early, may begin the next early."""
    together = played(member(name), 8, size=24e6).time_s * 4
    in_turn = played(member(name, slices=4, in_flight=1), 8).time_s
    assert in_turn <= together * (1 + 1e-9)
    if name in ("ring", "halving_doubling", "recursive_doubling", "direct", "bruck"):
        assert in_turn == pytest.approx(together, rel=1e-9)


@pytest.mark.parametrize("latency", [NEAR, FAR])
@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_a_ring_in_loops_is_a_ring_of_as_many_slices_so_often(ranks: int, latency: float) -> None:
    loop = played(Ring(slices=4), ranks, size=24e6, latency=latency).time_s
    last = played(Ring(slices=2), ranks, size=12e6, latency=latency).time_s
    loops = played(Ring(slices=14, in_flight=4), ranks, size=84e6, latency=latency).time_s
    assert loops == pytest.approx(3 * loop + last, rel=1e-9)


@pytest.mark.parametrize("latency", [NEAR, 1e-3, FAR])
@pytest.mark.parametrize(("ranks", "size"), [(4, 256), (8, 128), (8, 25), (3, 9), (2, 1)])
def test_rings_of_libraries_take_the_time_that_their_sources_say(ranks: int, size: int, latency: float) -> None:
    """From the sources' loops: NCCL's of 4 slices in 4 MiB a rank; Gloo's of segments of 1 MiB, an operation after the
    last but one, each when its receiver's word has come; Open MPI's of segments one after another, and of whole blocks.
    """
    part, steps = size * MIB / ranks, ranks - 1
    found = {name: played(Ring(library=name), ranks, size=size * MIB, latency=latency).time_s for name in LIBRARIES}

    loops = -(-part // (4 * MIB))
    loop = played(Ring(slices=4), ranks, size=size * MIB / loops, latency=latency).time_s
    assert found["nccl"] == pytest.approx(loops * loop, rel=1e-9)

    segments = max(2, int(-(-part // MIB)))
    ends = [float("-inf")] * 2
    for phase in range(2):
        began = max(0.0, ends[-1]) if phase else 0.0
        for operation in range(steps * segments):
            issued = began if operation < 2 else ends[-2]
            ends.append(max(issued + 2 * latency, ends[-1]) + part / segments / RATE)
    if ranks > 2:  # of two, each one's words wait behind its own messages
        assert found["gloo"] == pytest.approx(ends[-1], rel=1e-9)

    phases = max(1, round(part / MIB - 1e-9))
    reduced = phases * steps * (latency + part / phases / RATE)
    assert found["openmpi"] == pytest.approx(reduced + steps * (latency + part / RATE), rel=1e-9)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_never_faster_than_with_all_its_slices_under_way(library: Any) -> None:
    for size in (1, 25, 128):
        for latency in (NEAR, 1e-3, FAR):
            kind, network = Ring(library=library), {"size": size * MIB, "latency": latency}
            at_once = Ring(slices=kind.lanes(size * MIB, 8))
            assert played(kind, **network).time_s >= played(at_once, **network).time_s * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    slices=st.integers(2, 7),
    in_flight=st.integers(1, 4),
    library=st.sampled_from([None, *LIBRARIES]),
    operation=st.sampled_from(get_args(Operation)),
    sharing=st.sampled_from(["fair", "fifo"]),
    ranks=st.sampled_from([2, 4, 5]),
    adding=st.sampled_from([None, 3e9]),
    slow=st.booleans(),
    late=st.sampled_from([0.0, 1e-3]),
    element=st.sampled_from([None, "4 kB"]),
)
def test_both_engines_agree_on_any_of_them(
    name: str, slices: int, in_flight: int, library: str | None, ranks: int, slow: bool, late: float,
    element: str | None, sharing: str, adding: float | None, operation: Operation,
) -> None:  # fmt: skip
    sliced = {"library": library} if library else {"slices": slices, "in_flight": in_flight}
    kind = member(name, **sliced, **({"element": element} if element else {}))
    kind = replace(kind, operation=operation if operation in kind.operations else "all_reduce")
    if not fits(kind, ranks):
        return
    how = {"sharing": sharing, "reduction_rate": adding, "size": 22e6 * (ranks if library else 1), "late": {1: late}}
    links = {0: Link(rate=4e8, latency=40e-6)} if slow else {}
    fast, simpy = (played(kind, ranks, **how, links=links, engine=engine) for engine in ("fast", "simpy"))
    assert fast.time_s == pytest.approx(simpy.time_s, rel=1e-9)
    assert (fast.messages, fast.wire_bytes) == (simpy.messages, pytest.approx(simpy.wire_bytes, rel=1e-12))
    assert fast.busiest_link_bytes == pytest.approx(simpy.busiest_link_bytes, rel=1e-12)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_thousand_ranks_are_played_at_a_stroke(library: Any) -> None:
    """By the closed form, as no engine but the rounds' holds so many messages."""
    result = played(Ring(library=library), 1024, size=2.0**33, engine="fast")
    assert result.engine == "fast" and result.messages == 8 * 2 * 1023 * 1024 * (2 if library == "gloo" else 1)
    assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)
