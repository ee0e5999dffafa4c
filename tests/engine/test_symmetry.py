"""Colours of hosts and links, by which the fast engine plays one of many that are alike."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netsim.engine.symmetry import firsts, mixed, numbered

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
