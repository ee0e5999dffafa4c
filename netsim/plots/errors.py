"""By how much predictions are wrong, and where."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from netsim.plots._canvas import IDEAL, PALETTE, legend_above, looks, scale

_APART = 1.12  # times


def errors(frame: pd.DataFrame, ax: Axes) -> Axes:
    """A line of dots a group of measured figures, one a figure, and a bar for the mean of their errors without sign;
    the best group on top.

    Columns: group, error (as a share of what was measured).
    """
    means = (100 * frame["error"].abs()).groupby(frame["group"], sort=False).mean().sort_values(kind="stable")
    for place, (name, mean) in enumerate(means.items()):
        rows = 100 * frame.loc[frame["group"] == name, "error"]
        ax.plot(rows, [place] * len(rows), "o", color=PALETTE[0], ms=3.5, alpha=0.45, markeredgewidth=0)
        ax.barh(place, 2 * mean, left=-mean, height=0.62, color=PALETTE[1], alpha=0.25, zorder=1)
    ax.axvline(0, color=IDEAL, linewidth=1.2, zorder=1)
    ax.set_yticks(range(len(means)), [str(name) for name in means.index], fontsize=8)
    ax.set_ylim(len(means) - 0.3, -0.7)
    ax.grid(axis="y", visible=False)
    ax.set_xscale("symlog", linthresh=10, linscale=1.5)
    ax.set_xticks([-100, -30, -10, -5, 0, 5, 10, 30, 100])
    far = max(110.0, 1.1 * float(100 * frame["error"].abs().max()))
    ax.set_xlim(-far, far)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.0f}" if value else "0"))
    ax.tick_params(axis="x", labelsize=8)
    ax.set_xlabel("error (%); bars: mean without sign, to both sides")
    ax.set_ylabel("what was measured")
    return ax


def errors_by_size(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Errors against the size of the buffer, by group; groups stand a little apart.

    Columns: group, size_bytes, error (as a share of what was measured).
    """
    known = looks(frame["group"])
    for place, (name, (colour, marker)) in enumerate(known.items()):
        rows, apart = frame[frame["group"] == name], _APART ** (place - (len(known) - 1) / 2)
        ax.plot(apart * rows["size_bytes"], 100 * rows["error"], marker, color=colour, ms=4, alpha=0.7, label=name)
    ax.axhline(0, color=IDEAL, linewidth=1.2, zorder=1)
    scale(ax.xaxis, frame["size_bytes"], unit="B", label="buffer", log=True)
    scale(ax.yaxis, [100.0], unit="%", label="error", log=False)
    legend_above(ax, ncols=3)
    return ax
