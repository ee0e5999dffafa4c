"""How old the weights were that gradients were computed on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from netsim.plots._canvas import lines_of, looks, scale


def staleness(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Share of updates by staleness: how many others were applied between a worker's pull and its push.

    Columns: contender, staleness (updates), share (per cent of the contender's updates).
    """
    look = looks(frame["contender"])
    groups = lines_of(frame)
    wide = 0.8 / len(groups)
    for number, (name, rows) in enumerate(groups):
        shift = (number - (len(groups) - 1) / 2) * wide
        ax.bar(rows["staleness"] + shift, rows["share"], wide, color=look[name][0], label=name)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("staleness (updates)")
    scale(ax.yaxis, [float(np.max(frame["share"]))], unit="%", label="share of updates", log=False)
    ax.grid(axis="x", visible=False)
    ax.legend()
    return ax
