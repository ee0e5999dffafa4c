"""How busy links are, over time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import LOAD, scale


def utilisation(frame: pd.DataFrame, ax: Axes) -> Axes:
    """A strip a link, darker where more of its rate is used.

    Columns: link, time_s (the middle of a bin; bins are equally long), utilisation (share of the link's rate).
    """
    links = list(dict.fromkeys(frame["link"]))
    grid = np.asarray([frame.loc[frame["link"] == link, "utilisation"] for link in links])
    times = frame.loc[frame["link"] == links[0], "time_s"].to_numpy()
    half = (times[1] - times[0]) / 2 if len(times) > 1 else times[0]
    edges = np.append(times - half, times[-1] + half)
    image = ax.pcolormesh(edges, np.arange(len(links) + 1), 100 * grid, cmap=LOAD, vmin=0, vmax=100)
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
    bar.set_label("used of the link's rate (%)")
    ax.set_yticks(np.arange(len(links)) + 0.5, links)
    ax.set_ylim(len(links), 0)
    ax.set_ylabel("link and direction")
    ax.grid(visible=False)
    scale(ax.xaxis, edges, unit="s", label="time since the iteration's first message", log=False)
    return ax
