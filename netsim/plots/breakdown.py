"""Where the time of an iteration goes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import COMMUNICATING, COMPUTING, WAITING, legend_above, scale
from netsim.units import show

_PARTS = {
    "compute": ("computing", COMPUTING, ""),
    "exposed": ("exposed communication", COMMUNICATING, "//"),
    "wait": ("waiting for slower workers", WAITING, ".."),
}
_TIMES = {"compute": "compute_time_s", "exposed": "exposed_communication_s", "wait": "straggler_wait_s"}
_SHARES = {"compute": "compute_share", "exposed": "exposed_share", "wait": "wait_share"}


def breakdown(frame: pd.DataFrame, ax: Axes) -> Axes:
    """One bar a contender, stacked: computing, communication that computing does not hide, waiting for slower workers.

    Columns: contender, group (bars of one group stand together under its name), compute_time_s,
    exposed_communication_s, straggler_wait_s. Parts that are nowhere more than zero are left out.
    """
    _, ends = _stacked(frame, ax, _TIMES)
    scale(ax.xaxis, ends, unit="s", label="time of an iteration", log=False)
    return ax


def shares(frame: pd.DataFrame, ax: Axes) -> Axes:
    """The same bars in per cent of each one's own time, which stands at its end: for times that are far apart.

    Columns: contender, group, compute_share, exposed_share, wait_share (per cent), iteration_time_s.
    """
    places, ends = _stacked(frame, ax, _SHARES)
    for place, end, seconds in zip(places, ends, frame["iteration_time_s"], strict=True):
        ax.text(end + 1, place, show(seconds, "s", digits=3), va="center", fontsize=8)
    scale(ax.xaxis, [0, 100], unit="%", label="share of the time of an iteration, which stands at the end", log=False)
    ax.set_xlim(0, 116)
    ax.set_xticks([0, 20, 40, 60, 80, 100])
    return ax


def _stacked(frame: pd.DataFrame, ax: Axes, columns: dict[str, str]) -> tuple[pd.Series[float], np.ndarray]:
    """Draws the bars; gives their places and where they end."""
    new_group = frame["group"].ne(frame["group"].shift()) & (frame["group"] != "")
    place = pd.Series(np.arange(len(frame)) + 1.1 * new_group.cumsum())
    left = np.zeros(len(frame))
    for part, (name, colour, hatch) in _PARTS.items():
        wide = frame[columns[part]]
        if (wide > 0).any():
            ax.barh(place, wide, left=left, color=colour, hatch=hatch, label=name, edgecolor="white", linewidth=0.5)
            left += wide.to_numpy()
    ax.set_yticks(place, frame["contender"])
    for at, group in zip(place[new_group], frame["group"][new_group], strict=True):
        ax.text(0, at - 0.95, group, weight="bold", va="center", ha="left", transform=ax.get_yaxis_transform())
    ax.set_ylim(place.max() + 0.7, place.min() - (1.5 if new_group.any() else 0.7))
    ax.set_ylabel("contender")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    legend_above(ax, ncols=3)
    return place, left
