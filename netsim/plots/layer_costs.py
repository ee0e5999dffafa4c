"""What the layers of a model cost."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import COMMUNICATING, COMPUTING, scale

_FEW = 30  # layers whose names there is room for


def layer_costs(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Each layer's share of a model's flop and, where it is known, of its time: they part where memory bounds.

    Columns: layer (number in forward order), name, flop_share and, or not, time_share (per cent).
    """
    timed = "time_share" in frame
    wide = 0.42 if timed else 0.8
    shift = wide / 2 if timed else 0.0
    ax.bar(frame["layer"] - shift, frame["flop_share"], wide, color=COMPUTING, label="of the flop")
    if timed:
        ax.bar(frame["layer"] + shift, frame["time_share"], wide, color=COMMUNICATING, label="of the time")
    if len(frame) <= _FEW:
        ax.set_xticks(frame["layer"], frame["name"], rotation=90, fontsize=8)
    ax.set_xlim(0, len(frame) + 1)
    ax.set_xlabel("layer (in the order of the forward pass)")
    scale(ax.yaxis, [0, 100], unit="%", label="share of the model", log=False)
    ax.grid(axis="x", visible=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
    return ax
