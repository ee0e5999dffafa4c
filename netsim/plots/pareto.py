"""What one figure costs in another."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import IDEAL, PALETTE, scale, spans_decades
from netsim.units import SUFFIXES

_AS_IT_IS = {"usd": "USD", "kwh": "kWh"}  # units that no prefix is put to


def pareto(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Every setting that was tried by two figures, and a line through those that no other beats in both.

    Columns: the two figures (their names end in their units), and best, whether a setting is on the front.
    """
    across, up = frame.columns[:2]
    front = frame[frame["best"]].sort_values(across)
    ax.plot(frame[across], frame[up], "o", color=IDEAL, mfc="none", label="tried")
    ax.plot(front[across], front[up], color=PALETTE[0], marker="o", label="best")
    for axis, column in ((ax.xaxis, across), (ax.yaxis, up)):
        ends = ((u, end) for u, end in SUFFIXES.items() if column.endswith(end) and not column.endswith("_per_s"))
        unit, suffix = next(ends, ("", ""))
        name, _, written = column.removesuffix(suffix).rpartition("_")
        label = f"{name} ({_AS_IT_IS[written]})" if written in _AS_IT_IS else f"{name}_{written}".removeprefix("_")
        label = label.replace("_per_s", "/s").replace("_", " ")
        scale(axis, frame[column], unit=unit, label=label, log=spans_decades(frame[column]))
    ax.legend()
    return ax
