"""Messages that wait for their receiver's word: of every kind, and what the word costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective
from netsim.engine.run import simulate
from netsim.engine.single import CollectiveResult, collective
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies.base import Host, Topology
from netsim.validation import gloo

from .test_every_collective import fits

NAMES = FAMILIES["collectives"].names()
IN_STEP = ("bcube", "bruck", "direct", "halving_doubling", "rabenseifner", "recursive_doubling", "ring", "torus")
RATE, LATENCY, SIZE = 1e8, 1e-3, 1e6


def played(kind: Collective, ranks: int = 8, **changes: Any) -> CollectiveResult:
    return collective(kind, **{"ranks": ranks, "size": SIZE, "rate": RATE, "latency": LATENCY, **changes})


def member(name: str, **fields: Any) -> Collective:
    built: Collective = FAMILIES["collectives"].build({"kind": name, **fields})
    return built


@pytest.mark.parametrize("ranks", [2, 3, 8])
@pytest.mark.parametrize("name", NAMES)
def test_a_word_costs_at_most_a_latency_a_message_and_no_bytes(name: str, ranks: int) -> None:
    kind = member(name)
    if not fits(kind, ranks):
        return
    for sharing in ("fair", "fifo"):
        plain, far = (played(kind, ranks, latency=latency, sharing=sharing) for latency in (LATENCY, 2 * LATENCY))
        said = played(replace(kind, rendezvous=True), ranks, sharing=sharing)
        assert plain.time_s * (1 - 1e-9) <= said.time_s <= far.time_s * (1 + 1e-9)
        assert said.messages == 2 * plain.messages
        assert said.wire_bytes == plain.wire_bytes
        assert said.busiest_link_bytes == plain.busiest_link_bytes


@pytest.mark.parametrize("name", IN_STEP)
def test_ranks_in_step_wait_twice_as_long(name: str) -> None:
    said, far = played(member(name, rendezvous=True)), played(member(name), latency=2 * LATENCY)
    assert said.time_s == pytest.approx(far.time_s, rel=1e-9)


def test_a_receiver_that_is_there_first_has_said_so_in_time() -> None:
    """A chain passes a broadcast on: all but the first wait for it, and their words have come."""
    broadcast = member("tree", arity=1, operation="broadcast", rendezvous=True)
    steps = 3 * (LATENCY + SIZE / RATE)
    assert played(broadcast, 4).time_s == pytest.approx(LATENCY + steps)
    assert played(broadcast, 4, late={0: 0.5}).time_s == pytest.approx(0.5 + steps)
    assert played(broadcast, 4, late={3: 0.5}).time_s == pytest.approx(0.5 + 2 * LATENCY + SIZE / RATE)


def test_a_word_waits_behind_what_its_receiver_sends_where_links_have_queues() -> None:
    """Two ranks swap two buffers: in queues, and on one connection, the second word waits behind the first buffer."""
    kind, c = Ring(slices=2, rendezvous=True), SIZE / 4 / RATE
    assert c > 2 * LATENCY
    for sharing in ("fair", "fifo"):
        late = played(kind, 2, sharing=sharing).time_s - played(replace(kind, rendezvous=False), 2).time_s
        assert 0 < late <= 2 * (2 * LATENCY + c)
    shared, queued = (played(replace(kind, slices=3), size=2e7, sharing=sharing).time_s for sharing in ("fair", "fifo"))
    assert queued > shared * 1.01


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    sliced=st.sampled_from([{}, {"slices": 3}, {"slices": 5, "in_flight": 2}, {"library": "gloo"}]),
    sharing=st.sampled_from(["fair", "fifo"]),
    topology=st.sampled_from(["star", "line", "ring"]),
    ranks=st.sampled_from([2, 4, 5]),
    adding=st.sampled_from([None, 3e9]),
    slow=st.booleans(),
    late=st.sampled_from([0.0, 1e-3]),
)
def test_both_engines_agree_on_words(
    name: str, sliced: dict[str, Any], sharing: str, topology: str, ranks: int, adding: float | None, slow: bool,
    late: float,
) -> None:  # fmt: skip
    kind = member(name, **{"rendezvous": True, **sliced})
    if not fits(kind, ranks):
        return
    how: dict[str, Any] = {"sharing": sharing, "reduction_rate": adding, "late": {1: late}}
    how |= {"links": {0: Link(rate=4e7, latency=LATENCY)} if slow else {}}
    how["topology"] = FAMILIES["topologies"].build(topology)
    fast, simpy = (played(kind, ranks, **how, engine=engine) for engine in ("fast", "simpy"))
    assert fast.time_s == pytest.approx(simpy.time_s, rel=1e-9)
    assert (fast.messages, fast.wire_bytes) == (simpy.messages, pytest.approx(simpy.wire_bytes, rel=1e-12))
    assert fast.busiest_link_bytes == pytest.approx(simpy.busiest_link_bytes, rel=1e-12)


@pytest.mark.parametrize("symmetry", [True, False])
def test_rings_are_played_at_a_stroke(symmetry: bool) -> None:
    for kind in (Ring(rendezvous=True), Ring(library="gloo"), Ring(slices=4, in_flight=2, rendezvous=True)):
        result = played(kind, 64, size=256e6, symmetry=symmetry)
        assert result.engine == "fast"
        assert result.time_s == pytest.approx(result.ideal_time_s, rel=1e-9)


@pytest.mark.parametrize(("ranks", "segments"), [(2, 2), (3, 2), (4, 16), (8, 5)])
@pytest.mark.parametrize("latency", [1e-4, 1e-2])
def test_gloo_s_ring_is_what_its_own_loop_takes_in_queues(ranks: int, segments: int, latency: float) -> None:
    """The loop of gloo/allreduce.cc, as `netsim validate` plays it, whose words have 48 bytes."""
    size, link = ranks * segments * 2.0**20, Link(rate=1.25e8, latency=latency)
    kind = Ring(library="gloo")
    assert kind.lanes(size, ranks) == segments
    own = gloo.seconds(ranks, size, segments, 2, link, late={})
    ours = played(kind, ranks, size=size, rate=1.25e8, latency=latency, sharing="fifo", topology=leaving).time_s
    assert ours == pytest.approx(own, rel=2e-4)


def leaving(hosts: Any) -> Topology:
    """Links that are shaped where they leave the hosts."""
    machines: list[Host] = list(hosts)
    return gloo.shaped(len(machines), machines[0].link)


def test_a_window_of_steps_moves_on_in_order_from_one_exchange_to_the_next() -> None:
    """Of two steps that end at one moment, whichever is told first: a lane's next one begins when its last is over."""
    table = {
        "iterations": 2,
        "cluster": {"workers": 4, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "5 ms"}, "sharing": "fifo"},
        "job": {
            "model": "resnet50",
            "batch": 32,
            "bucket": "ddp",
            "strategy": {"kind": "ring", "library": "gloo"},
        },
    }
    fast, simpy = (simulate(loading.from_table(table), engine=engine, detail="summary") for engine in ("fast", "simpy"))
    assert fast.engine == "fast"
    assert fast.steps["end"].max() == pytest.approx(simpy.steps["end"].max(), rel=1e-9)
