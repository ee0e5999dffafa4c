"""Who is fastest over two axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from netsim.plots._canvas import looks, scale
from netsim.units import SUFFIXES


def winners(frame: pd.DataFrame, ax: Axes) -> Axes:
    """A mark in the winner's colour at each pair of places, the larger the clearer it leads. Lines mark where the
    lead changes, half-way between places.

    Columns: the horizontal and the vertical axis (names that end in their unit, or none), contender (who is fastest),
    lead (by which share of its time the next one is slower).
    """
    across, up = frame.columns[:2]
    look = looks(frame["contender"])
    for name, rows in frame.groupby("contender", sort=True):
        colour, marker = look[str(name)]
        sizes = 25 + 150 * rows["lead"].clip(upper=1.0)
        ax.scatter(rows[across], rows[up], s=sizes, color=colour, marker=marker, label=str(name), zorder=3)
    _crossovers(frame, ax)
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


def _crossovers(frame: pd.DataFrame, ax: Axes) -> None:
    """A line between neighbouring places whose winners differ; half-way as a logarithmic axis has it."""
    across, up = frame.columns[:2]
    who = frame.pivot(index=up, columns=across, values="contender").astype(object)
    xs, ys = (_edges(axis.to_numpy(float)) for axis in (who.columns, who.index))
    cells, lines = who.to_numpy(), []
    for row, column in np.argwhere(cells[:, 1:] != cells[:, :-1]).tolist():
        lines.append([(xs[column + 1], ys[row]), (xs[column + 1], ys[row + 1])])
    for row, column in np.argwhere(cells[1:] != cells[:-1]).tolist():
        lines.append([(xs[column], ys[row + 1]), (xs[column + 1], ys[row + 1])])
    ax.add_collection(LineCollection(lines, colors="#404040", linewidths=1.2, zorder=2))


def _edges(places: np.ndarray) -> np.ndarray:
    """Of the cells round places: between them at the geometric mean, and as far beyond the first and the last."""
    if len(places) == 1:
        return np.asarray([places[0] / 1.5, places[0] * 1.5])
    between = np.sqrt(places[1:] * places[:-1])
    return np.asarray([places[0] ** 2 / between[0], *between, places[-1] ** 2 / between[-1]])
