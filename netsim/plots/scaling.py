"""How training speeds up with more workers."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import IDEAL, legend_above, lines_and_rings, lines_of, looks, scale, spans_decades


def scaling(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Samples/s against workers: simulated (lines), closed form (rings), ideal (dashed), lower bound (dotted).

    Columns: contender, the axis, samples_per_s, ideal_samples_per_s, closed_form_samples_per_s,
    lower_bound_samples_per_s.
    """
    column = frame.columns[1]
    _ideal(frame, ax, column)
    _bound(frame, ax, column)
    lines_and_rings(frame, ax, column, "samples_per_s")
    log = spans_decades(frame[column], factor=6)
    scale(ax.xaxis, frame[column], unit="", label="workers", log=log, ticks=True)
    speeds = [*frame["samples_per_s"], *frame["ideal_samples_per_s"].dropna()]
    scale(ax.yaxis, speeds, unit="samples/s", label="throughput", log=log)
    ax.legend(loc="upper left")
    return ax


def efficiency(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Scaling efficiency against workers, in per cent of what workers that never wait would reach.

    Columns: contender, the axis, scaling_efficiency.
    """
    column, look = frame.columns[1], looks(frame["contender"])
    for name, rows in lines_of(frame):
        colour, marker = look[name]
        ax.plot(rows[column], 100 * rows["scaling_efficiency"], color=colour, marker=marker, label=name)
    ax.axhline(100, color=IDEAL, linestyle="--", linewidth=1.2, zorder=1)
    scale(ax.xaxis, frame[column], unit="", label="workers", log=spans_decades(frame[column], factor=6), ticks=True)
    scale(ax.yaxis, [0, 100], unit="%", label="scaling efficiency", log=False)
    ax.set_ylim(0, 105)
    legend_above(ax, ncols=4)
    return ax


def _ideal(frame: pd.DataFrame, ax: Axes, column: str) -> None:
    """One grey line where all contenders would be equally fast alone, else a thin one for each in its colour."""
    ideals = frame.groupby(column)["ideal_samples_per_s"]
    if (ideals.max() <= 1.001 * ideals.min()).all():
        line = ideals.mean()
        ax.plot(line.index, line, "--", color=IDEAL, linewidth=1.4, label="ideal: nobody waits")
        return
    look = looks(frame["contender"])
    for name, rows in lines_of(frame):
        ax.plot(rows[column], rows["ideal_samples_per_s"], "--", color=look[name][0], linewidth=1.0)
    ax.plot([], [], "--", color=IDEAL, linewidth=1.0, label="ideal: nobody waits")


def _bound(frame: pd.DataFrame, ax: Axes, column: str) -> None:
    """A dotted line a contender in its colour."""
    look = looks(frame["contender"])
    for name, rows in lines_of(frame):
        ax.plot(rows[column], rows["lower_bound_samples_per_s"], ":", color=look[name][0], linewidth=1.2, zorder=1.5)
    ax.plot([], [], ":", color=IDEAL, linewidth=1.2, label="at the lower bound")
