"""Who is fastest along an axis, and where that changes."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.axes import name
from netsim.plots._canvas import lines_of, looks, scale, spans_decades

_UNITS = {"_bytes_per_s": "B/s", "_flop_per_s": "flop/s", "_bytes": "B", "_s": "s"}


def crossover(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Iteration time against a numeric axis, one line a contender; open rings where a closed form is known.

    Columns: contender, the axis (its name ends in its unit), iteration_time_s, closed_form_iteration_time_s.
    """
    column, look = frame.columns[1], looks(frame["contender"])
    for contender, rows in lines_of(frame):
        colour, marker = look[contender]
        ax.plot(rows[column], rows["iteration_time_s"], color=colour, marker=marker, label=contender, zorder=3)
        ax.plot(rows[column], rows["closed_form_iteration_time_s"], "o", color=colour, mfc="none", ms=10, zorder=2)
    if frame["closed_form_iteration_time_s"].notna().any():
        ax.plot([], [], "o", color="#555555", mfc="none", ms=10, label="closed form")
    suffix = next((end for end in _UNITS if column.endswith(end) and "." in column), "")
    path = column.removesuffix(suffix)
    log = spans_decades(frame[column], factor=6)
    scale(ax.xaxis, frame[column], unit=_UNITS.get(suffix, ""), label=name(path), log=log, ticks=True)
    times = frame["iteration_time_s"]
    scale(ax.yaxis, times, unit="s", label="iteration time", log=spans_decades(times))
    if not spans_decades(times):
        ax.set_ylim(bottom=0)
    ax.legend()
    return ax
