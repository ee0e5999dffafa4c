"""What a log keeps of steps, and how it tells waiting for others from waiting for the network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netsim.engine.record.log import Log
from netsim.trace import Span

NAN = np.nan


def log(detail: str = "full", *, workers: int = 2, iterations: int = 2, luck: Any = None, **about: Any) -> Log:
    """Of workers that compute 3 s until the update and 1 s in it: 2 s forward, 1 s backward."""
    computing = SimpleNamespace(total=4.0, until_update=3.0, update=1.0)
    computing.parts = lambda layers, buckets: [("forward", "only", 2.0), ("backward", "only", 1.0)]
    known: dict[str, Any] = {
        "at_once": False, "stops": False, "needed": workers, "undisturbed": True, "layers": ("only",), "buckets": (),
        "computing": (computing,) * workers, "step_of": lambda worker, iteration: computing,
        "factors": np.ones((workers, iterations)) if luck is None else np.asarray(luck, dtype=float),
    }  # fmt: skip
    plan: Any = SimpleNamespace(workers=workers, scenario=SimpleNamespace(iterations=iterations), **known | about)
    return Log(plan, detail)


def columns(kept: Log, *names: str) -> list[tuple[Any, ...]]:
    steps = kept.steps()
    return list(zip(*(steps[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize(
    ("detail", "at_once", "recorded"),
    [
        ("summary", False, []),
        ("last", False, [1]),
        ("full", False, [0, 1]),
        ("summary", True, []),
        ("last", True, [1]),
        ("full", True, [0, 1, 2, 3, 4]),  # workers with iterations of their own may make more
    ],
)
def test_what_is_recorded_is_the_last_iteration_or_all(detail: str, at_once: bool, recorded: list[int]) -> None:
    kept = log(detail, at_once=at_once)
    assert [iteration for iteration in range(5) if kept.records(iteration)] == recorded
    for iteration in range(5):
        assert kept.did(0, "forward", "only", iteration, 1.0, 2.0) == 2.0
    assert [span.iteration for span in kept.spans] == recorded


def test_what_takes_no_time_leaves_no_span() -> None:
    kept = log()
    assert kept.did(0, "update", "only", 0, 1.0, 1.0) == 1.0
    kept.added(1, 0, "bucket", 1.0, 3.0)
    assert kept.spans == [Span(1, "reduce", "bucket", 0, 1.0, 3.0)]


def test_parts_of_a_step_follow_one_another() -> None:
    kept = log()
    kept.lay_out(1, 0, 5.0, [("forward", "a", 2.0), ("forward", "b", 0.0), ("backward", "a", 1.0)])
    assert kept.spans == [Span(1, "forward", "a", 0, 5.0, 7.0), Span(1, "backward", "a", 0, 7.0, 8.0)]


@pytest.mark.parametrize(
    ("times", "lasted"),
    [
        ([], 0.0),
        ([(1.0, 3.0)], 2.0),
        ([(4.0, 6.0), (1.0, 3.0)], 4.0),  # in whatever order
        ([(1.0, 3.0), (2.0, 5.0)], 4.0),
        ([(1.0, 5.0), (2.0, 3.0)], 4.0),
        ([(1.0, 5.0), (2.0, 3.0), (4.0, 6.0)], 5.0),
        ([(1.0, 3.0), (3.0, 4.0)], 3.0),
    ],
)
def test_an_exchange_goes_on_while_any_bucket_is_on_its_way(times: list[tuple[float, float]], lasted: float) -> None:
    kept = log(workers=1, iterations=1)
    kept.pieces(0, 0, 0.0, 4.0, 3.0)
    kept.exchanged(0, 0, times)
    kept.ended(0, 0, 10.0, 1.0)
    assert columns(kept, "communication") == [(lasted,)]


def test_what_a_slower_worker_explains_of_waiting_is_for_it_and_the_rest_for_the_exchange() -> None:
    """Worker 1 computes twice as long, 6 s: of 5 s that worker 0 waits 3 are for it."""
    kept = log(iterations=1, luck=[[1.0], [2.0]])
    start, computed, done = np.zeros(2), np.asarray([3.0, 6.0]), np.asarray([8.0, 8.0])
    kept.whole_step(0, start, computed, done, np.asarray([2.0, 1.5]), np.asarray([9.0, 10.0]))
    assert columns(kept, "worker", "start", "end", "compute", "straggler_wait", "exposed_communication",
                   "communication") == [
        (0, 0.0, 9.0, 4.0, 3.0, 2.0, 2.0), (1, 0.0, 10.0, 8.0, 0.0, 2.0, 1.5)
    ]  # fmt: skip
    assert (kept.end, kept.reached) == (10.0, 1)
    of_0 = [span for span in kept.spans if span.host == 0]
    assert of_0 == [
        Span(0, "forward", "only", 0, 0.0, 2.0), Span(0, "backward", "only", 0, 2.0, 3.0),
        Span(0, "update", "optimiser", 0, 8.0, 9.0),
    ]  # fmt: skip


def test_no_more_is_waited_for_others_than_is_waited_at_all() -> None:
    kept = log(iterations=1, luck=[[1.0], [2.0]])
    kept.whole_step(0, np.zeros(2), np.asarray([3.0, 6.0]), np.asarray([4.0, 6.0]), np.zeros(2), np.asarray([5.0, 8.0]))
    assert columns(kept, "straggler_wait", "exposed_communication") == [(1.0, 0.0), (0.0, 0.0)]


@pytest.mark.parametrize(("needed", "waited"), [(3, [6.0, 3.0, 0.0]), (2, [3.0, 0.0, 0.0]), (1, [0.0, 0.0, 0.0])])
def test_of_those_that_an_update_takes_the_slowest_is_waited_for(needed: int, waited: list[float]) -> None:
    kept = log(workers=3, iterations=1, luck=[[1.0], [2.0], [3.0]], needed=needed)
    kept.whole_step(0, np.zeros(3), np.zeros(3), np.full(3, 20.0), np.zeros(3), np.full(3, 30.0))
    assert columns(kept, "straggler_wait") == [(each,) for each in waited]


def test_a_worker_that_is_not_there_is_waited_for_by_nobody() -> None:
    """Of three only two make the second step: the slower of them is waited for, though three would be needed."""
    kept = log(workers=3, iterations=2)
    for worker, until_update in ((0, 1.0), (1, 2.0)):
        kept.pieces(worker, 1, 10.0, 4.0, until_update)
        kept.waited(worker, 1, 5.0)
        kept.ended(worker, 1, 20.0, 1.0)
    assert columns(kept, "iteration", "worker", "straggler_wait") == [(1, 0, 1.0), (1, 1, 0.0)]
    assert kept.reached == 2  # of worker 2 nothing is known


def test_steps_are_in_the_order_of_iterations_and_of_workers() -> None:
    kept = log()
    assert (kept.reached, len(kept.steps())) == (0, 0)
    for worker, iteration in ((1, 0), (0, 0), (1, 1)):
        kept.pieces(worker, iteration, float(iteration), 4.0, 3.0)
        kept.ended(worker, iteration, 10.0 + iteration, 1.0)
    assert columns(kept, "iteration", "worker") == [(0, 0), (0, 1), (1, 1)]
    assert (kept.reached, kept.end) == (2, 11.0)


def test_standing_still_is_what_is_left_of_a_step_and_dust_is_none() -> None:
    kept = log(iterations=1, stops=True)
    for worker, end in ((0, 10.0), (1, 7.0 * (1 + 1e-14))):
        kept.pieces(worker, 0, 0.0, 4.0, 3.0)
        kept.waited(worker, 0, 3.0)
        kept.ended(worker, 0, end, 1.0)
    assert columns(kept, "stopped", "straggler_wait") == [(3.0, 0.0), (0.0, 3.0)]  # it waited while 0 stood still


def test_standing_still_while_one_waits_is_no_waiting() -> None:
    kept = log(iterations=1)
    kept.pieces(0, 0, 0.0, 4.0, 3.0)
    kept.idle(0, 1.0)
    kept.idle(0, 0.5)
    kept.waited(0, 0, 5.0)
    kept.waited(0, 0, 2.0)  # it was counted once
    kept.ended(0, 0, 20.0, 1.0)
    assert columns(kept, "exposed_communication") == [(5.5,)]


def test_of_a_stop_there_is_a_span_where_the_host_is_back_and_the_iteration_is_recorded() -> None:
    kept = log("last")
    for iteration, end in ((0, 3.0), (1, 3.0), (1, np.inf), (1, 1.0)):
        kept.stopped(1, iteration, 1.0, end, 0.5)
    assert [(each.start, each.end, each.lost) for each in kept.outages] == [
        (1.0, 3.0, 0.5), (1.0, 3.0, 0.5), (1.0, np.inf, 0.5), (1.0, 1.0, 0.5)
    ]  # fmt: skip
    assert kept.spans == [Span(1, "stopped", "", 1, 1.0, 3.0)]


def test_a_worker_of_a_job_with_stops_is_laid_out_from_its_last_start() -> None:
    """What it computed last, 3 s until 10, is what counted, whenever its step began."""
    computing: Any = SimpleNamespace(total=4.0, until_update=3.0, parts=lambda *_: [("forward", "only", 3.0)])
    for stops, begun in ((True, 7.0), (False, 2.0)):
        kept = log(stops=stops)
        kept.computed(0, 0, 2.0, 10.0, computing)
        assert kept.spans == [Span(0, "forward", "only", 0, begun, begun + 3)]


def test_there_is_room_for_as_many_iterations_as_a_worker_makes() -> None:
    kept = log(at_once=True)
    computing: Any = SimpleNamespace(total=4.0, until_update=3.0, parts=lambda *_: [])
    for iteration in range(5):
        kept.computed(1, iteration, 10.0 * iteration, 10.0 * iteration + 3, computing)
        kept.waited(1, iteration, 2.0)
        kept.exchanged(1, iteration, [(1.0, 2.0)])
        kept.held(1, iteration, 0.5)
        kept.ended(1, iteration, 10.0 * iteration + 6, 1.0)
    assert columns(kept, "iteration", "start", "end", "compute", "communication", "straggler_wait",
                   "exposed_communication") == [
        (each, 10.0 * each, 10.0 * each + 6, 4.0, 1.0, 0.5, 1.5) for each in range(5)
    ]  # fmt: skip
    assert kept._end.shape == (2, 8)  # twice as many each time


def test_steps_of_ones_own_are_entered_all_at_once() -> None:
    """Worker 0 makes three steps, worker 1 one: the last answer to it was held back for 1 s."""
    luck = np.asarray([[1.0, 2.0, 1.0], [1.5, 1.0, 1.0]])
    table = lambda *rows: np.asarray([rows[:3], rows[3:]], dtype=float)  # noqa: E731
    kept = log(at_once=True)
    kept.own_steps(
        luck, table(0, 10, 20, 0, NAN, NAN), table(3, 16, 23, 4.5, NAN, NAN), table(5, 18, 25, 8, NAN, NAN),
        table(1, 2, 3, 4, NAN, NAN), table(6, 20, 26, 9.5, NAN, NAN), table(0, 0, 0, 1, NAN, NAN),
    )  # fmt: skip
    names = "iteration", "worker", "start", "end", "compute", "straggler_wait", "exposed_communication", "communication"
    assert columns(kept, *names) == [
        (0, 0, 0.0, 6.0, 4.0, 0.0, 2.0, 1.0), (0, 1, 0.0, 9.5, 6.0, 1.0, 2.5, 4.0),
        (1, 0, 10.0, 20.0, 8.0, 0.0, 2.0, 2.0), (2, 0, 20.0, 26.0, 4.0, 0.0, 2.0, 3.0),
    ]  # fmt: skip
    updates = [(span.host, span.iteration, span.start) for span in kept.spans if span.phase == "update"]
    assert updates == [(0, 0, 5.0), (0, 1, 19.0), (0, 2, 25.0), (1, 0, 8.5)]
    last = log("last", at_once=True)
    last.own_steps(luck, *(table(0, 10, 20, 0, NAN, NAN),) * 6)
    assert {span.iteration for span in last.spans} == {1}


def test_a_step_in_layers_updates_those_of_the_step_before() -> None:
    """Luck 1, 2 and 3: each step computes 3 s times its luck, and 1 s times that of the step before; the last its own,
    too."""
    kept = log(workers=1, iterations=3, luck=[[1.0, 2.0, 3.0]])
    column = lambda *times: np.asarray(times, dtype=float)[:, None]  # noqa: E731
    kept.layered_steps(column(0, 10, 20), column(1, 2, 3), column(4, 5, 6), column(10, 20, 40))
    assert columns(kept, "start", "end", "compute", "exposed_communication", "communication") == [
        (0.0, 10.0, 3.0, 1.0, 4.0), (10.0, 20.0, 6.0 + 1, 2.0, 5.0), (20.0, 40.0, 9.0 + 2 + 3, 3.0, 6.0)
    ]  # fmt: skip
