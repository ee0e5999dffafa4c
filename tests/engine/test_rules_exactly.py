"""Rules of `--check` on records made by hand: what is just right is not told, what is off by a little more than sums of
floats are is told, in full."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netsim.engine import invariants
from netsim.engine.messages import STUCK
from netsim.trace import NO_CAUSE, Activity, Columns, LinkBin, LinkChange, LinkUse, Span, Transfer, Update, WorkerStep

SHARE, DUST = 1e-9, 1e-11  # what sums of floats may be off by: of bytes or seconds, and of the time on the clock


def traffic(rows: list[tuple[float, ...]], **more: Any) -> Any:
    """Messages from a to b over one link of 10 bytes/s: (bytes, sent, start, end, latency)."""
    nbytes, sent, start, end, latency = np.asarray(rows, dtype=float).reshape(-1, 5).T
    rate = more.pop("rate", 10.0)
    known: dict[str, Any] = {
        "complete": True, "undisturbed": True, "whole_ways": True,
        "nbytes": nbytes, "sent": sent, "start": start, "end": end, "latency": latency, "wire": nbytes / rate,
        "by_link": {0: np.arange(len(nbytes))}, "burst": lambda link: 0.0, "told": lambda row: f"message {row}",
        "topology": SimpleNamespace(rates=[rate], names=["wire"]),
    }  # fmt: skip
    return SimpleNamespace(**known | more)


def rows_told(found: Any) -> list[int]:
    """Which messages are told of."""
    return [int(told.split()[1]) for told in found]


# Messages and links


def test_a_way_leads_from_its_source_to_its_destination() -> None:
    topology = SimpleNamespace(ends=[("a", "s"), ("s", "b"), ("b", "a")], both_ways={2})
    known: dict[str, Any] = {
        "hosts": ("a", "b"), "topology": topology, "between": lambda src, dst: f"{src} to {dst}",
        "named": lambda route: [str(link) for link in routes[route]],
    }  # fmt: skip
    routes = [(0, 1), (2,), (1, 0), (), (0,)]

    def told(*places: tuple[int, int, int]) -> list[str]:
        traffic: Any = SimpleNamespace(routes=routes, places=tuple(zip(*places, strict=True)), **known)
        return sorted(invariants.messages_take_ways_that_there_are(traffic))

    assert told((0, 1, 0), (0, 1, 1), (1, 0, 1)) == []  # the third link goes both ways
    assert told((1, 0, 0)) == ["1 to 0 went over 0, 1"]
    assert told((0, 1, 2)) == ["0 to 1 went over 1, 0"]  # in the wrong order
    assert told((0, 1, 3), (0, 1, 4)) == ["0 to 1 went over 0", "0 to 1 went over no link"]
    assert told((0, 0, 3)) == []  # it is there already


@pytest.mark.parametrize(
    ("sent", "start", "end", "told"),
    [
        (1.0, 1.0, 3.0, False),
        (1.0, 2.0, 3.0, False),
        (1.0, 3.0, 3.0, False),  # its bytes were no longer on their way than allowed: that says the next test
        (1.0, 0.999, 3.0, True),
        (1.0, 3.001, 3.0, True),
        (3.5, 3.5, 3.0, True),
        (math.nan, 1.0, 3.0, True),
    ],
)
def test_a_message_is_sent_then_begins_then_is_there(sent: float, start: float, end: float, told: bool) -> None:
    found = list(invariants.no_message_comes_before_it_is_sent(traffic([(0, sent, start, end, 0)])))
    assert bool(found) is told
    if told:
        times = f"sent at {sent:.9g} s, begun at {start:.9g} s, there at {end:.9g} s"
        assert found[0] == f"message 0 was {times}"


def test_a_message_takes_at_least_its_latency_and_its_bytes() -> None:
    """10 bytes at 10 bytes/s, and 1 s of latency: 2 s, less what sums of floats are off by."""
    for early, told in ((0.0, []), (2 * SHARE, []), (2 * SHARE + 2 * DUST, []), (3 * SHARE, [1]), (0.5, [1])):
        found = invariants.no_message_comes_before_it_is_sent(
            traffic([(10, 0, 0, 2, 1), (10, 0, 0, 2 - early * 0.99, 1)])
        )
        assert rows_told(found) == told, early
    far = 1e6  # where the clock says a million seconds, times are known to 10 us
    late = traffic([(10, far, far, far + 2 - 0.9e-5, 1), (10, far, far, far + 2 - 1.1e-5, 1)])
    assert list(invariants.no_message_comes_before_it_is_sent(late)) == [
        "message 1 took 1.99998900 s; its route needs 2 s".replace("1.99998900", f"{late.end[1] - far:.9g}")
    ]
    assert not list(invariants.no_message_comes_before_it_is_sent(traffic([(10, 0, 0, 1, 1)], whole_ways=False)))
    assert list(invariants.no_message_comes_before_it_is_sent(traffic([(10, 0, 2, 1, 1)], whole_ways=False)))


def test_a_link_passes_no_more_than_its_rate_between_two_moments() -> None:
    """Messages of 10 bytes that begin and end within 2 s: at 10 bytes/s two of them may, three may not."""
    two = [(10, 0, 1, 2.5, 0), (10, 0, 1.5, 3, 0)]
    assert not list(invariants.no_link_is_above_its_rate(traffic(two)))
    told = list(invariants.no_link_is_above_its_rate(traffic([*two, (10, 0, 1, 3, 0)])))
    assert told == ["wire passed 30 B from 1 s to 3 s; it could pass 20 B"]
    assert not list(invariants.no_link_is_above_its_rate(traffic([*two, (10, 0, 1, 3, 0)], whole_ways=False)))
    assert not list(invariants.no_link_is_above_its_rate(traffic([*two, (10, 0, 0, 3, 0)])))  # 20 from 1 s on
    assert not list(invariants.no_link_is_above_its_rate(traffic([*two, (10, 0, 1, 4, 0)])))
    assert not list(invariants.no_link_is_above_its_rate(traffic([*two, (10, 0, 1, 3, 0)], burst=lambda link: 10.0)))


@pytest.mark.parametrize(
    ("nbytes", "burst", "at", "told"),
    [
        (10 * (1 + 0.9 * SHARE), 0.0, 0.0, False),
        (10 * (1 + 1.2 * SHARE), 0.0, 0.0, True),
        (15 * (1 + 0.9 * SHARE), 5.0, 0.0, False),
        (15 * (1 + 1.2 * SHARE), 5.0, 0.0, True),
        (10 + 0.9e-4, 0.0, 1e6, False),  # of a million seconds, 10 us are dust, in which 1e-4 bytes pass
        (10 + 1.1e-4, 0.0, 1e6, True),
    ],
)
def test_how_far_a_link_may_seem_above_its_rate(nbytes: float, burst: float, at: float, told: bool) -> None:
    sent = traffic([(nbytes, at, at, at + 1, 0)], burst=lambda link: burst)
    assert bool(list(invariants.no_link_is_above_its_rate(sent))) is told


def test_one_violation_of_a_link_is_told_and_links_are_looked_at_one_by_one() -> None:
    rows = [(100.0, 0.0, 0.0, 1.0, 0.0)] * 3 + [(10.0, 0.0, 0.0, 1.0, 0.0)]
    two = traffic(rows, by_link={0: np.asarray([0, 1]), 1: np.asarray([3]), 2: np.asarray([2])})
    two.topology = SimpleNamespace(rates=[10.0, 10.0, 20.0], names=["one", "other", "third"])
    assert [told.split()[0] for told in invariants.no_link_is_above_its_rate(two)] == ["one", "third"]


def test_of_many_moments_some_are_looked_from() -> None:
    """Messages that leave a link idle every other second: of 128, every second one's beginning is looked from, and so
    what is too much in one second alone is found in every second one; of 127, it is found in each."""
    for many, missed in ((128, {125, 127}), (127, set[int]())):
        for heavy in (124, 125, 126, many - 1):
            rows = [(15.0 if at == heavy else 10.0, 2.0 * at, 2.0 * at, 2.0 * at + 1, 0.0) for at in range(many)]
            assert bool(list(invariants.no_link_is_above_its_rate(traffic(rows)))) is (heavy not in missed), heavy


def test_a_message_alone_takes_no_longer_than_its_latency_and_its_bytes() -> None:
    """2 s, and what sums of floats are off by."""
    for late, told in ((0.0, []), (1.5 * SHARE, []), (3 * SHARE, [0]), (1.0, [0])):
        sent = traffic([(10, 0, 1, 2 + late, 1)])
        assert rows_told(invariants.links_that_have_something_to_send_send(sent)) == told, late
    far = 1e6
    for late, told in ((0.9e-5, []), (1.2e-5, [0])):
        sent = traffic([(10, far, far + 1, far + 2 + late, 1)])
        assert rows_told(invariants.links_that_have_something_to_send_send(sent)) == told, late
    for doubt in ("complete", "undisturbed", "whole_ways"):
        assert not list(
            invariants.links_that_have_something_to_send_send(traffic([(10, 0, 1, 9, 1)], **{doubt: False}))
        )


def test_what_shared_a_link_explains_what_a_message_took() -> None:
    """20 bytes of another's began before it ended, so that 3 s may pass; not what began just when it ended, nor what
    had gone just when it was sent."""
    other, late, early = (20, 1, 1, 4, 0), (20, 4, 4, 6, 0), (20, -2, -2, 1, 0)
    links = invariants.links_that_have_something_to_send_send
    assert rows_told(links(traffic([(10, 1, 1, 4, 0), other]))) == []
    assert 0 in rows_told(links(traffic([(10, 1, 1, 4, 0), late])))
    assert 0 in rows_told(links(traffic([(10, 1, 1, 4, 0), early])))
    assert 0 not in rows_told(links(traffic([(10, 0.9, 1, 3.9, 0), early])))
    assert rows_told(links(traffic([(10, 1, 1, 3.1, 0), (10, 1, 1, 3.1, 0)]))) == [0, 1]


def test_each_link_of_a_way_explains_its_part() -> None:
    """Two links of 10 and 5 bytes/s: 10 bytes may take 1 and 2 s, and their latency."""
    links = invariants.links_that_have_something_to_send_send
    for end, told in ((3.5, []), (3.51, [0])):
        sent = traffic([(10, 0, 0, end, 0.5)], by_link={0: np.asarray([0]), 1: np.asarray([0])})
        sent.topology = SimpleNamespace(rates=[10.0, 5.0])
        assert rows_told(links(sent)) == told


def test_a_burst_that_passed_at_once_leaves_no_work_less_than_none() -> None:
    """What came before it began is as much as nothing: the other, in no time, was gone before it was there."""
    sent = traffic([(10, 1, 1, 2, 0), (30, 0, 5, 1, 0)])
    assert list(invariants.links_that_have_something_to_send_send(sent)) == [
        f"message {row} took 1 s; its links had work for 0 s of it" for row in (0, 1)
    ]


def counted(rows: list[tuple[float, ...]], carried: list[float], counts: list[int], **more: Any) -> list[str]:
    sent = traffic(rows, carried=carried, counts=counts, **more)
    sent.topology.names = ["wire", "other"]
    return list(invariants.links_carry_what_was_sent_over_them(sent))


def test_links_count_the_messages_and_bytes_of_the_records() -> None:
    rows = [(10.0, 0.0, 0.0, 1.0, 0.0), (20.0, 0.0, 0.0, 3.0, 0.0)]
    assert counted(rows, [30.0, 0.0], [2, 0]) == []
    assert counted(rows, [30.0, 0.0], [3, 0]) == ["wire counted 3 messages, 30 B; the records have 2, 30 B"]
    assert counted(rows, [30.0, 5.0], [2, 0]) == ["other counted 0 messages, 5 B; the records have 0, 0 B"]
    assert counted(rows, [30.0, 0.0], [2, 1]) == ["other counted 1 messages, 0 B; the records have 0, 0 B"]
    for off, told in ((0.9, 0), (1.2, 1), (-0.9, 0), (-1.2, 1)):
        assert len(counted(rows, [30.0 * (1 + off * SHARE), 0.0], [2, 0])) == told, off
    assert counted(rows, [0.0, 0.0], [0, 0], complete=False) == counted(rows, [0.0], [0], whole_ways=False) == []


# Runs


def run(*, facts: dict[str, Any] | None = None, **records: Any) -> Any:
    """A run of 100 s, whose hosts are a and b, with these records."""
    kinds: dict[str, Any] = {
        "links": LinkUse, "link_bins": LinkBin, "link_changes": LinkChange, "steps": WorkerStep, "spans": Span,
        "activities": Activity, "transfers": Transfer, "updates": Update,
    }  # fmt: skip
    plan = records.pop("plan", {})
    known = {name: Columns(kind, records.pop(name, [])) for name, kind in kinds.items()}
    trace = SimpleNamespace(hosts=("a", "b"), facts=facts or {}, **known)
    about: dict[str, Any] = {"length": 100.0, "dust": 100 * DUST, "bursts": {}, "servers": False, "in_step": True}
    return SimpleNamespace(trace=trace, plan=SimpleNamespace(stops=False, workers=2, **plan), **about | records)


@pytest.mark.parametrize(
    ("nbytes", "told"), [(10.0, False), (10 * (1 + 0.9 * SHARE), False), (10 + 1.5e-8, False), (10 + 2.5e-8, True)]
)
def test_a_link_is_busy_while_its_bytes_need(nbytes: float, told: bool) -> None:
    """For 1 s at 10 bytes/s; 1e-9 of it and of 100 s 1e-11, that is 2e-8 bytes, are dust."""
    found = list(invariants.links_are_busy_for_what_they_carry(run(links=[LinkUse("wire", 10.0, nbytes, 1.0, 1)])))
    assert found == ([f"wire carried {nbytes:.9g} B in 1 busy seconds at 80 bit/s"] if told else [])


def test_a_link_with_a_burst_may_carry_it_beside_what_passes_in_the_whole_run() -> None:
    for nbytes, told in ((1007.0, False), (1007.1, True)):
        use = [LinkUse("wire", 10.0, nbytes, 0.0, 1)]
        assert bool(list(invariants.links_are_busy_for_what_they_carry(run(links=use, bursts={"wire": 7.0})))) is told
    other = run(links=[LinkUse("wire", 10.0, 20.0, 1.0, 1)], bursts={"other": 7.0})
    assert list(invariants.links_are_busy_for_what_they_carry(other))


def test_a_bin_holds_no_more_than_its_link_could_pass_then() -> None:
    """10 bytes/s, half of it from 1 s on: in 2 s 15 bytes, a millionth more, and twice a burst."""
    changes = [LinkChange(1.0, "wire", 0.5), LinkChange(0.0, "other", 0.0)]
    use = [LinkUse(name, 10.0, 0.0, 0.0, 0) for name in ("wire", "other")]

    def told(name: str, nbytes: float, **more: Any) -> list[str]:
        bins = [LinkBin(name, 0.0, 2.0, nbytes)]
        return list(
            invariants.no_link_passes_more_than_failures_leave(
                run(link_bins=bins, link_changes=changes, links=use, **more)
            )
        )

    assert told("wire", 15.0) == told("wire", 15 * (1 + 0.9e-6)) == told("other", 0.0) == told("other", 0.9e-8) == []
    assert told("wire", 15.1) == ["wire passed 15.1 B from 0 s to 2 s; it could pass 15 B"]
    assert told("wire", 15 * (1 + 1.1e-6))
    assert told("other", 1.1e-8)  # 10 bytes/s for 1e-9 s
    assert told("wire", 18.9, bursts={"wire": 2.0}) == []
    assert told("wire", 19.1, bursts={"wire": 2.0})


def test_before_its_first_change_a_link_is_whole_and_after_its_last_one_as_that_left_it() -> None:
    seconds = invariants._whole_seconds
    assert seconds([], 3.0, 5.0) == 2.0
    assert seconds([(4.0, 0.25)], 3.0, 5.0) == 1.25
    assert seconds([(1.0, 0.5), (2.0, 0.0)], 3.0, 5.0) == 0.0
    assert seconds([(6.0, 0.0)], 3.0, 5.0) == 2.0
    assert seconds([(3.5, 0.5), (4.5, 0.25)], 3.0, 5.0) == 0.5 + 0.5 + 0.125


@pytest.mark.parametrize(
    ("moved", "formula", "in_step", "told"),
    [
        (200.0, 100.0, True, False),
        (200 * (1 + 0.9 * SHARE), 100.0, True, False),
        (200 * (1 + 1.1 * SHARE), 100.0, True, True),
        (200 * (1 - 1.1 * SHARE), 100.0, True, True),
        (100.0, 100.0, True, True),
        (100.0, 100.0, False, False),
        (0.9 * SHARE, 0.0, True, False),  # of less than a byte, a billionth of a byte
        (1.1 * SHARE, 0.0, True, True),
        (1.5 * SHARE, 0.75, True, True),
    ],
)
def test_bytes_are_those_of_the_strategy_in_every_iteration(
    moved: float, formula: float, in_step: bool, told: bool
) -> None:
    facts = {"formula_wire_bytes": formula, "iterations": 2, "wire_bytes": moved, "strategy": "ring"}
    found = list(invariants.what_is_exchanged_is_what_the_strategy_moves(run(facts=facts, in_step=in_step)))
    assert bool(found) is told
    if moved == 100.0 and told:
        assert found == ["100 B were delivered in 2 iterations; ring among 2 moves 200 B"]


def step(worker: int, start: float, end: float, **parts: float) -> WorkerStep:
    known = {"compute": end - start, "straggler_wait": 0.0, "exposed_communication": 0.0, "stopped": 0.0} | parts
    return WorkerStep(iteration=0, worker=worker, start=start, end=end, communication=0.0, **known)


def test_parts_of_a_step_are_as_long_as_it() -> None:
    told = lambda *steps: list(invariants.parts_sum_to_steps(run(steps=steps)))  # noqa: E731
    for part in ("straggler_wait", "exposed_communication", "stopped"):
        assert told(step(0, 1.0, 3.0, compute=1.5, **{part: 0.5})) == []
        assert told(step(0, 1.0, 3.0, compute=1.5, **{part: 0.6})) != []
        assert told(step(0, 1.0, 3.0, compute=2.5, **{part: -0.5})) != []  # the sum is right
    (found,) = told(step(0, 1.0, 3.0), step(1, 1.0, 3.0, compute=2.5))
    assert found == "b, iteration 0: 2.5 + 0 + 0 + 0 s, of 2 s"
    for off, wrong in ((2 * 0.9, False), (2 * 1.1, True), (-2 * 0.9, False), (-2 * 1.1, True)):
        assert bool(told(step(0, 0.0, 2.0, compute=2.0 + off * SHARE))) is wrong, off
    for below, wrong in ((0.9, False), (1.1, True)):  # dust of a clock that says 100 s
        least = -100 * DUST * below
        assert bool(told(step(0, 98.0, 100.0, compute=2.0 - least, stopped=least))) is wrong
    for off, wrong in ((0.9, False), (1.1, True)):
        at = 100 * DUST * off
        assert bool(told(step(0, 100.0, 100.0, compute=at))) is wrong


def test_steps_of_one_worker_follow_one_another_in_whatever_order_they_are_noted() -> None:
    told = lambda *steps: list(invariants.a_worker_does_one_step_after_the_other(run(steps=steps)))  # noqa: E731
    assert told(step(0, 2.0, 3.0), step(0, 0.0, 2.0), step(1, 1.0, 2.5)) == []
    (found,) = told(step(0, 1.9, 3.0), step(1, 0.0, 2.0), step(0, 0.0, 2.0))
    assert found == "a, iteration 0 began at 1.9 s, before the one before had ended"
    for early, wrong in ((0.9, False), (1.1, True)):
        assert bool(told(step(0, 0.0, 2.0), step(0, 2.0 - 2 * DUST * early, 3.0))) is wrong


def test_a_host_computes_one_thing_at_a_time_but_adds_and_stands_still_beside_it() -> None:
    told = lambda *spans: list(invariants.a_worker_computes_one_thing_at_a_time(run(spans=spans)))  # noqa: E731
    for phase in ("forward", "backward", "update"):
        one = Span(0, "forward", "conv", 1, 0.0, 2.0)
        assert told(Span(0, phase, "dense", 1, 2.0, 3.0), one, Span(1, phase, "dense", 1, 1.0, 3.0)) == []
        (found,) = told(Span(0, phase, "dense", 1, 1.5, 3.0), one)
        assert found == f"a in iteration 1 began {phase} dense at 1.5 s, in the midst of something else"
    assert told(Span(0, "forward", "conv", 0, 0.0, 2.0), Span(0, "reduce", "conv", 0, 1.0, 2.0)) == []
    for early, wrong in ((0.9, False), (1.1, True)):  # of 200 s 1e-9, and of a run of 100 s 1e-11
        spans = Span(0, "forward", "conv", 0, 0.0, 200.0), Span(0, "forward", "x", 0, 200 - 2.01e-7 * early, 300.0)
        assert bool(told(*spans)) is wrong


def did(kind: str, start: float, end: float, cause: int) -> Activity:
    return Activity(kind, 1, "dense", 0, start, end, 1, cause)


def test_what_led_to_something_had_ended_and_was_noted_before() -> None:
    told = lambda *rows: list(invariants.nothing_begins_before_its_cause_has_ended(run(activities=rows)))  # noqa: E731
    first = did("forward", 0.0, 2.0, NO_CAUSE)
    assert told(first, did("backward", 2.0, 3.0, 0), did("update", 3.5, 4.0, 1)) == []
    (found,) = told(first, did("backward", 1.5, 3.0, 0))
    assert found == "backward dense of b began at 1.5 s; forward, which led to it, ended at 2 s"
    for early, wrong in ((0.9, False), (1.1, True)):
        assert bool(told(first, did("backward", 2.0 - 100 * DUST * early, 3.0, 0))) is wrong
    assert told(did("forward", 2.0, 2.0, 0)) != []  # it cannot be its own
    assert told(did("forward", 2.0, 3.0, 1), did("backward", 0.0, 2.0, NO_CAUSE)) != []


def test_a_bucket_is_sent_when_the_last_of_its_layers_is_computed() -> None:
    plan = {
        "scenario": SimpleNamespace(job=SimpleNamespace(sharding="none")), "layers": ("x", "y", "z"),
        "buckets": (SimpleNamespace(name="y..z", layers=(1, 2)), SimpleNamespace(name="x", layers=(0,))),
    }  # fmt: skip
    spans = [
        Span(0, "backward", "z", 0, 1.0, 2.0), Span(0, "backward", "y", 0, 2.0, 3.0),
        Span(0, "backward", "x", 0, 3.0, 4.0), Span(0, "forward", "x", 0, 8.0, 9.0),
        Span(0, "backward", "z", 1, 11.0, 12.0), Span(0, "backward", "y", 0, 2.0, 2.5),
    ]  # fmt: skip

    def told(src: int, label: str, iteration: int, sent: float, **more: Any) -> list[str]:
        transfers = [Transfer(src, 1 - src, 10.0, label, iteration, sent, sent, 99.0)]
        tried = run(spans=spans, transfers=transfers, plan=more.pop("plan", plan), **more)
        return list(invariants.no_gradient_is_sent_before_it_is_computed(tried))

    assert told(0, "y..z", 0, 3.0) == told(0, "x", 0, 4.0) == told(0, "y..z", 1, 12.0) == []
    assert told(0, "y..z", 0, 3.0 - 0.9 * 100 * DUST) == []
    assert told(0, "y..z", 0, 3.0 - 1.1 * 100 * DUST) != []
    assert told(0, "x", 0, 3.5) == ["x went from a to b at 3.5 s in iteration 0; it was computed by 4 s"]
    assert told(1, "x", 0, 0.0) == told(0, "x", 2, 0.0) == told(0, "w", 0, 0.0) == []  # of which nothing is known
    assert told(0, "y..z", 1, 11.9) != []
    assert told(0, "x", 0, 0.0, servers=True) == []
    sharded = plan | {"scenario": SimpleNamespace(job=SimpleNamespace(sharding="zero3"))}
    assert told(0, "x", 0, 0.0, plan=sharded) == []


def test_weights_follow_one_another_and_what_is_thrown_away_is_none() -> None:
    def told(*rows: Update, stops: bool = False) -> list[str]:
        tried = run(updates=rows)
        tried.plan.stops = stops
        return list(invariants.weights_go_forward(tried))

    first, second = Update(1.0, 0, 0, 0, 1), Update(2.0, 1, 0, 0, 2)
    assert told(second, first, Update(0.5, 0, 1, 5, -1)) == []
    assert told(Update(1.0, 1, 3, 1, 1)) == [
        "the gradient of b in its iteration 3 was computed on weights 1 for weights 1"
    ]
    assert len(told(Update(1.0, 1, 3, 2, 1))) == 1
    assert told(first, Update(0.9, 1, 0, 0, 2)) == [
        "the gradient of b in its iteration 0 was applied before the weights that it follows"
    ]
    for early, wrong in ((0.9, False), (1.1, True)):
        assert bool(told(first, Update(1.0 - 100 * DUST * early, 1, 0, 0, 2))) is wrong
    again = told(first, second, Update(3.0, 0, 0, 1, 3), Update(4.0, 0, 0, 1, 4))
    assert again == ["2 gradients became part of the weights a second time"]
    assert told(first, second, Update(3.0, 0, 0, 1, 3), stops=True) == []  # a stopped worker does it again
    assert told(first, Update(2.0, 0, 1, 1, 2)) == []


@pytest.mark.parametrize(
    ("found", "bound", "told"),
    [
        (2.0, 2.0, False),
        (2.0, 2.0 * (1 + 0.9 * SHARE), False),
        (2.0, 2.0 * (1 + 1.1 * SHARE), True),
        (2.0, None, False),
    ],
)
def test_an_iteration_takes_at_least_its_bound(found: float, bound: float | None, told: bool) -> None:
    tried = run(facts={"lower_bound_s": bound})
    tried.trace.summary = lambda: {"iteration_time_s": found}
    assert bool(list(invariants.nothing_is_faster_than_the_lower_bound(tried))) is told


# What is said


def test_ten_violations_are_told_and_how_many_more_there_are() -> None:
    for many, more in ((1, []), (10, []), (11, ["and 1 more"]), (13, ["and 3 more"])):
        found = [f"rule: {number}" for number in range(many)]
        with pytest.raises(invariants.CheckError) as error:
            invariants._raise(found)
        assert str(error.value).split("\n  ")[1:] == [*found[:10], *more]
    invariants._raise([])


def test_engines_agree_to_a_billionth_of_each_figure() -> None:
    rows = traffic([(10.0, 0.0, 0.0, 1.0, 0.0), (20.0, 1.0, 1.0, 3.0, 0.0)], carried=[30.0], counts=[2], hosts="ab")
    rows.places, rows.routes = ([0], [1], [0]), [(0,)]
    rows.topology = SimpleNamespace(rates=[10.0], names=["wire"], ends=[("a", "b")], both_ways=())
    invariants.check_collective(rows, 3.0, "two messages meet")
    with pytest.raises(invariants.CheckError, match="engines agree: the fast one got stuck"):
        invariants.check_collective(rows, 3.0, STUCK)
    invariants.check_collective(rows, 3.0, (3.0 * (1 + 0.9 * SHARE), 2, 30.0 * (1 - 0.9 * SHARE)))
    for other, what in (
        ((3.0 * (1 + 1.1 * SHARE), 2, 30.0), "seconds"),
        ((3.0 * (1 - 1.1 * SHARE), 2, 30.0), "seconds"),
        ((3.0, 3, 30.0), "3 messages, the reference 2"),
        ((3.0, 2, 30.1), "30.1 bytes, the reference 30"),
    ):
        with pytest.raises(invariants.CheckError, match=f"engines agree: the fast one says .*{what}"):
            invariants.check_collective(rows, 3.0, other)


@pytest.mark.parametrize(("said", "wanted"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_environment_says_whether_every_run_is_checked(
    said: str | None, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if said is None:
        monkeypatch.delenv("NETSIM_CHECK", raising=False)
    else:
        monkeypatch.setenv("NETSIM_CHECK", said)
    assert invariants.always() is wanted
