"""How a training's loss falls."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import lines_of, looks, scale, spans_decades


def loss(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Loss against simulated time, one line a contender.

    Columns: contender, time_s, loss (above the loss that cannot be undercut, or as the job counts it).
    """
    look = looks(frame["contender"])
    for name, rows in lines_of(frame):
        ax.plot(rows["time_s"], rows["loss"], color=look[name][0], label=name)
    scale(ax.xaxis, frame["time_s"], unit="s", label="time", log=False)
    scale(ax.yaxis, frame["loss"], unit="", label="loss", log=spans_decades(frame["loss"]))
    ax.legend()
    return ax
