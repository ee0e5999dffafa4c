"""What happens when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from netsim.plots._canvas import legend_above, scale

_COLOURS = {
    "forward": "#8DA0AE",
    "backward": "#44505A",
    "update": "#CC79A7",
    "encode": "#F0E442",
    "reduce": "#009E73",
    "handle": "#56B4E9",
    "apply": "#0072B2",
    "stopped": "#D55E00",
    "transfer": "#E69F00",
}
_OTHER_BUCKET = "#B45F06"


def timeline(frame: pd.DataFrame, ax: Axes) -> Axes:
    """One iteration: a row for each host's computing and for each direction of its link, time to the right.

    Columns: row, kind ("forward", "backward", "update", "transfer", what servers do), name, start_s, end_s. Transfers
    of neighbouring buckets have two shades; where several share a link they lie on one another.
    """
    rows = list(dict.fromkeys(frame["row"]))
    buckets = list(dict.fromkeys(frame.loc[frame["kind"] == "transfer", "name"]))
    groups: Any = frame.groupby(["row", "kind"], sort=False)
    for (row, kind), bars in groups:
        place = rows.index(row)
        wide = bars["end_s"] - bars["start_s"]
        colours = [_colour(kind, name, buckets) for name in bars["name"]]
        alpha = 0.75 if kind == "transfer" else 1.0
        spans = np.column_stack([bars["start_s"], wide]).tolist()
        ax.broken_barh(spans, (place - 0.38, 0.76), facecolors=colours, alpha=alpha, linewidth=0)
    ax.set_yticks(range(len(rows)), [_said(row, rows) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_ylabel("hosts and their ports")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    scale(ax.xaxis, [frame["end_s"].max()], unit="s", label="time since the iteration began", log=False)
    ax.set_xlim(0, frame["end_s"].max() * 1.01)
    handles = [Patch(color=colour, label=kind) for kind, colour in _COLOURS.items() if (frame["kind"] == kind).any()]
    legend_above(ax, ncols=6, handles=handles)
    return ax


def _colour(kind: str, name: str, buckets: list[str]) -> str:
    return _OTHER_BUCKET if kind == "transfer" and buckets.index(name) % 2 else _COLOURS.get(kind, "#000000")


def _said(row: str, rows: list[str]) -> str:
    """A host by its name; its ports as "out" and "in" beneath it, or with the name where the host has no row."""
    host, _, way = row.partition(".")
    port = {"up": "out", "down": "in"}.get(way, way)
    return port if port and host in rows else f"{host} {port}".strip()
