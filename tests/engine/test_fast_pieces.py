"""Pieces of the fast engine by themselves: rounds, causes, links and their changes, steps layer by layer."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netsim import loading
from netsim.engine.fast import kernels
from netsim.engine.fast.events import EventPlay
from netsim.engine.fast.faults import Faults
from netsim.engine.fast.layers import Layers
from netsim.engine.fast.links import Sharing, _latencies, agenda_of
from netsim.engine.fast.patterns import FastNetwork, Meeting, neighbours
from netsim.engine.fast.rounds import FastPlay, _alike, _kinds, timetable
from netsim.engine.health import Health
from netsim.engine.plan import Plan, plan
from netsim.engine.record.story import _Lane
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star
from netsim.trace import Interruption, LinkChange

COLLECTIVES = FAMILIES["collectives"]
BASE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "1 MB/s", "latency": "1 ms"}},
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [10], "units": 10, "name": name} for name in "ab"]},
        "batch": 4, "strategy": "ring", "bucket": "layer",
    },
}  # fmt: skip


def planned(**changes: Any) -> Plan:
    return plan(loading.from_table(BASE, {name.replace("__", "."): value for name, value in changes.items()}))


def network(rates: list[float], *, queues: bool = False) -> FastNetwork:
    made = FastNetwork(
        star([Host(f"h{n}", Link(rate=rate, latency=1.0)) for n, rate in enumerate(rates)]), queues=queues
    )
    made.begin(made.links)
    return made


# Rounds


@pytest.mark.parametrize(
    ("src", "dst", "into", "onward"),
    [
        ([0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 2, 0]),  # a ring
        ([0, 2], [1, 3], [0, 1], [0, 1]),  # nobody both sends and gets: itself
        ([0, 1], [1, 3], [0, 0], [1, 1]),  # 0 to 1 to 3
        ([3, 1], [1, 0], [0, 0], [1, 1]),
        ([0, 0], [1, 2], [], []),  # a host sends two
        ([0, 1], [2, 2], [], []),  # or gets two
        ([], [], [], []),
    ],
)
def test_a_messages_neighbours_are_those_at_its_ends(
    src: list[int], dst: list[int], into: list[int], onward: list[int]
) -> None:
    found = neighbours(np.asarray(src, dtype=np.int32), np.asarray(dst, dtype=np.int32))
    assert [each.tolist() for each in found] == [into, onward]


def test_links_remember_what_they_carried_round_by_round() -> None:
    """A ring of 3 hosts in thirds of 30 bytes at 10 bytes/s: 4 rounds of 1 s on the wire and 1 s of latency."""
    for queues in (False, True):
        made = network([10.0, 10.0, 10.0], queues=queues)
        play = FastPlay(COLLECTIVES.build("ring"), 3, made, None, messages=12)
        assert play(np.zeros(3), 30.0).tolist() == [8.0] * 3
        assert play(np.full(3, 8.0), 30.0).tolist() == [16.0] * 3
        use = made.use()
        assert use["nbytes"].tolist() == [80.0] * 6 and use["messages"].tolist() == [8] * 6
        assert use["busy"].tolist() == [8.0] * 6
        assert (made.messages, made.nbytes, made.latency_sum, made.duration_sum) == (24, 240.0, 24.0, 48.0)
        assert made.links == 6


def test_a_message_is_as_long_on_its_way_as_its_slowest_link_and_in_a_queue_each_link_by_itself() -> None:
    for queues, busy in ((False, [2.0, 2.0]), (True, [1.0, 2.0])):
        made = network([10.0, 5.0], queues=queues)
        round_ = next(iter(COLLECTIVES.build("ring").rounds(2)))
        pattern = made.load(round_)
        assert pattern.wait.tolist() == [1.0, 1.0] and pattern.rates.tolist() == [5.0, 5.0]
        made.count(np.asarray([2.0, 2.0]), np.asarray([10.0, 10.0]), 1, 1)
        use = dict(zip(made.use()["link"].tolist(), made.use()["busy"].tolist(), strict=True))
        assert [use["h0.up"], use["h1.down"]] == busy


def test_what_meets_on_a_link_is_no_round() -> None:
    made, ring = network([10.0] * 3), next(iter(COLLECTIVES.build("ring").rounds(3)))
    with pytest.raises(Meeting, match=r"^several messages share a link$"):
        made.load(replace(ring, src=np.asarray([0, 1, 2]), dst=np.asarray([2, 2, 0])))
    with pytest.raises(Meeting, match=r"^a host gives something to itself$"):
        made.load(replace(ring, dst=ring.src))


def test_queues_play_whole_messages_that_nobody_records() -> None:
    for slices, record, plays in ((1, None, True), (2, None, False), (1, lambda *_, **__: None, False)):
        made = network([10.0] * 3, queues=True)
        play = FastPlay(COLLECTIVES.build({"kind": "ring", "slices": slices}), 3, made, None, messages=12)
        if plays:
            assert play(np.zeros(3), 30.0, record).tolist() == [8.0] * 3
        else:
            with pytest.raises(Meeting, match=r"^links serve messages in order of arrival$"):
                play(np.zeros(3), 30.0, record)


@pytest.mark.parametrize("kind", ["ring", "recursive_doubling", "halving_doubling"])
def test_one_host_of_each_class_is_played_for_all(kind: str) -> None:
    """Of 8 hosts all alike, and of those of which every other is late."""
    for late in (np.zeros(8), np.tile([0.0, 0.5], 4)):
        found = []
        for colours in (None, (late > 0).astype(np.int64)):
            made = network([10.0] * 8)
            play = FastPlay(COLLECTIVES.build(kind), 8, made, 100.0, messages=1e3, colours=colours)
            done = play(late, 80.0)
            use = made.use()
            carried = [use[name].tolist() for name in ("nbytes", "busy", "messages")]
            sums = made.messages, made.nbytes, made.latency_sum, made.duration_sum
            found.append((done.tolist(), *carried, *sums))
        for one, other in zip(*found, strict=True):
            assert other == pytest.approx(one, rel=1e-12)


def test_workers_are_alike_where_they_compute_alike_and_have_the_same_luck() -> None:
    groups = [{"count": 2}, {"count": 2, "slowdown": 2.0}]
    base = {**BASE, "cluster": {key: value for key, value in BASE["cluster"].items() if key != "workers"}}
    unequal = plan(loading.from_table(base, {"cluster.group": groups}))
    kinds, of = _kinds(unequal)
    assert (len(kinds), of.tolist(), _alike(unequal).tolist()) == (2, [0, 0, 1, 1], [0, 0, 1, 1])
    assert _alike(planned()).tolist() == [0] * 4
    assert len(set(_alike(planned(noise__jitter=0.3)).tolist())) == 4


def test_a_timetable_has_what_each_worker_computes_in_order() -> None:
    the_plan = planned()
    forward, gaps, update = timetable(the_plan)
    (computing,) = set(the_plan.computing)
    assert forward.tolist() == [computing.lead] * 4 and update.tolist() == [computing.update] * 4
    assert gaps.tolist() == [list(computing.backward_until(the_plan.buckets))] * 4 and gaps.shape == (4, 3)


# What leads to what


def test_a_message_waits_for_the_end_that_comes_to_it_later_at_one_moment_for_what_happened_last() -> None:
    lane = _Lane(np.asarray([1.0, 2.0, 2.0]), np.asarray([7, 5, 6]))
    one, other = np.asarray([0, 1, 1, 2]), np.asarray([1, 0, 2, 1])
    assert lane.latest(one, other).tolist() == [5, 5, 6, 6]


def test_a_host_goes_on_with_the_latest_of_what_it_waited_for() -> None:
    lane = _Lane(np.asarray([1.0, 2.0, 3.0]), np.asarray([7, 5, 6]))
    lane.go_on(np.asarray([0, 0, 1, 2]), np.asarray([5.0, 4.0, 2.0, 2.5]), np.asarray([10, 11, 12, 13]))
    assert (lane.ready.tolist(), lane.because.tolist()) == ([5.0, 2.0, 3.0], [10, 12, 6])


# Links


@pytest.mark.parametrize(
    ("sharing", "forwarding", "made"),
    [
        ("fair", "cut_through", Sharing(queues=False, cuts_through=True)),
        ("fifo", "cut_through", Sharing(queues=True, cuts_through=True)),
        ("fifo", "store_and_forward", Sharing(queues=True, cuts_through=False)),
    ],
)
def test_how_links_are_shared(sharing: str, forwarding: str, made: Sharing) -> None:
    assert Sharing.of(sharing, forwarding) == made
    assert Sharing() == Sharing(queues=False, cuts_through=True)


def test_each_hop_has_its_share_of_a_routes_latency() -> None:
    topology: Any = SimpleNamespace(latencies=[1.0, 3.0, 0.0])
    assert _latencies(topology, (0, 1)) == [1.0, 3.0]
    assert _latencies(topology, (2, 2)) == [0.0, 0.0]
    assert _latencies(topology, (0, 2)) == [1.0, 0.0]


def test_an_agenda_begins_with_nothing_in_it() -> None:
    agenda = agenda_of(3)
    assert agenda.size == 0


class Kernel:
    """A network's kernel as `Faults` sees it."""

    def __init__(self) -> None:
        self.asks, self.coming, self.interruptions = 1, False, 0
        self.told: list[tuple[Any, ...]] = []

    def change_at(self, *change: Any) -> None:
        self.told.append(change)
        self.coming = True


