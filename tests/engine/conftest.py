"""What tests of the engine compare runs by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netsim.trace import Columns, Span, Trace

Alike = Callable[[Trace, Trace], None]
_ROWS = ("steps", "links", "transfers", "link_bins", "servers", "link_changes", "interruptions")


def _close(ours: Any, theirs: Any) -> bool:
    """Numbers to 1e-9, in whatever they are; the rest exactly."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(_close(each, theirs[key]) for key, each in ours.items())
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(_close, ours, theirs))
    return bool(theirs == pytest.approx(ours, rel=1e-9)) if isinstance(ours, float) else bool(ours == theirs)


def _same_rows(ours: Columns[Any], theirs: Columns[Any]) -> None:
    assert len(ours) == len(theirs)
    for name, column in ours.columns.items():
        other, size = theirs[name], abs(column).max(initial=0.0) if column.dtype.kind == "f" else 0
        if column.dtype.kind == "f":
            assert other == pytest.approx(column, rel=1e-9, abs=1e-9 * size), name
        else:
            assert other.tolist() == column.tolist(), name


def _spans(trace: Trace) -> Columns[Any]:
    """In an order that does not hang on the last digits of times."""
    columns = trace.spans.columns
    order = np.lexsort([columns[name] for name in ("name", "phase", "iteration", "host")])
    each = [columns[name][order] for name in columns]
    return Columns.of(Span, *each)


@pytest.fixture(scope="session")
def alike() -> Alike:
    """That two engines' traces are, row by row, whoever noted what first."""

    def compared(reference: Trace, other: Trace) -> None:
        assert (other.engine, other.facts["why_simpy"]) == ("fast", None)
        for records in _ROWS:
            _same_rows(getattr(reference, records), getattr(other, records))
        _same_rows(_spans(reference), _spans(other))
        ours, theirs = reference.summary(), other.summary()
        assert {key for key in ours if not _close(ours[key], theirs[key])} <= {"engine", "why_simpy"}

    return compared
