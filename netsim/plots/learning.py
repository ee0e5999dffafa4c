"""Whether it still learns."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import lines_of, looks, scale


def learning(frame: pd.DataFrame, ax: Axes) -> Axes:
    """A line a contender: the training loss of a small optimisation against simulated time.

    Columns: contender, time_s, loss.
    """
    look = looks(frame["contender"])
    for name, rows in lines_of(frame):
        ax.plot(rows["time_s"], rows["loss"], color=look[name][0], label=name, linewidth=1.5)
    scale(ax.xaxis, frame["time_s"], unit="s", label="simulated time", log=False)
    ax.set_ylabel("training loss (nats)")
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right")
    return ax