def faults(changes: dict[int, list[tuple[float, float]]]) -> Faults:
    topology: Any = SimpleNamespace(names=["x", "y"], rates=[10.0, 20.0])
    return Faults({link: Health(each) for link, each in changes.items()}, topology, [(0, 1), (1, 0)])


def test_changes_of_all_links_are_told_one_after_another_and_which_is_a_links_last() -> None:
    told, kernel = faults({0: [(1.0, 0.5), (3.0, 1.0)], 1: [(2.0, 0.0)]}), Kernel()
    for _ in range(4):
        told.tell(kernel, np.zeros(8))
        told.tell(kernel, np.zeros(8))  # one that is still to come is not told again
        kernel.coming = False
    assert kernel.told == [(0, 0.5, 1.0, False), (1, 0.0, 2.0, True), (0, 1.0, 3.0, True)]
    assert kernel.asks == 0


def test_changes_before_the_end_are_listed_and_not_those_at_it() -> None:
    listed = [LinkChange(1.0, "x", 0.5), LinkChange(2.0, "y", 0.0)]
    for until, many in ((0.5, 0), (1.0, 0), (1.5, 1), (2.0, 1), (2.5, 2), (9.0, 3)):
        told = faults({0: [(1.0, 0.5), (3.0, 1.0)], 1: [(2.0, 0.0)]})
        assert told.changes(until) == [*listed, LinkChange(3.0, "x", 1.0)][:many]
    ahead, kernel = faults({0: [(1.0, 0.5), (3.0, 1.0)]}), Kernel()
    ahead.tell(kernel, np.zeros(8))
    assert ahead.changes(1.0) == []  # it was told of, but came too late
    assert ahead.changes(1.5) == listed[:1]


