"""What a plan makes of a scenario, figure by figure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netsim import loading
from netsim.engine.plan import Plan, plan

# Layers a, b, c of 100, 200 and 300 parameters, and nothing for a kernel but its overhead: 1 ms forward, 2 backward.
BASE: dict[str, Any] = {
    "iterations": 4,
    "cluster": {
        "workers": 4,
        "device": {
            "peak": {"fp32": "1 Tflop/s"}, "memory_rate": "900000 TB/s", "kernel_overhead": "1 ms",
            "efficiency": {"dense": 1.0, "elementwise": 1.0, "memory": 1.0},
        },
        "link": {"rate": "1 MB/s", "latency": "1 ms"},
    },
    "job": {
        "model": {"layers": [
            {"kind": "dense", "input_shape": [10], "units": 10 * n, "bias": False, "name": name}
            if n == 1 else
            {"kind": "dense", "input_shape": [10 * (n - 1)], "units": 10 * n, "bias": False, "name": name}
            for n, name in ((1, "a"), (2, "b"), (3, "c"))
        ]},
        "batch": 8, "strategy": "ring", "bucket": "layer",
    },
}  # fmt: skip
SIZES = [2400.0, 800.0, 400.0]  # bytes of the buckets c, b, a: 20 x 30, 10 x 20 and 10 x 10 floats
SERVERS = {"kind": "parameter_server"}


def planned(**changes: Any) -> Plan:
    return plan(loading.from_table(BASE, {name.replace("__", "."): value for name, value in changes.items()}))


def test_buckets_hold_the_gradients_of_layers_from_the_last_one_on() -> None:
    the_plan = planned()
    assert [(each.name, each.nbytes, tuple(each.layers)) for each in the_plan.buckets] == [
        ("c", 2400.0, (2,)), ("b", 800.0, (1,)), ("a", 400.0, (0,))
    ]  # fmt: skip
    assert the_plan.gradient_bytes == (400.0, 800.0, 2400.0)
    assert the_plan.buckets_of == [[2], [1], [0]]
    assert planned(cluster__workers=1).buckets == ()
    cut = planned(job__partition="300 B")
    assert sorted(number for each in cut.buckets_of for number in each) == list(range(len(cut.buckets)))
    assert [len(each) for each in cut.buckets_of] == [2, 3, 8]
    assert (the_plan.named(1), the_plan.named("gather b")) == ("b", "gather b")


def test_a_forward_pass_alone_pulls_what_it_needs_first_and_all_reduces_nothing() -> None:
    forward = {"job__forward_only": True, "job__overlap": False}
    pulled = planned(job__strategy=SERVERS, **{"job__forward_only": True})
    assert [each.name for each in pulled.buckets] == ["a", "b", "c"]
    assert planned(**forward).buckets == ()


def test_slices_of_the_first_layers_are_the_most_urgent() -> None:
    assert planned().priorities == [None, None, None]
    assert planned(job__schedule="priority").priorities == [2, 1, 0]
    assert planned(job__schedule="priority", job__bucket="all").priorities == [0]


@pytest.mark.parametrize(("steps", "exchanged"), [(1, [0, 1, 2, 3, 4, 5]), (2, [1, 3, 5]), (3, [2, 5])])
def test_gradients_are_exchanged_at_the_end_of_so_many_steps(steps: int, exchanged: list[int]) -> None:
    the_plan = planned(job__local_steps=steps, iterations=6)
    assert [iteration for iteration in range(6) if the_plan.exchanges(iteration)] == exchanged


def test_what_is_sent_of_a_byte_of_gradients() -> None:
    assert [share for _, share in planned().sent] == [1.0, 1.0, 1.0]
    half = planned(job__compression={"ratio": 0.5})
    assert [(each.nbytes, share) for each, share in half.sent] == [(size / 2, 0.5) for size in SIZES]


def test_servers_own_split_or_whole_tensors() -> None:
    split = planned(job__strategy={**SERVERS, "servers": 2})
    assert split.owned == ((200.0, 200.0), (400.0, 400.0), (1200.0, 1200.0))
    assert split.owned_of_buckets == [[1200.0, 1200.0], [400.0, 400.0], [200.0, 200.0]]
    whole = planned(job__strategy={**SERVERS, "servers": 2, "keys": "whole"}, job__bucket="all")
    (sums,) = whole.owned_of_buckets
    assert sum(sums) == sum(SIZES) and set(sums) <= {400.0 + 2400, 800.0, 400.0, 800.0 + 2400, 1200.0, 2400.0}


@pytest.mark.parametrize(
    ("changes", "at_once", "needed"),
    [
        ({}, False, 4),
        ({"job__strategy": SERVERS}, False, 4),
        ({"job__strategy": {**SERVERS, "backup": 1}}, False, 3),
        ({"job__strategy": {**SERVERS, "mode": "async"}}, True, 4),
        ({"job__strategy": {**SERVERS, "mode": "ssp"}}, True, 4),
    ],
    ids=str,
)
def test_how_many_gradients_an_iteration_takes(changes: dict[str, Any], at_once: bool, needed: int) -> None:
    ways = planned(**changes).ways
    assert ways == {"at_once": at_once, "needed": needed, "stops": False, "serving_costs": False}


@pytest.mark.parametrize(
    ("changes", "stops", "costs"),
    [
        ({"cluster__stop": [{"host": "worker1", "at": "1 s", "lasts": "1 s"}]}, True, False),
        ({"job__recovery": {"checkpoint_every": 1}}, True, False),
        ({"job__strategy": SERVERS, "cluster__server_rate": "1 GB/s"}, False, True),
        ({"job__strategy": SERVERS, "cluster__server_device": "v100"}, False, True),
    ],
    ids=str,
)
def test_whether_hosts_stop_and_servers_cost(changes: dict[str, Any], stops: bool, costs: bool) -> None:
    the_plan = planned(**changes)
    assert (the_plan.ways["stops"], the_plan.ways["serving_costs"], the_plan.stops) == (stops, costs, stops)
    assert the_plan.closed_form is None


def test_messages_are_counted_lane_by_lane_and_no_further_than_is_asked_for() -> None:
    assert planned().messages_per_iteration() == 3 * 2 * 3 * 4
    assert planned(job__strategy={"kind": "ring", "slices": 5}).messages_per_iteration() == 5 * 3 * 2 * 3 * 4
    assert planned().messages_per_iteration(enough=1.0) > 1


REGULAR: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"job__strategy": SERVERS}, True),
    ({"job__streams": 2}, True),
    ({"job__sharding": "zero1"}, False),
    ({"job__local_steps": 2}, False),
    ({"job__schedule": "priority"}, False),
    ({"job__forward_only": True}, False),
    ({"noise__jitter": 0.1}, False),
    ({"cluster__group": [{"count": 2}, {"count": 2, "slowdown": 2}], "cluster__workers": None}, False),
]


@pytest.mark.parametrize(("changes", "regular"), REGULAR, ids=str)
def test_steps_are_regular_where_all_are_the_same(changes: dict[str, Any], regular: bool) -> None:
    if "cluster__workers" in changes:
        base = {**BASE, "cluster": {k: v for k, v in BASE["cluster"].items() if k != "workers"}}
        the_plan = plan(loading.from_table(base, {"cluster.group": changes["cluster__group"]}))
    else:
        the_plan = planned(**changes)
    assert the_plan.regular is regular
    assert regular or the_plan.closed_form is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"job__schedule": "priority"}, None),
        ({"noise__jitter": 0.1}, None),
        ({"noise__layer_jitter": 0.1}, "every layer has noise of its own"),
        ({"noise__layer_jitter": 0.1, "cluster__workers": 1}, "every layer has noise of its own"),
        ({"job__bucket": "horovod"}, "buckets are made as gradients come"),
        ({"job__sharding": "zero1"}, "parts of parameters are gathered"),
        ({"job__sharding": "zero1", "cluster__workers": 1}, None),
        ({"job__local_steps": 2}, "gradients are exchanged in some steps only"),
        ({"job__forward_only": True, "job__strategy": SERVERS}, "weights are pulled, and no gradients pushed"),
    ],
    ids=str,
)
def test_what_is_decided_only_as_a_run_goes_on(changes: dict[str, Any], reason: str | None) -> None:
    assert planned(**changes).unforeseen == reason


def test_the_closed_form_of_a_step_is_computing_then_rings_of_what_is_ready() -> None:
    """3 ms forward; then backward c, b, a of 2, 2 and 1 ms, as the first layer needs no gradient of its input."""
    the_plan = planned()
    (computing,) = set(the_plan.computing)
    assert computing.forward == pytest.approx([1e-3] * 3, rel=1e-4)  # a kernel's overhead
    backward = list(computing.backward)
    end, ready = 0.0, math.fsum(computing.forward)
    for size, took in zip(SIZES, reversed(backward), strict=True):
        ready += took
        end = max(end, ready) + 6 * (1e-3 + size / 4 / 1e6)
    assert the_plan.closed_form == pytest.approx(end + computing.update, rel=1e-12)
    late = planned(job__overlap=False)
    rings = sum(6 * (1e-3 + size / 4 / 1e6) for size in SIZES)
    assert late.closed_form == pytest.approx(computing.until_update + rings + computing.update, rel=1e-12)
    quick = planned(cluster__link__rate="1 TB/s", cluster__link__latency="0 s")
    assert quick.closed_form == pytest.approx(computing.total, rel=1e-6)


def test_the_bound_of_a_regular_step_is_not_above_its_closed_form_nor_below_its_parts() -> None:
    for changes in ({}, {"job__strategy": SERVERS}, {"job__overlap": False}):
        the_plan = planned(**changes)
        bound, form = the_plan.lower_bound(4), the_plan.closed_form
        assert form is not None and the_plan.computing[0].total < bound <= form


def test_irregular_workers_are_bound_by_their_own_computing_or_by_their_ports() -> None:
    drawn = planned(noise__jitter=0.5, cluster__link__rate="1 TB/s")
    factors = drawn.scenario.noise.factors(drawn.scenario.seed, 4, 4)
    longest = drawn.computing[0].total * factors.mean(axis=1).max()
    assert drawn.lower_bound(4) == pytest.approx(longest, rel=1e-12)
    narrow = planned(noise__jitter=0.5, cluster__link__rate="1 kB/s")
    assert narrow.lower_bound(4) == pytest.approx(2 * 3 / 4 * 3600 / 1e3, rel=1e-9)
    layers = planned(noise__layer_jitter=0.5, cluster__link__rate="1 TB/s")
    totals = [math.fsum(layers.step_of(worker, step).total for step in range(4)) / 4 for worker in range(4)]
    assert layers.lower_bound(4) == pytest.approx(max(totals), rel=1e-12)


def test_of_workers_that_may_be_dropped_the_fastest_in_its_luckiest_step_is_the_bound() -> None:
    recovery = {"workers": "drop", "timeout": "1 ms"}
    the_plan = planned(noise__jitter=0.5, job__recovery=recovery, cluster__stop=[{"host": "worker1", "at": "1 s"}])
    for steps in (2, 4, 6):
        luck = the_plan.scenario.noise.factors(the_plan.scenario.seed, 4, max(4, steps))
        assert the_plan.lower_bound(steps) == pytest.approx(the_plan.computing[0].total * luck.min(), rel=1e-12)


def test_workers_that_do_not_wait_are_no_faster_than_the_sum_of_their_paces() -> None:
    """Each as fast as it was on the mean over any number of first steps."""
    wide = {"cluster__link__rate": "1 TB/s", "job__strategy": {**SERVERS, "mode": "async"}}
    even, drawn = planned(**wide), planned(noise__jitter=0.5, **wide)
    alone = even.computing[0].total
    assert even.lower_bound(4) == pytest.approx(alone, rel=1e-9)  # each of four makes a fourth of the steps
    for steps in (3, 4, 7):
        luck = drawn.scenario.noise.factors(drawn.scenario.seed, 4, max(4, steps))
        paces = [min(row[: n + 1].mean() for n in range(len(row))) for row in luck]
        assert drawn.lower_bound(steps) == pytest.approx(4 / sum(1 / (alone * pace) for pace in paces), rel=1e-9)


def test_exchanged_bytes_are_those_of_a_forward_pass_alone_by_half() -> None:
    assert planned(job__strategy=SERVERS, job__forward_only=True).exchanged_bytes == pytest.approx(3600 / 2)
    assert planned(job__sharding="zero3", job__accumulate=2).exchanged_bytes == pytest.approx(3600 * 2.5)
    assert planned(job__local_steps=3, iterations=3).exchanged_bytes == pytest.approx(3600 / 3)


def test_factors_of_steps_beyond_the_last_are_drawn_once_and_for_all() -> None:
    the_plan = planned(noise__jitter=0.5)
    first = [the_plan.factor(1, step) for step in (3, 4, 11, 5, 40, 4)]
    long = the_plan.scenario.noise.factors(the_plan.scenario.seed, 4, 50)[1]
    assert first == [long[step] for step in (3, 4, 11, 5, 40, 4)]
    assert the_plan.factor(1, 3) != the_plan.factor(2, 3)
    assert np.array_equal(the_plan.factors, the_plan.scenario.noise.factors(the_plan.scenario.seed, 4, 4))


def test_a_step_without_an_exchange_encodes_nothing() -> None:
    the_plan = planned(job__local_steps=2, job__compression={"ratio": 0.5, "encode": "1 MB/s"})
    assert the_plan.step_of(0, 0).encode == ()
    assert len(the_plan.step_of(0, 1).encode) == 3


def test_neighbours_share_the_first_hosts_and_have_others_behind_the_jobs_own() -> None:
    """A job of 4 workers; one neighbour on 2 of its hosts with a server of its own, one of 3 workers apart."""
    job = {key: BASE["job"][key] for key in ("model", "batch", "bucket")}
    neighbours = [
        {"name": "shares", "workers": 2, "placement": "colocated", "job": {**job, "strategy": SERVERS}},
        {"name": "apart", "workers": 3, "job": {**job, "strategy": "ring"}},
    ]
    the_plan = planned(neighbour=neighbours)
    assert [(guest.name, guest.hosts) for guest in the_plan.guests] == [("shares", (0, 1, 4)), ("apart", (5, 6, 7))]
    assert len(the_plan.all_hosts) == 8 and the_plan.all_hosts[:4] == the_plan.hosts
    assert not the_plan.undisturbed and planned().undisturbed
