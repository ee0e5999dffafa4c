"""Who is fastest along an axis, and where that changes."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.axes import name
from netsim.plots._canvas import lines_and_rings, scale, spans_decades
from netsim.units import SUFFIXES


def crossover(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Iteration time against a numeric axis, one line a contender; open rings where a closed form is known.

    Columns: contender, the axis (its name ends in its unit), iteration_time_s, closed_form_iteration_time_s.
    """
    column = frame.columns[1]
    lines_and_rings(frame, ax, column, "iteration_time_s")
    ends = ((unit, end) for unit, end in SUFFIXES.items() if column.endswith(end) and "." in column)
    unit, suffix = next(ends, ("", ""))
    log = spans_decades(frame[column], factor=6)
    scale(ax.xaxis, frame[column], unit=unit, label=name(column.removesuffix(suffix)), log=log, ticks=True)
    times = frame["iteration_time_s"]
    scale(ax.yaxis, times, unit="s", label="iteration time", log=spans_decades(times))
    if not spans_decades(times):
        ax.set_ylim(bottom=0)
    ax.legend()
    return ax
