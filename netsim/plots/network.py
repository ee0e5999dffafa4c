"""A drawn network, its links coloured by how busy they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from netsim.plots._canvas import LOAD

_CROWDED = 12  # nodes whose names would run into one another
_NAMED = 40  # nodes whose names there is room for


def network(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Nodes and links, one line a direction, darker and wider where more of the link's capacity was used.

    Columns: link, source, target, source_x, source_y, target_x, target_y, utilisation (share of the capacity).
    """
    source, target = (frame[[f"{end}_x", f"{end}_y"]].to_numpy(float) for end in ("source", "target"))
    along = target - source
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)
    aside = 0.014 * np.stack([-along[:, 1], along[:, 0]], axis=1) / length[:, None]
    share = 100 * frame["utilisation"].to_numpy(float)
    top = max(1.0, float(share.max(initial=0.0)))
    lines = LineCollection(
        list(np.stack([source + aside, target + aside], axis=1)), array=share, cmap=LOAD,
        linewidths=1.0 + 3.2 * share / top, clim=(0, top), zorder=2,
    )  # fmt: skip
    ax.add_collection(lines)
    bar = ax.figure.colorbar(lines, ax=ax, pad=0.02, shrink=0.9)
    bar.set_label("used of the link's capacity (%)")
    nodes = {
        name: (x, y)
        for end in ("source", "target")
        for name, x, y in zip(frame[end], frame[f"{end}_x"], frame[f"{end}_y"], strict=True)
    }
    lowest = min(y for _, y in nodes.values())
    for name, (x, y) in nodes.items():
        host = name.startswith(("worker", "server"))
        ax.plot([x], [y], "o" if host else "s", color="#404040", mfc="white", ms=6 if host else 8, zorder=3)
        if len(nodes) <= _NAMED:
            below = y == lowest
            ax.annotate(
                name, (x, y), xytext=(0, -7 if below else 7), textcoords="offset points", ha="center",
                va="top" if below else "bottom", rotation=45 if below and len(nodes) > _CROWDED else 0, fontsize=7,
                zorder=4,
            )  # fmt: skip
    ax.margins(0.12)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.set_xlabel("left to right (no scale)")
    ax.set_ylabel("hosts and switches (no scale)")
    return ax
