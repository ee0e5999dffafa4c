"""Who sends to whom in each round of a collective."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import COMMUNICATING, PALETTE


def rounds(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Ranks as rows, rounds as columns, and an arrow a transfer: where the receiver adds, and where it takes.

    Columns: round (from 1), src, dst, add.
    """
    for adds, colour, label in ((True, PALETTE[0], "is added"), (False, COMMUNICATING, "is taken as it is")):
        rows = frame[frame["add"] == adds]
        look: dict[str, Any] = {
            **{"angles": "xy", "scale_units": "xy", "scale": 1, "color": colour, "zorder": 3},
            **{"units": "dots", "width": 2.2, "headwidth": 5, "headlength": 6, "headaxislength": 5.5},
        }
        ax.quiver(
            *(rows["round"] - 0.35, rows["src"], [0.7] * len(rows), rows["dst"] - rows["src"]),
            **look,
        )
        if len(rows):
            ax.plot([], [], color=colour, label=label)
    hosts = range(int(frame[["src", "dst"]].to_numpy().max()) + 1)
    ax.set_ylim(hosts[-1] + 0.4, -0.4)
    ax.set_xlim(0.5, frame["round"].max() + 0.5)
    ax.set_yticks(hosts)
    ax.set_xticks(range(1, int(frame["round"].max()) + 1))
    ax.set_xlabel("round")
    ax.set_ylabel("rank (servers last)")
    ax.grid(axis="x", visible=False)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
    return ax
