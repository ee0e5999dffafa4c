"""What was predicted against what was measured."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import IDEAL, looks, scale


def predicted(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Predicted over measured against the measured value; bands of 5 and 10 per cent are round what is right.

    Columns: group, measured, predicted.
    """
    for band, shade in ((0.10, 0.15), (0.05, 0.3)):
        ax.axhspan(1 - band, 1 + band, color=IDEAL, alpha=shade, linewidth=0, zorder=0)
    ax.axhline(1, color=IDEAL, linewidth=1.2, zorder=1)
    for name, (colour, marker) in looks(frame["group"]).items():
        rows = frame[frame["group"] == name]
        ax.plot(
            rows["measured"], rows["predicted"] / rows["measured"], marker, color=colour, ms=4, alpha=0.8, label=name
        )
    unit = "samples/s" if "quantity" in frame and frame["quantity"].iloc[0] == "samples_per_s" else "s"
    scale(ax.xaxis, frame["measured"], unit=unit, label="measured", log=True)
    scale(ax.yaxis, [1.0], unit="", label="predicted / measured", log=False)
    ratio = frame["predicted"] / frame["measured"]
    ax.set_ylim(max(0.0, min(0.88, ratio.min() - 0.05)), max(1.12, 1.03 * ratio.max()))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.2)
    return ax
