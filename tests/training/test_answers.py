"""Rules of a server's key, without a clock: what counts, when an update is due, whom it may answer."""

from __future__ import annotations

from netsim.training.answers import AtOnce, Rule, Together


def push(rule: Rule, worker: int, iteration: int) -> tuple[bool, bool, list[int]]:
    """Whether it counts, whether an update follows, who is answered."""
    counts, due = rule.push(worker, iteration), rule.due
    if due:
        rule.apply()
    return counts, due, rule.ready()


def test_sync_answers_all_with_the_last() -> None:
    rule = Together(range(3))
    assert [push(rule, worker, 0) for worker in (2, 0, 1)] == [
        (True, False, []),
        (True, False, []),
        (True, True, [2, 0, 1]),
    ]


def test_a_late_gradient_is_thrown_away_and_its_worker_answered_at_once() -> None:
    rule = Together(range(3), backup=1)
    assert [push(rule, worker, 0) for worker in (2, 0, 1)] == [
        (True, False, []),
        (True, True, [2, 0]),
        (False, False, [1]),
    ]


def test_a_gradient_that_comes_twice_counts_once() -> None:
    rule = Together(range(2))
    assert [push(rule, 0, 0), push(rule, 0, 0), push(rule, 1, 0)] == [
        (True, False, []),
        (False, False, []),
        (True, True, [0, 1]),
    ]


def test_nobody_waits_for_who_has_left() -> None:
    rule = Together(range(3))
    push(rule, 0, 0)
    push(rule, 1, 0)
    rule.leave(2)
    assert rule.due
    rule.apply()
    assert rule.ready() == [0, 1]


def test_async_answers_each_at_once() -> None:
    rule = AtOnce(range(2))
    assert [push(rule, 0, 0), push(rule, 0, 1), push(rule, 1, 0)] == [
        (True, True, [0]),
        (True, True, [0]),
        (True, True, [1]),
    ]


def test_a_bound_holds_the_fast_back_until_the_slowest_has_come() -> None:
    rule = AtOnce(range(2), bound=1)
    assert [push(rule, 0, 0), push(rule, 0, 1), push(rule, 1, 0)] == [
        (True, True, [0]),
        (True, True, []),
        (True, True, [0, 1]),
    ]


def test_who_leaves_holds_nobody_back_and_who_returns_is_as_far_as_the_slowest() -> None:
    rule = AtOnce(range(3), bound=0)
    push(rule, 0, 0)
    push(rule, 1, 0)
    rule.leave(2)
    assert rule.ready() == [0, 1]
    rule.join(2)
    assert push(rule, 0, 1) == (True, True, [])
