"""What would help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import PALETTE, legend_above, scale


def sensitivity(frame: pd.DataFrame, ax: Axes) -> Axes:
    """One bar a change: by how much the iteration takes less, simulated, and a mark where the path predicted that.

    Columns: change, saves_share (per cent of the iteration's time), predicted_share (the same, or nothing).
    """
    place = np.arange(len(frame))
    helps = frame["saves_share"] >= 0
    colours = [PALETTE[2] if good else PALETTE[1] for good in helps]
    ax.barh(place, frame["saves_share"], 0.62, color=colours, label="_")
    predicted = frame["predicted_share"].notna().to_numpy()
    ax.plot(
        frame["predicted_share"][predicted], place[predicted], "D", color="#1A1A1A", mfc="white", ms=6, ls="none",
        label="predicted from the critical path",
    )  # fmt: skip
    ax.axvline(0, color="#404040", linewidth=0.9)
    furthest = frame["predicted_share"].fillna(frame["saves_share"])
    low, high = (pick(0.0, *frame["saves_share"], *furthest) for pick in (min, max))
    room = max(high - low, 1.0)
    for at, share, mark in zip(place.tolist(), frame["saves_share"], furthest, strict=True):
        near = mark if abs(mark - share) < 0.25 * room else share  # a word fits between the bar and a mark far off
        beside = max(share, near, 0.0) if share > -0.05 else min(share, near)
        said = f"{-share:+.1f} %" if abs(share) >= 0.05 else "0.0 %"
        side: Any = ("left", 0.03) if share > -0.05 else ("right", -0.03)
        ax.text(beside + side[1] * room, at, said, va="center", ha=side[0], fontsize=8)
    ax.set_xlim(low - (0.22 * room if low < 0 else 0.04 * room), high + 0.2 * room)
    ax.set_yticks(place, frame["change"])
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.set_ylabel("change")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    scale(ax.xaxis, [100.0], unit="%", label="saved of the iteration's time", log=False)
    if predicted.any():
        legend_above(ax, ncols=1)
    return ax
