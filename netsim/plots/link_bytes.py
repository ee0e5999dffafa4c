"""What links carry."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from netsim.plots._canvas import looks, scale
from netsim.units import show


def link_bytes(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Bytes an iteration on the busiest link of each kind, a bar each; beside it, the multiple of the gradients.

    Columns: contender, link, alike (links of that kind), bytes_per_iteration, of_gradients.
    """
    look = looks(frame["contender"])
    new = frame["contender"].astype(str).ne(frame["contender"].astype(str).shift())
    place = np.arange(len(frame)) + 1.1 * new.cumsum()
    ax.barh(place, frame["bytes_per_iteration"], color=[look[name][0] for name in frame["contender"]])
    for at, nbytes, multiple in zip(place, frame["bytes_per_iteration"], frame["of_gradients"], strict=True):
        said = f" {show(nbytes, 'B', digits=3)} = {multiple:.3g} x gradients"
        ax.text(nbytes, at, said, va="center", fontsize=8)
    ax.set_yticks(
        place,
        [f"{link} (busiest of {n})" if n > 1 else link for link, n in zip(frame["link"], frame["alike"], strict=True)],
    )
    for at, name in zip(place[new], frame["contender"][new], strict=True):
        ax.text(0, at - 0.95, name, weight="bold", va="center", ha="left", transform=ax.get_yaxis_transform())
    ax.set_ylim(place.max() + 0.7, place.min() - 1.5)
    ax.set_ylabel("link and direction")
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    scale(ax.xaxis, [frame["bytes_per_iteration"].max()], unit="B", label="bytes an iteration", log=False)
    ax.set_xlim(right=frame["bytes_per_iteration"].max() * 1.75)
    return ax
