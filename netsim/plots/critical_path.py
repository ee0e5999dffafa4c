"""What the critical path is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import COMMUNICATING, COMPUTING, PALETTE, WAITING, legend_above, scale

_LOOKS = {  # part -> colour and hatch: what is alike has one colour, so that print without colours tells them apart
    "computing": (COMPUTING, ""),
    "waiting for stragglers": (WAITING, ".."),
    "sending at the full rate": (COMMUNICATING, ""),
    "sharing links with others": (COMMUNICATING, "//"),
    "queueing behind others": (COMMUNICATING, "xx"),
    "links below their rate": (COMMUNICATING, "++"),
    "latency": (PALETTE[0], ""),
    "messages' overhead": (PALETTE[4], ""),
    "adding gradients": (PALETTE[2], ""),
    "servers' adding": (PALETTE[2], "//"),
    "servers' handling of messages": (PALETTE[2], "xx"),
    "servers' optimiser": (PALETTE[2], ".."),
    "standing still": ("#1A1A1A", ""),
}


def critical_path(frame: pd.DataFrame, ax: Axes) -> Axes:
    """One bar a contender: the parts of its critical path, which sum to the time of an iteration.

    Columns: contender, part (in words), seconds. Parts that are nowhere more than a thousandth are left out.
    """
    names = list(dict.fromkeys(frame["contender"]))
    totals = frame.groupby("contender", observed=True, sort=False)["seconds"].sum().reindex(names)
    place, left = np.arange(len(names)), np.zeros(len(names))
    for number, part in enumerate(dict.fromkeys([*_LOOKS, *frame["part"]])):
        rows = frame[frame["part"] == part]
        wide = rows.groupby("contender", observed=True)["seconds"].sum().reindex(names).fillna(0.0).to_numpy()
        if (wide > 1e-3 * totals.to_numpy()).any():
            colour, hatch = _LOOKS.get(part, (PALETTE[number % len(PALETTE)], "\\\\"))
            ax.barh(place, wide, left=left, color=colour, hatch=hatch, label=part, edgecolor="white", linewidth=0.5)
        left += wide
    ax.set_yticks(place, names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_ylabel("contender")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    legend_above(ax, ncols=3)
    scale(ax.xaxis, totals, unit="s", label="critical path of an iteration", log=False)
    return ax
