"""A fitted link beside what was measured."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from matplotlib.ticker import FuncFormatter

from netsim.plots._canvas import IDEAL, PALETTE, scale


def calibrated(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Measured times against the size of a message, the fit as a line. Below it the relative errors, also those of
    fits that have not seen the sample.

    Columns: message_bytes, measured_s, fitted_s, held_out_s. A message without bytes is drawn as one of a byte.
    """
    sizes = frame["message_bytes"].clip(lower=1.0)
    ax.plot(sizes, frame["fitted_s"], color=PALETTE[0], label="fit", zorder=2)
    ax.plot(sizes, frame["measured_s"], "o", color=PALETTE[1], mfc="none", label="measured", zorder=3)
    scale(ax.yaxis, [*frame["measured_s"], *frame["fitted_s"]], unit="s", label="time", log=True)
    ax.legend()
    figure: Any = ax.figure
    grid = GridSpec(2, 1, figure=figure, height_ratios=(2, 1))
    ax.set_subplotspec(grid[0])
    below = figure.add_subplot(grid[1], sharex=ax)
    for column, marker, label in (("held_out_s", "x", "not seen"), ("fitted_s", "o", "fitted")):
        errors = (frame[column].astype(float) / frame["measured_s"] - 1) * 100
        colour = IDEAL if column == "held_out_s" else PALETTE[0]
        below.plot(sizes, errors, marker, color=colour, ms=4, label=label)
    below.axhline(0, color="#404040", lw=0.8)
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.3g}" if value else "0"))
    below.set_ylabel("error (%)")
    below.legend(ncols=2, loc="best", fontsize=8)
    scale(below.xaxis, sizes, unit="B", label="message", log=True)
    ax.set_xlabel(below.get_xlabel(), visible=False)
    ax.tick_params(labelbottom=False)
    return ax
