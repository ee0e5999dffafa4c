"""Frames as tables of text: headers with units, each column in one unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from netsim import explained, tables
from netsim.axes import name, text
from netsim.explained import Explained
from netsim.tables import Saved
from netsim.units import SCALES

_TIME, _BYTES = "s", "B"
_COLUMNS = {
    "iteration_time_s": ("iteration time", _TIME),
    "time_to_target_s": ("time to the target loss (s)", ""),
    "final_loss": ("final loss", ""),
    "final_accuracy": ("accuracy", "%"),
    "iteration_time_ci_low_s": ("95% interval from", _TIME),
    "iteration_time_ci_high_s": ("to", _TIME),
    "compute_time_s": ("computing", _TIME),
    "exposed_communication_s": ("exposed communication", _TIME),
    "straggler_wait_s": ("waiting for slower workers", _TIME),
    "samples_per_s": ("throughput (samples/s)", ""),
    "scaling_efficiency": ("scaling efficiency", "%"),
    "updates_per_s": ("updates/s", ""),
    "mean_staleness": ("mean staleness", ""),
    "max_staleness": ("highest staleness", ""),
    "dropped_gradients": ("gradients thrown away", ""),
    "equal_shares_samples_per_s": ("with equal shares (samples/s)", ""),
    "gain_over_equal_shares": ("gain over equal shares (x)", ""),
    "ideal_gain_over_equal_shares": ("sum of speeds (x)", ""),
    "epoch_time_s": ("an epoch (s)", ""),
    "epoch_cost_usd": ("cost of an epoch (USD)", ""),
    "epoch_energy_kwh": ("energy of an epoch (kWh)", ""),
    "closed_form_iteration_time_s": ("closed form", _TIME),
    "lower_bound_iteration_time_s": ("lower bound", _TIME),
    "bottleneck": ("bottleneck", None),
}
_BYTE_COLUMNS = {
    "gradient_bytes": ("gradients K", _BYTES),
    "measured_bytes": ("measured on all links", _BYTES),
    "formula_bytes": ("formula for these workers", _BYTES),
    "two_n_k_bytes": ("usual count 2 N K", _BYTES),
    "busiest_link": ("busiest link", None),
    "busiest_link_bytes": ("it carries", _BYTES),
    "of_gradients": ("it carries (x K)", ""),
}


@dataclass(frozen=True)
class Table:
    """Headers with units, and cells as text."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def readable(self) -> Table:
        """Itself, or a line a figure where there is one row."""
        if len(self.rows) != 1:
            return self
        return Table(("figure", "value"), tuple(zip(self.headers, self.rows[0], strict=True)))


def points_table(saved: Saved, points: pd.DataFrame) -> Table:
    """Coordinates, unless they are the same for all, then the figures that say something, each column in one unit."""
    columns = {column: said for column, said in _COLUMNS.items() if column in points and points[column].notna().any()}
    if not (points["straggler_wait_s"] > 0).any():
        columns.pop("straggler_wait_s", None)
    paths = [path for path in saved.axes if points[path].map(text).nunique() > 1 or path == saved.contender_axis]
    named = {name(path): [saved.short_name(path, value) for value in points[path]] for path in paths}
    return _table(named, points, columns)


def bytes_table(saved: Saved) -> Table | None:
    """Bytes measured beside the formulas' counts; None where nothing moves."""
    moved = tables.wire_bytes(saved)
    if not (moved["measured_bytes"] > 0).any():
        return None
    columns = dict(_BYTE_COLUMNS)
    if saved.contender_axis != "job.strategy.kind":
        columns.pop("two_n_k_bytes")
    path = saved.contender_axis
    names = [str(each) for each in moved["contender"]]
    if path:
        names = [saved.short_name(path, value) for value in saved.at_base(path)[path]]
    return _table({name(path) if path else "strategy": names}, moved, columns).readable


def path_table(saved: Saved, found: Mapping[str, Explained], names: Mapping[str, str]) -> Table:
    """A row a contender: the parts of its critical path, those that are anywhere more than nothing, and their sum."""
    parts = explained.parts(found, names).pivot_table(index="contender", columns="part", values="seconds", sort=False)
    parts = parts.loc[:, (parts > 0).any()].fillna(0.0)
    parts = parts[parts.max().sort_values(ascending=False, kind="stable").index]
    parts.insert(0, "iteration", [each["iteration_time_s"] for each in found.values()])
    columns = {str(part): (str(part), _TIME) for part in parts.columns}
    who = name(saved.contender_axis) if saved.contender_axis else "run"
    return _table({who: [str(each) for each in parts.index]}, parts, columns).readable


def changes_table(each: Explained) -> Table | None:
    """A row a change: what the path predicts, what the simulation says, and whether the path changed."""
    frame = explained.changes(each)
    if not len(frame):
        return None
    frame["gained"] = -frame["saves_share"]
    changed = {True: "changed", False: "the same", None: "–"}
    frame["path"] = [changed[value] for value in frame["path_changed"]]
    columns = {
        "simulated_s": ("simulated", _TIME),
        "predicted_s": ("predicted from the path", _TIME),
        "gained": ("change (%)", ""),
        "path": ("critical path", None),
    }
    return _table({"if": frame["change"].tolist()}, frame.assign(gained=frame["gained"].round(1)), columns)


def bounds_table(saved: Saved, found: Mapping[str, Explained], names: Mapping[str, str]) -> Table:
    """A row a contender: the simulated time beside what it is held against, as far as that is known."""
    rows = [explained.bounds(each).set_index("bound")["seconds"].rename(names[who]) for who, each in found.items()]
    frame = pd.DataFrame(rows)
    columns = {str(bound): (str(bound), _TIME) for bound in frame.columns}
    who = name(saved.contender_axis) if saved.contender_axis else "run"
    return _table({who: [str(each) for each in frame.index]}, frame, columns).readable


def _table(named: Mapping[str, Sequence[str]], frame: pd.DataFrame, columns: Mapping[str, tuple[str, Any]]) -> Table:
    headers, cells = list(named), list(named.values())
    scales = {unit: _scale(frame, columns, unit) for unit in (_TIME, _BYTES)}
    for column, (header, unit) in columns.items():
        factor, in_unit = scales.get(unit, (1.0, unit or ""))
        headers.append(f"{header} ({in_unit})" if in_unit else header)
        cells.append(_cells(frame[column], unit, factor))
    return Table(tuple(headers), tuple(zip(*cells, strict=True)))


def _scale(frame: pd.DataFrame, columns: Mapping[str, tuple[str, Any]], unit: str) -> tuple[float, str]:
    """One prefix for all columns of a unit, that of the smallest number in the first of them."""
    first = next((column for column, (_, measured_in) in columns.items() if measured_in == unit), None)
    least = float(frame[first].min()) if first else 0.0
    return next((each for each in reversed(SCALES[unit]) if least >= each[0]), SCALES[unit][0])


def _cells(values: pd.Series[Any], unit: str | None, factor: float) -> list[str]:
    if unit is None:
        return [text(value) if pd.notna(value) else "–" for value in values]
    return [f"{100 * value:.0f}" if unit == "%" and pd.notna(value) else _number(value / factor) for value in values]


def _number(value: float) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
