"""Where the time of an iteration goes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import COMMUNICATING, COMPUTING, WAITING, scale

_PARTS = {
    "compute_time_s": ("computing", COMPUTING, ""),
    "exposed_communication_s": ("exposed communication", COMMUNICATING, "//"),
    "straggler_wait_s": ("waiting for slower workers", WAITING, ".."),
}


def breakdown(frame: pd.DataFrame, ax: Axes) -> Axes:
    """One bar a contender, stacked: computing, communication that computing does not hide, waiting for slower workers.

    Columns: contender, group (bars of one group stand together under its name), compute_time_s,
    exposed_communication_s, straggler_wait_s. Parts that are nowhere more than zero are left out.
    """
    new_group = frame["group"].ne(frame["group"].shift()) & (frame["group"] != "")
    place = np.arange(len(frame)) + 1.1 * new_group.cumsum()
    left = np.zeros(len(frame))
    for part, (name, colour, hatch) in _PARTS.items():
        if (frame[part] > 0).any():
            ax.barh(
                place, frame[part], left=left, color=colour, hatch=hatch, label=name, edgecolor="white", linewidth=0.5
            )
            left += frame[part].to_numpy()
    ax.set_yticks(place, frame["contender"])
    for at, group in zip(place[new_group], frame["group"][new_group], strict=True):
        ax.text(0, at - 0.95, group, weight="bold", va="center", ha="left", transform=ax.get_yaxis_transform())
    ax.set_ylim(place.max() + 0.7, place.min() - (1.5 if new_group.any() else 0.7))
    ax.set_ylabel("contender")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    scale(ax.xaxis, left, unit="s", label="time of an iteration", log=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.2)
    return ax