def test_messages_that_met_a_link_that_was_down_are_taken_down_once() -> None:
    told, kernel = faults({0: [(1.0, 0.0)]}), Kernel()
    kernel.interruptions = 2
    told.take_down(kernel, np.asarray([1.5, 0, 1, 7.0, 2.5, 1, 0, 8.0, 9.0, 9, 9, 9.0]))
    assert told.interruptions == [
        Interruption(1.5, "x", 1, 0, 7.0, "waits"), Interruption(2.5, "y", 0, 1, 8.0, "waits")
    ]  # fmt: skip
    assert kernel.interruptions == 0


@pytest.mark.parametrize(
    ("start", "now", "nbytes", "stretches", "interrupted"),
    [
        (0.0, 0.0, 10.0, [(0.0, 1.0, 10.0)], []),
        (0.0, 0.0, 20.0, [(0.0, 1.0, 10.0), (1.0, 3.0, 0.0), (3.0, 4.0, 10.0)], [1.0]),
        (2.0, 1.5, 10.0, [(2.0, 3.0, 0.0), (3.0, 4.0, 10.0)], [2.0]),
        (2.0, 2.5, 10.0, [(2.0, 3.0, 0.0), (3.0, 4.0, 10.0)], [2.5]),
        (3.0, 3.0, 10.0, [(3.0, 4.0, 10.0)], []),
    ],
)
def test_a_queue_passes_a_message_around_a_failure(
    start: float, now: float, nbytes: float, stretches: Any, interrupted: list[float]
) -> None:
    """The link is down from 1 to 3 s."""
    told = faults({0: [(1.0, 0.0), (3.0, 1.0)]})
    assert told.passes(0, 1, nbytes, start, now) == stretches
    assert told.interruptions == [Interruption(at, "x", 1, 0, nbytes, "waits") for at in interrupted]


def test_what_goes_wrong_in_a_kernels_midst_is_kept_for_later() -> None:
    told = faults({0: []})
    assert told.raised is None
    assert told.passes(7, 0, 10.0, 2.0, 2.0) == [(2.0, math.inf, 0.0)]
    assert isinstance(told.raised, KeyError)


# Steps layer by layer, and events


def test_layers_have_their_times_and_buckets() -> None:
    nothing = Layers.none()
    assert (len(nothing), nothing.forward.shape, len(nothing.bucket_of)) == (0, (1, 0, 0), 0)
    the_plan = planned(job__next_forward="by_layer", job__partition="100 B", job__accumulate=2)
    luck = np.asarray([[1.0, 2.0, 1.0, 1.0]])
    layers = Layers.of(the_plan, luck)
    (computing,) = set(the_plan.computing)
    assert len(layers) == 2
    assert layers.forward[0].tolist() == [
        [each * times for each in computing.forward] for times in (1.0, 2.0, 1.0, 1.0)
    ]
    assert layers.update[0, 1].tolist() == pytest.approx([computing.update] * 2)  # halves of it, with luck 2
    for layer, buckets in enumerate(the_plan.buckets_of):
        assert layers.bucket_of[layers.first_of[layer] : layers.first_of[layer + 1]].tolist() == buckets
    lead = computing.lead - sum(computing.forward)
    assert layers.leads(the_plan, luck).tolist() == [pytest.approx([lead, 2 * lead, lead, lead])]
    assert len(layers.arrays(range(3))["forward_end"]) == 3 * 4 * 2
    assert len(Layers.of(planned(), luck)) == 0


def test_events_are_refused_where_a_host_gives_something_to_itself_or_nobody_sends() -> None:
    topology = star([Host(f"h{n}", Link(rate=10.0, latency=0.0)) for n in range(2)])
    with pytest.raises(Meeting, match=r"^there is nothing to send$"):
        EventPlay.of(COLLECTIVES.build("ring"), 1, topology, [1.0], streams=1, sharing=Sharing())


def test_kernels_have_the_names_of_their_files() -> None:
    assert {file.stem for file in kernels.FOLDER.glob("*.pxd")} == set(kernels.NAMES)
