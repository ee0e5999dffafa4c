"""Gloo's own loop: where nothing waits it takes what its source adds up to, and it is never faster than its ports."""

from __future__ import annotations

import pytest

from netsim.hardware import Link
from netsim.validation import gloo

LINK = Link(rate=1e8, latency=0.002)
WORD = 48
SIZE = 1e7


def play(
    ranks: int,
    segments: int,
    in_flight: int,
    link: Link = LINK,
    late: dict[int, float] | None = None,
    adding: float = 0.0,
) -> float:
    return gloo.seconds(ranks, SIZE, segments, in_flight, link, late or {}, adding)


@pytest.mark.parametrize("ranks", [2, 3, 4, 7])
@pytest.mark.parametrize("segments", [1, 2, 5])
def test_one_segment_after_the_other_takes_two_latencies_word_and_bytes_each(ranks: int, segments: int) -> None:
    each = 2 * LINK.latency + (WORD + SIZE / (ranks * segments)) / LINK.rate
    assert play(ranks, segments, 1) == pytest.approx(2 * (ranks - 1) * segments * each)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_each_segment_is_added_before_the_next_in_the_first_half_alone(ranks: int) -> None:
    assert play(ranks, 5, 1, adding=0.001) - play(ranks, 5, 1) == pytest.approx((ranks - 1) * 5 * 0.001)


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
@pytest.mark.parametrize("in_flight", [1, 2, 4])
@pytest.mark.parametrize("late", [0.0, 0.5])
def test_no_port_passes_more_than_its_rate(ranks: int, in_flight: int, late: float) -> None:
    time = play(ranks, 4, in_flight, late={ranks - 1: late})
    assert time > 2 * (ranks - 1) / ranks * SIZE / LINK.rate


@pytest.mark.parametrize("ranks", [2, 4])
def test_without_latency_two_segments_keep_the_ports_busy(ranks: int) -> None:
    time = play(ranks, 16, 2, Link(rate=LINK.rate, latency=0.0))
    assert time == pytest.approx(2 * (ranks - 1) / ranks * SIZE / LINK.rate, rel=2e-3)


def test_two_segments_in_flight_hide_one_s_bytes_but_no_latency() -> None:
    """In step on a long link, a pair of segments takes two latencies, the word and one segment's bytes, and the last
    segment of each half its own bytes more."""
    long, ranks, segments = Link(rate=LINK.rate, latency=0.1), 4, 8
    bytes_of_one = SIZE / (ranks * segments) / LINK.rate
    pairs = 2 * (ranks - 1) * segments // 2
    expected = pairs * (2 * long.latency + bytes_of_one) + 2 * bytes_of_one
    assert play(ranks, segments, 2, long) == pytest.approx(expected, rel=1e-4)


def test_words_wait_behind_data_where_ranks_are_out_of_step() -> None:
    in_step = play(4, 16, 2)
    assert play(4, 16, 2, late={3: 1.0}) > in_step


def test_headers_take_their_share() -> None:
    assert play(4, 4, 2, Link(rate=LINK.rate / 0.95, latency=LINK.latency, efficiency=0.95)) == pytest.approx(
        play(4, 4, 2)
    )
