"""A network as it is wired."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap
from matplotlib.lines import Line2D
from matplotlib.path import Path

from netsim.plots._canvas import LOAD, PALETTE
from netsim.units import show

Places = npt.NDArray[np.float64]
_FILLS = ("#CFE3F3", "#F6D9C3", "#CBE8DD", "#EFD5E3", "#EAE1C4", "#DCDCDC")
_MOST_RATES = 5  # that have a colour of their own
_MOST_NUMBERED = 150  # nodes
_LETTERS = 84  # of a line of the legend
_HOSTS = ("worker", "server", "rank")


def network(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Hosts and switches where they stand, and a line a cable in the colour of its rate; or of its use, if known.

    Columns: link, source, target (nodes), source_x, source_y, target_x, target_y, and rate_bytes_per_s, or utilisation,
    the share of the rate that was used, of which a cable shows the busier way's.
    """
    cables = _cables(frame)
    nodes = _nodes(frame)
    ends = [cables[[f"{end}_x", f"{end}_y"]].to_numpy(dtype=float) for end in ("source", "target")]
    paths = _paths(ends[0], ends[1], np.asarray(list(nodes.values())))
    handles = _by_use(cables, ax, paths) if "utilisation" in frame else _by_rate(cables, ax, paths)
    handles = _draw_nodes(nodes, ax) + handles
    ax.set_aspect("equal")
    ax.axis("off")
    ax.margins(0.04)
    ax.autoscale_view()
    if np.ptp(ax.get_ylim()) < 0.1 * np.ptp(ax.get_xlim()):
        ax.set_ylim(*(np.mean(ax.get_ylim()) + side * 0.05 * np.ptp(ax.get_xlim()) for side in (-1, 1)))
    columns = max(1, min(4, _LETTERS // max(len(str(handle.get_label())) for handle in handles)))
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=columns, fontsize=8)
    return ax


def _cables(frame: pd.DataFrame) -> pd.DataFrame:
    """The row of one way of each cable: the first, with the use of the busier."""
    pair = ["|".join(sorted(ends)) for ends in zip(frame["source"], frame["target"], strict=True)]
    cables = frame.assign(pair=pair).drop_duplicates("pair").reset_index(drop=True)
    if "utilisation" in frame:
        cables["utilisation"] = cables["pair"].map(frame["utilisation"].groupby(pair).max())
    return cables


def _nodes(frame: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Name -> place."""
    found: dict[str, tuple[float, float]] = {}
    for end in ("source", "target"):
        found |= dict(zip(frame[end], zip(frame[f"{end}_x"], frame[f"{end}_y"], strict=True), strict=True))
    return found


def _paths(one: Places, other: Places, nodes: Places) -> list[Path]:
    """Straight lines, but bows where a line would pass over a node that it does not end at."""
    along = other - one
    length = np.hypot(*along.T)
    room = 0.1 * _nearest(nodes)
    paths = []
    for start, end, way, far in zip(one, other, along, length, strict=True):
        away = nodes - start
        at = away @ way / far**2
        beside = np.abs(away @ np.array([-way[1], way[0]])) / far
        if ((at > 1e-6) & (at < 1 - 1e-6) & (beside < room)).any():
            bow = np.array([-way[1], way[0]]) / far * np.median(length) * 0.45
            curve = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
            paths.append(Path(np.array([start, start + bow + way * 0.05, end + bow - way * 0.05, end]), curve))
        else:
            paths.append(Path(np.array([start, end])))
    return paths


def _nearest(nodes: Places) -> float:
    """The least distance between two nodes."""
    distances = np.hypot(*(nodes[:, None, :] - nodes[None, :, :]).transpose(2, 0, 1))
    return float(distances[distances > 0].min(initial=np.inf)) if len(nodes) > 1 else 1.0


def _by_rate(frame: pd.DataFrame, ax: Axes, paths: list[Path]) -> list[Any]:
    """Each rate has a colour and a width, or, of many, a shade."""
    rates = frame["rate_bytes_per_s"].to_numpy(dtype=float)
    levels = sorted(set(rates))
    if len(levels) > _MOST_RATES:
        return _shaded(ax, paths, np.log10(rates), "viridis", "rate (log10 of bytes/s)")
    handles = []
    for number, rate in enumerate(levels):
        look: dict[str, Any] = {"color": PALETTE[(number + 4) % len(PALETTE)], "linewidth": 1.0 + 0.9 * number}
        mine = [path for path, its in zip(paths, rates, strict=True) if its == rate]
        ax.add_collection(PathCollection(mine, facecolors="none", edgecolors=look["color"], lw=look["linewidth"]))
        handles.append(Line2D([], [], **look, label=show(rate, "B/s")))
    return handles


def _by_use(frame: pd.DataFrame, ax: Axes, paths: list[Path]) -> list[Any]:
    return _shaded(ax, paths, 100 * frame["utilisation"].to_numpy(dtype=float), LOAD, "utilisation (%)", low=0.0)


def _shaded(
    ax: Axes, paths: list[Path], values: Places, colours: str | Colormap, label: str, low: float | None = None
) -> list[Any]:
    drawn = PathCollection(paths, facecolors="none", cmap=colours, lw=2.0)
    drawn.set_array(values)
    drawn.set_clim(values.min() if low is None else low, max(values.max(), 1e-9))
    drawn.set_facecolor("none")
    ax.add_collection(drawn)
    assert ax.figure is not None
    ax.figure.colorbar(drawn, ax=ax, label=label, shrink=0.7)
    return []


def _draw_nodes(nodes: dict[str, tuple[float, float]], ax: Axes) -> list[Any]:
    """A mark a node, with its number; hosts are round. Of switches that have names of their own, these."""
    kinds = {name: re.sub(r"\d+$", "", name.rpartition(".")[2]) for name in nodes}
    many = Counter(kinds.values())
    if sum(count == 1 for kind, count in many.items() if kind not in _HOSTS) > 2:
        kinds = {name: kind if many[kind] > 1 or kind in _HOSTS else "switch" for name, kind in kinds.items()}
    handles = []
    size = float(np.clip(4000 / len(nodes), 12, 150))
    order = sorted(dict.fromkeys(kinds.values()), key=lambda kind: kind not in _HOSTS)
    for number, kind in enumerate(order):
        places = np.asarray([place for name, place in nodes.items() if kinds[name] == kind])
        marker, colour = "o" if kind in _HOSTS else "s", _FILLS[number % len(_FILLS)]
        ax.scatter(
            places[:, 0],
            places[:, 1],
            s=size,
            marker=marker,
            c=colour,
            edgecolors="#404040",
            linewidths=0.8,
            zorder=4,
            clip_on=False,
        )
        look: dict[str, Any] = {"ls": "", "marker": marker, "mfc": colour, "mec": "#404040"}
        handles.append(Line2D([], [], **look, label=f"{kind} ({len(places)})"))
    for name, (x, y) in nodes.items() if len(nodes) <= _MOST_NUMBERED else ():
        said = re.search(r"\d+$", name)
        text = said[0] if said else name if len(name) <= 3 else ""
        ax.text(x, y, text, ha="center", va="center", fontsize=size**0.5 * 0.55, zorder=5)
    return handles
