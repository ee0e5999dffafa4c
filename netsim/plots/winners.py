"""Who is fastest over two axes."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import looks, scale
from netsim.units import SUFFIXES


def winners(frame: pd.DataFrame, ax: Axes) -> Axes:
    """A mark in the winner's colour at each pair of places, the larger the clearer it leads.

    Columns: the horizontal and the vertical axis (names that end in their unit, or none), contender (who is fastest),
    lead (by which share of its time the next one is slower).
    """
    across, up = frame.columns[:2]
    look = looks(frame["contender"])
    for name, rows in frame.groupby("contender", sort=True):
        colour, marker = look[str(name)]
        sizes = 25 + 150 * rows["lead"].clip(upper=1.0)
        ax.scatter(rows[across], rows[up], s=sizes, color=colour, marker=marker, label=str(name), zorder=3)
    for axis, column in ((ax.xaxis, across), (ax.yaxis, up)):
        unit, suffix = next(((u, end) for u, end in SUFFIXES.items() if column.endswith(end)), ("", ""))
        scale(
            axis,
            frame[column],
            unit=unit,
            label=column.removesuffix(suffix).replace("_", " "),
            log=True,
            ticks=True,
        )
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2)
    return ax
