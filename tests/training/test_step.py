from __future__ import annotations

import pytest

from netsim.collectives.ring import Ring
from netsim.collectives.tree import Tree
from netsim.hardware import Link
from netsim.training.buckets import gather
from netsim.training.step import Computing, ideal_all_reduces, lower_bound, ready_times

COMPUTING = Computing(forward=(1.0, 2.0, 3.0), backward=(2.0, 4.0, 6.0), update=0.5)
BUCKETS = gather([4.0, 8.0, 0.0], ["a", "b", "c"], "layer")
LINK = Link(rate=1.0, latency=0.5)


def test_a_bucket_is_ready_when_the_backward_pass_has_left_its_layers() -> None:
    assert COMPUTING.backward_until(BUCKETS) == (10.0, 2.0, 0.0)
    assert ready_times(COMPUTING, BUCKETS, overlap=True) == (16.0, 18.0)


def test_without_overlap_all_buckets_are_ready_at_the_end() -> None:
    assert ready_times(COMPUTING, BUCKETS, overlap=False) == (18.0, 18.0)


def test_a_slow_worker_takes_longer_for_everything() -> None:
    assert COMPUTING.slowed(2.0) == Computing((2.0, 4.0, 6.0), (4.0, 8.0, 12.0), 1.0)
    assert COMPUTING.slowed(2.0).total == 2 * COMPUTING.total == 37.0


def test_all_reduces_follow_one_another_on_a_stream() -> None:
    one = Ring().ideal_time(2, 8.0, LINK)
    two = Ring().ideal_time(2, 4.0, LINK)
    assert one is not None and two is not None
    assert ideal_all_reduces(Ring(), 2, [8.0, 4.0], [16.0, 18.0], LINK, None) == 16.0 + one + two
    assert ideal_all_reduces(Ring(), 2, [8.0, 4.0], [16.0, 90.0], LINK, None) == 90.0 + two


def test_without_a_closed_form_of_the_collective_there_is_none_of_the_step() -> None:
    assert ideal_all_reduces(Tree(slices=4), 8, [8.0], [1.0], LINK, None) is None


def test_a_step_is_bounded_by_computing_by_its_last_bucket_and_by_all_bytes() -> None:
    def bound(link: Link) -> float:
        return lower_bound(Ring(), 2, [8.0, 4.0], (16.0, 18.0), COMPUTING, link)

    assert bound(Link(rate=1e12, latency=0.0)) == pytest.approx(18.5)
    assert bound(Link(rate=2.0, latency=0.0)) == 16.0 + 6.0 + 0.5
    assert bound(Link(rate=1e12, latency=3.0)) == pytest.approx(18.0 + 3.0 + 0.5)


def test_nothing_to_exchange_is_bounded_by_computing_alone() -> None:
    assert lower_bound(Ring(), 1, [], (), COMPUTING, LINK) == COMPUTING.total
