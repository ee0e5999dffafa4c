"""How a training's loss falls."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import IDEAL, legend_above, lines_of, looks, scale, spans_decades


def loss(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Training loss against simulated time, one line a contender; dotted, the loss that is aimed at, if there is one.

    Columns: contender, time_s, loss (nats); target (nats), if there is one.
    """
    look = looks(frame["contender"])
    for name, rows in lines_of(frame):
        ax.plot(rows["time_s"], rows["loss"], color=look[name][0], label=name, linewidth=1.4)
    for target in frame["target"].dropna().unique() if "target" in frame else ():
        ax.axhline(target, color=IDEAL, linestyle=":", label=f"target {target:g}", zorder=1)
    scale(ax.xaxis, frame["time_s"], unit="s", label="simulated time", log=False)
    scale(ax.yaxis, frame["loss"], unit="", label="training loss (nats)", log=spans_decades(frame["loss"]))
    ax.set_xlim(left=0)
    legend_above(ax, ncols=2)
    return ax
