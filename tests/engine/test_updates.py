"""The book of updates: which gradient became part of which weights, and on which it was computed."""

from __future__ import annotations

from typing import Any

from netsim.engine.reference.updates import THROWN_AWAY, Updates


class Noted:
    """A log that keeps what it hears: (when, worker, iteration, held, version)."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, int, int, int, int]] = []

    def updated(self, *row: Any) -> None:
        self.rows.append(row)


def book(keys: int, *, at_once: bool) -> tuple[Updates, Noted]:
    log: Any = Noted()
    return Updates(keys, log, at_once=at_once), log


def test_together_an_iteration_is_an_update_when_the_last_key_has_all_that_it_takes() -> None:
    """Two keys and workers: nothing is noted until both keys are applied; then both gradients are weights 1."""
    updates, log = book(2, at_once=False)
    for now, worker in ((1.0, 1), (2.0, 0), (3.0, 1), (4.0, 0)):
        updates.took(now, worker, 0, counts=True)
    updates.applied(3.5, 0)
    assert (updates.version, log.rows) == (0, [])
    updates.applied(4.5, 0)
    assert updates.version == 1
    assert log.rows == [(4.5, 1, 0, 0, 1), (4.5, 0, 0, 0, 1)]  # in the order in which they came


def test_the_next_iteration_is_computed_on_the_weights_that_were_answered_last() -> None:
    updates, log = book(1, at_once=False)
    for iteration in range(3):
        for worker in range(2):
            updates.took(iteration + 0.5, worker, iteration, counts=True)
        updates.applied(iteration + 1.0, iteration)
        updates.answered(0)  # worker 1 hears nothing
        updates.goes_on(0)
        updates.goes_on(1)
    assert [row[1:] for row in log.rows] == [(0, 0, 0, 1), (1, 0, 0, 1), (0, 1, 1, 2), (1, 1, 0, 2), (0, 2, 2, 3),
                                             (1, 2, 0, 3)]  # fmt: skip


def test_weights_that_were_sent_count_once_the_worker_has_all_keys() -> None:
    updates, log = book(1, at_once=True)
    updates.took(1.0, 0, 0, counts=True)
    updates.answered(0)
    updates.took(2.0, 1, 0, counts=True)
    updates.took(3.0, 0, 1, counts=True)  # worker 0 has not gone on with what it was sent
    updates.goes_on(0)
    updates.took(4.0, 0, 2, counts=True)
    assert log.rows == [(1.0, 0, 0, 0, 1), (2.0, 1, 0, 0, 2), (3.0, 0, 1, 0, 3), (4.0, 0, 2, 1, 4)]


def test_at_once_a_gradient_is_an_update_with_its_last_key() -> None:
    updates, log = book(3, at_once=True)
    for now, worker, iteration in ((1.0, 0, 0), (2.0, 0, 0), (3.0, 1, 0), (4.0, 0, 0), (5.0, 1, 0), (6.0, 1, 0)):
        updates.took(now, worker, iteration, counts=True)
    assert log.rows == [(4.0, 0, 0, 0, 1), (6.0, 1, 0, 0, 2)]
    for now in (7.0, 8.0, 9.0):  # the same worker's next iteration begins to count anew
        updates.took(now, 0, 1, counts=True)
    assert log.rows[2:] == [(9.0, 0, 1, 0, 3)]


def test_a_gradient_of_which_no_key_counts_is_thrown_away() -> None:
    """Worker 1's first key comes in time, its second too late: its gradient is part of the weights all the same."""
    updates, log = book(2, at_once=False)
    updates.took(1.0, 0, 0, counts=True)
    updates.took(1.1, 0, 0, counts=True)
    updates.took(1.2, 1, 0, counts=True)
    updates.applied(1.3, 0)
    updates.applied(1.3, 0)
    updates.took(1.4, 1, 0, counts=False)
    updates.took(1.5, 2, 0, counts=False)
    assert log.rows == [(1.3, 0, 0, 0, 1), (1.3, 1, 0, 0, 1)]
    updates.took(1.6, 2, 0, counts=False)
    assert log.rows[2:] == [(1.6, 2, 0, 0, THROWN_AWAY)]
    assert THROWN_AWAY == -1  # as `Update.version` has it


def test_iterations_that_follow_one_another_keep_their_keys_apart() -> None:
    updates, log = book(2, at_once=False)
    for iteration in (0, 1):
        updates.took(iteration + 0.1, 0, iteration, counts=True)
        updates.took(iteration + 0.2, 0, iteration, counts=True)
        updates.applied(iteration + 0.3, iteration)
    assert log.rows == []  # one key of either
    updates.applied(1.5, 0)
    assert (updates.version, log.rows) == (1, [(1.5, 0, 0, 0, 1)])
    updates.applied(1.6, 1)
    assert (updates.version, log.rows[1:]) == (2, [(1.6, 0, 1, 0, 2)])


def test_a_worker_alone_has_the_weights_of_its_own_last_gradient() -> None:
    updates, log = book(0, at_once=False)
    for iteration in range(3):
        updates.alone(iteration + 1.0, 0, iteration)
        updates.goes_on(0)
    assert log.rows == [(1.0, 0, 0, 0, 1), (2.0, 0, 1, 1, 2), (3.0, 0, 2, 2, 3)]
