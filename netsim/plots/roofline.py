"""A model's layers under their device's roofline."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import IDEAL, looks, scale


def roofline(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Each layer's flop/s, forward, against its flop a byte; the lines are what the device's memory and units allow.

    Columns: name, contender (kind of layer), intensity (flop/B), reached_flop_per_s, forward_s, peak_flop_per_s,
    memory_bytes_per_s. Layers without flop are left out; the longest of each kind has its name.
    """
    frame = frame[(frame["intensity"] > 0) & (frame["reached_flop_per_s"] > 0)]
    peak, memory = float(frame["peak_flop_per_s"].iloc[0]), float(frame["memory_bytes_per_s"].iloc[0])
    ridge = peak / memory
    low = min(float(frame["intensity"].min()), ridge) / 2
    high = max(float(frame["intensity"].max()), ridge) * 3
    across = np.asarray([low, ridge, high])
    ax.plot(across, np.minimum(peak, memory * across), color=IDEAL, linewidth=2.2, label="device", zorder=1)
    for name, (colour, marker) in looks(frame["contender"]).items():
        rows = frame[frame["contender"] == name]
        ax.plot(rows["intensity"], rows["reached_flop_per_s"], marker, color=colour, ls="none", ms=5, alpha=0.85,
                label=name, zorder=2)  # fmt: skip
    longest = frame.sort_values("forward_s", ascending=False, kind="stable").drop_duplicates("contender")
    for _, row in longest.iterrows():
        ax.annotate(str(row["name"]), (row["intensity"], row["reached_flop_per_s"]), xytext=(5, -9),
                    textcoords="offset points", fontsize=7)  # fmt: skip
    scale(ax.xaxis, across, unit="flop/B", label="arithmetic intensity", log=True)
    scale(ax.yaxis, [float(frame["reached_flop_per_s"].min()), peak], unit="flop/s", label="reached", log=True)
    ax.legend(loc="lower right", fontsize=7.5)
    return ax
