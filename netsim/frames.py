"""Rows as tidy pandas frames, whole or in parts, with their units."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pandas as pd

from netsim.axes import choices, text
from netsim.units import SUFFIXES

_PART = 10_000  # rows
_EXACTLY: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
_UNITS = {
    "_bytes_per_iteration": "B",
    "_bytes_per_s": "B/s",
    "_flop_per_s": "flop/s",
    "_per_s": "1/s",
    **{suffix: unit for unit, suffix in SUFFIXES.items()},
}


def frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a simulated point: the coordinates under their paths, then the keys of `Trace.summary`.

    A coordinate that is a table of the file becomes text: "parameter_server (servers 2)". `attrs["units"]` has the unit
    of each column that measures something.
    """
    found = pd.DataFrame(
        [{key: text(v) if isinstance(v, (Mapping, list)) else v for key, v in row.items()} for row in rows]
    )
    found.attrs["units"] = units(found.columns)
    return found


def read_csv(file: Any, **options: Any) -> pd.DataFrame:
    """A table of a CSV file with every number as it was written; pandas before 3.1 has another last digit in one of
    three, unless it is told not to."""
    found: pd.DataFrame = pd.read_csv(file, **_EXACTLY, **options)
    return found


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns that rows have together, in the order in which they come."""
    return list({key: None for row in rows for key in row})


def chunks(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """The frame of so many rows that they are not to be held all at once, in parts of 10,000 rows; at least one."""
    source = iter(rows)
    part = list(islice(source, _PART))
    while True:
        yield frame(part).reindex(columns=list(columns))
        if not (part := list(islice(source, _PART))):
            return


def units(columns: Iterable[str]) -> dict[str, str]:
    """The unit of each column whose name ends in one: "iteration_time_s" -> "s"; coordinates say theirs themselves."""
    found = {}
    for column in columns:
        unit = next((unit for suffix, unit in _UNITS.items() if column.endswith(suffix)), None)
        if unit and "." not in column:
            found[column] = unit
    return found


def together(result: dict[str, Any], points: pd.DataFrame) -> tuple[dict[str, Any], pd.DataFrame]:
    """A saved result and its points with one axis for those that vary together, as if it had been the only one."""
    zipped, base = result.get("zip", []), result.get("base", {})
    found = choices(result["axes"], zipped, base)
    for path in {path for paths in zipped for path in paths} & found.keys():
        values = {tuple(map(text, choice.at.values())): choice.value for choice in found[path]}
        cells = points[list(found[path][0].at)].itertuples(index=False)
        shown = [values[tuple(map(text, each))] for each in cells]
        points[path] = pd.Series([text(v) if isinstance(v, Mapping) else v for v in shown], dtype=object)
    axes = {path: [choice.value for choice in each] for path, each in found.items()}
    here = {path: c.value for path, each in found.items() for c in each if c.at.items() <= base.items()}
    return {**result, "axes": axes, "base": here}, points


_COUNTS = ("iteration", "messages", "messages_per_iteration", "workers", "batch", "utilisation", "scaling_efficiency")


def no_numbers(records: pd.DataFrame, axes: Collection[str]) -> str:
    """The columns of figures, as their names say, and of counts that have something else in them; "" for none. Figures
    of each worker or server are several, as text."""
    named = [c for c in map(str, records) if c not in axes and not c.startswith(("worker_", "server_"))]
    figures = [c for c in named if c.endswith("_s") or "bytes" in c or c in _COUNTS]
    numeric = pd.api.types.is_numeric_dtype
    return ", ".join(c for c in figures if not numeric(records[c]) and not records[c].isna().all())
