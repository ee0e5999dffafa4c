"""What tests of the engine compare runs by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from netsim.engine.fast import events as fast_events
from netsim.engine.fast import kernels
from netsim.engine.run import simulate
from netsim.scenario import Scenario
from netsim.trace import Columns, Interruption, LinkChange, Span, Trace, Transfer

Alike = Callable[..., None]
AlikeRows = Callable[[Columns[Any], Columns[Any]], None]
_ROWS = ("steps", "links", "link_bins", "servers")
_TIMES = {"spans": Span, "transfers": Transfer, "link_changes": LinkChange, "interruptions": Interruption}


def _close(ours: Any, theirs: Any) -> bool:
    """Numbers to 1e-9, in whatever they are; the rest exactly, and as the same kind of thing, as JSON shows it."""
    if type(ours) is not type(theirs):
        return False
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


def _in_order(kind: Any, rows: Columns[Any]) -> Columns[Any]:
    """Of records that are in order of time: one that does not hang on last digits. What is alike stays in order."""
    columns = rows.columns
    order = np.lexsort([column for column in columns.values() if column.dtype.kind != "f"])
    return Columns.of(kind, *(column[order] for column in columns.values()))


@pytest.fixture(scope="session")
def same_rows() -> AlikeRows:
    """That records of two traces are alike and in the same order."""
    return _same_rows


@pytest.fixture(scope="session")
def alike() -> Alike:
    """That two engines' traces are, row by row, whoever noted what first. `bins`: what passed links when, too, which
    rounds that are played at a stroke have in other bins."""

    def compared(reference: Trace, other: Trace, *, bins: bool = True) -> None:
        assert (other.engine, other.facts["why_simpy"]) == ("fast", None)
        for records in _ROWS if bins else [each for each in _ROWS if each != "link_bins"]:
            _same_rows(getattr(reference, records), getattr(other, records))
        for records, kind in _TIMES.items():
            _same_rows(*(_in_order(kind, getattr(trace, records)) for trace in (reference, other)))
        ours, theirs = reference.summary(), other.summary()
        assert {key for key in ours if not _close(ours[key], theirs[key])} <= {"engine", "why_simpy"}

    return compared


@pytest.fixture
def same_uncompiled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trace]:
    """That kernels do to the last digit what they do compiled, in these records and in the summary; the trace."""

    def compared(scenario: Scenario, kept: Sequence[str], detail: str = "last") -> Trace:
        compiled = simulate(scenario, engine="fast", detail=detail)
        monkeypatch.setattr(kernels, "load", kernels.interpreted)
        monkeypatch.setattr(fast_events, "_AT_A_STROKE", 10)  # moments
        plain = simulate(scenario, engine="fast", detail=detail)
        assert (plain.engine, plain.facts["why_simpy"]) == (compiled.engine, compiled.facts["why_simpy"])
        assert plain.summary() == compiled.summary()
        for records in kept:
            for name, column in getattr(compiled, records).columns.items():
                assert getattr(plain, records)[name].tolist() == column.tolist(), (records, name)
        return compiled

    return compared
