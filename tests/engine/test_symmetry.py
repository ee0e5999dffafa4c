"""Colours of hosts and links, by which the fast engine plays one of many that are alike."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netsim.engine.fast.symmetry import Messages, classes, firsts, mixed, numbered

WHOLE = st.integers(-1, 3) | st.integers(-1, 10_000)  # dense and sparse


@given(st.lists(st.tuples(WHOLE, WHOLE, WHOLE), min_size=1, max_size=30))
def test_colours_differ_just_where_a_column_does_and_have_no_gaps(rows: list[tuple[int, int, int]]) -> None:
    colour = mixed(*np.asarray(rows).T)
    assert set(colour.tolist()) == set(range(len(set(rows))))
    assert len(set(zip(rows, colour.tolist(), strict=True))) == len(set(rows))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_first_of_each_colour_is_its_first(values: list[int]) -> None:
    colour = numbered(np.asarray(values, dtype=float))
    assert firsts(colour).tolist() == [values.index(value) for value in sorted(set(values))]


def ring_of(hosts: int, *, turns: int) -> list[Messages]:
    """Every host to the next one over a link of its own."""
    ranks = np.arange(hosts)
    return [Messages(ranks, (ranks + 1) % hosts, np.ones_like(ranks), ranks[:, None])] * turns


def test_of_a_ring_of_equal_hosts_one_is_played_and_of_two_kinds_two() -> None:
    nothing = np.zeros(8, dtype=np.int64)
    found = classes(ring_of(8, turns=2), nothing, nothing)
    assert found and found.hosts.tolist() == found.links.tolist() == [0] * 8
    assert found.a_host.tolist() == found.a_link.tolist() == [0]
    every_other = classes(ring_of(8, turns=1), np.arange(8) % 2, nothing)
    assert every_other and every_other.hosts.tolist() == every_other.links.tolist() == [0, 1] * 4


def test_there_are_no_classes_of_few_hosts_or_of_two_messages_at_a_time() -> None:
    """Four hosts to a class is the least; a link, or a host, that has two messages in a round has no class."""
    nothing = np.zeros(7, dtype=np.int64)
    assert classes(ring_of(7, turns=1), np.arange(7) % 2, nothing) is None
    (one, *_) = ring_of(7, turns=1)
    for twice in (
        Messages(one.src, one.dst, one.count, one.links // 2),
        Messages(one.src // 2, one.dst, one.count, one.links),
        Messages(one.src, one.dst // 2, one.count, one.links),
    ):
        assert classes([one, twice], nothing, nothing) is None


def test_links_are_told_by_the_place_that_they_have_on_a_way_and_from_those_without_messages() -> None:
    """Each host of a ring to the next over a link up and a link down; eight more links carry nothing."""
    ranks = np.arange(8)
    round_ = Messages(ranks, (ranks + 1) % 8, np.ones_like(ranks), np.column_stack([ranks, 8 + (ranks + 1) % 8]))
    found = classes([round_], np.zeros(8, dtype=np.int64), np.zeros(24, dtype=np.int64))
    assert found
    up, down, none = (set(found.links[part].tolist()) for part in (slice(8), slice(8, 16), slice(16, 24)))
    assert len(up) == len(down) == len(none) == len(up | down | none) / 3 == 1
    assert sorted(found.a_link.tolist()) == [0, 8, 16]
