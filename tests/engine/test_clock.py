"""The reference's clock: when it ends, and who is told of what ends when."""

from __future__ import annotations

import pytest
import simpy

from netsim.engine.record.clock import Agenda, Backstage, Clock, Timer

Told = list[tuple[float, str]]


def agenda() -> tuple[simpy.Environment, Agenda[str], Told]:
    env, told = simpy.Environment(), list[tuple[float, str]]()
    return env, Agenda(env, lambda ending: told.append((env.now, ending))), told


def test_ends_are_told_in_order_of_time_and_at_one_moment_of_entering() -> None:
    env, ends, told = agenda()
    for ending, when in (("c", 3.0), ("a", 1.0), ("b", 3.0), ("d", 2.0)):
        ends.enter(ending, when)
    env.run()
    assert told == [(1.0, "a"), (2.0, "d"), (3.0, "c"), (3.0, "b")]


def test_an_end_that_is_put_off_or_brought_forward_is_told_once_and_then() -> None:
    env, ends, told = agenda()
    for ending, when in (("later", 1.0), ("sooner", 5.0), ("never", 2.0), ("later", 4.0), ("sooner", 3.0)):
        ends.enter(ending, when)
    ends.cross_out("never")
    ends.cross_out("not there")
    env.run()
    assert told == [(3.0, "sooner"), (4.0, "later")]


def test_one_timer_at_a_time_is_the_earliest_ends() -> None:
    """A later end sets no timer of its own, an earlier one does; those that are outdated tell nothing."""
    env, ends, told = agenda()
    ends.enter("a", 3.0)
    ends.enter("b", 4.0)
    assert len(env._queue) == 1
    ends.enter("c", 3.0)
    assert len(env._queue) == 1
    ends.enter("d", 2.0)
    assert len(env._queue) == 2
    env.run(until=2.5)
    assert told == [(2.0, "d")]
    env.run()
    assert told[1:] == [(3.0, "a"), (3.0, "c"), (4.0, "b")]


def test_an_end_that_is_past_is_told_now() -> None:
    env, ends, told = agenda()
    env.run(until=5.0)
    ends.enter("late", 1.0)
    env.run()
    assert told == [(5.0, "late")]


def test_an_end_may_be_entered_anew_as_it_is_told() -> None:
    env = simpy.Environment()
    told: list[float] = []

    def tell(ending: str) -> None:
        told.append(env.now)
        if len(told) < 3:
            ends.enter(ending, env.now + 2.0)

    ends = Agenda(env, tell)
    ends.enter("again", 1.0)
    env.run()
    assert told == [1.0, 3.0, 5.0]


def test_entries_that_are_outdated_are_forgotten_beyond_a_few() -> None:
    """Up to 64, and one for each that is still to come; the ends are told all the same."""
    env, ends, told = agenda()
    for number in range(65):
        ends.enter("kept", 1000.0 - number)
        ends.enter("other", 2000.0 + number)
    assert len(ends._entries) == 2 + (130 - 69)  # 68 were just not too many; the 69th left the 2 that are valid
    env.run()
    assert told == [(936.0, "kept"), (2064.0, "other")]


# The clock's end


def test_a_clock_ends_when_nothing_but_the_backstage_is_to_come() -> None:
    clock = Clock()
    behind = Backstage(clock)
    told: Told = []

    def note(name: str) -> object:
        return lambda timer: told.append((clock.now, name))

    def goes_on(timer: Timer) -> None:
        told.append((behind.now, "behind"))
        Timer(behind, 1.0, goes_on, None)

    Timer(behind, 1.0, goes_on, None)
    Timer(clock, 1.5, note("first"), None)  # type: ignore[arg-type]
    Timer(clock, 2.5, note("last"), None)  # type: ignore[arg-type]
    clock.run()
    assert told == [(1.0, "behind"), (1.5, "first"), (2.0, "behind"), (2.5, "last")]
    assert clock.now == behind.now == 2.5


def test_a_clock_goes_on_as_long_as_there_is_hope() -> None:
    clock = Clock()
    behind = Backstage(clock)
    told: list[float] = []
    clock.hope = lambda: len(told) < 2
    for when in (1.0, 2.0, 3.0):
        Timer(behind, when, lambda _: told.append(clock.now), None)
    clock.run()
    assert told == [1.0, 2.0]


def test_a_clock_whose_backstage_sets_the_job_going_again_does_not_end() -> None:
    clock = Clock()
    behind = Backstage(clock)
    told: list[float] = []
    clock.hope = lambda: not told
    Timer(behind, 1.0, lambda _: Timer(clock, 2.0, lambda _: told.append(clock.now), None), None)
    clock.run()
    assert told == [3.0]
    with pytest.raises(simpy.core.EmptySchedule):
        clock.step()
