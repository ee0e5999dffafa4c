from __future__ import annotations

import numpy as np

from netsim.trace import Columns, Span

ROWS = [Span(0, "forward", "stem", 0, 0.0, 1.5), Span(1, "backward", "head", 2, 1.5, 4.0)]


def test_columns_give_arrays_by_name_and_the_rows_again() -> None:
    columns = Columns(Span, ROWS)
    assert list(columns) == ROWS and len(columns) == 2
    assert columns["end"].tolist() == [1.5, 4.0]
    assert list(columns.columns) == list(Span._fields)


def test_a_column_of_what_is_worked_out_late_is_like_any_other() -> None:
    columns = Columns.of(Span, *zip(*ROWS, strict=True))
    assert columns.row(1) == ROWS[1]
    assert list(columns) == ROWS and columns["start"].dtype == np.float64


def test_columns_of_nothing_keep_their_types() -> None:
    columns = Columns(Span, [])
    assert len(columns) == 0 and list(columns) == []
    assert columns["host"].dtype == np.int64 and columns["start"].dtype == np.float64
