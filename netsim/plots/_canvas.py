"""What all figures share: the paper, the colours and the scales of their axes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from PIL import Image

from netsim.units import SCALES, show

Pixels = npt.NDArray[np.uint8]  # [row, column, red green blue]

_WIDTH, _DPI = 6.4, 150  # inches, dots an inch
# Okabe and Ito's colours, which people with any colour vision tell apart; the yellow, too pale for lines, is left out,
# and two are added.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8C6D1F", "#404040", "#7A3FC8")
MARKERS = "osD^vPX*"
COMPUTING, COMMUNICATING, WAITING = "#5B6770", "#E69F00", "#F0E442"
IDEAL = "#8A8A8A"
LOAD = LinearSegmentedColormap.from_list("load", ["#D5E3F0", "#5B9BD0", "#0B3C74", "#061B38"])  # of idle to full links

# Names of contenders that keep their colour from one report to the next.
_KEPT = {"ring": 0, "parameter server": 1, "tree": 2, "binomial tree": 3}
_STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "netsim",
    "text.parse_math": False,  # names may have dollars
    "pdf.fonttype": 42,
}


# What a format would write of the day and the program.
_UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}
_LONGEST_NAME, _HALF = 40, 18  # letters
_MANY = 1e4  # times the least value, from which on each tick of an axis has a prefix of its own
_CROWDED, _APART = 30, 0.03  # points of a line, from which on markers stand so far apart, as a share of the diagonal


def save(draw: Callable[[pd.DataFrame, Axes], Axes], frame: pd.DataFrame, file: Path, *, height: float = 4.0) -> None:
    """Draws a figure of 6.4 x `height` inches into a file: PNG, SVG or PDF by its ending; the same bytes for the same
    frame. SVG and PDF keep text as text; letters that the font lacks are boxes in a PNG."""
    settings: Any = {**mpl.rcParamsDefault, **_STYLE}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        draw(_with_short_names(frame), figure.add_subplot())
        kind = file.suffix.removeprefix(".").lower() or "png"
        if kind == "png":
            drawn = BytesIO()
            figure.savefig(drawn, dpi=_DPI, format="rgba")
            pixels = np.frombuffer(drawn.getvalue(), dtype=np.uint8).reshape(-1, round(_WIDTH * _DPI), 4)
            _paletted(pixels[..., :3]).save(file, "PNG", optimize=True, dpi=(_DPI, _DPI))
        else:
            figure.savefig(file, dpi=_DPI, format=kind, metadata=_UNDATED.get(kind, {}))


def _with_short_names(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with what is longer than a figure has room for cut in the middle, each in its own way."""
    texts = {column: frame[column] for column in frame if not pd.api.types.is_numeric_dtype(frame[column].dtype)}
    longer = dict.fromkeys(
        said for each in texts.values() for said in each if isinstance(said, str) and len(said) > _LONGEST_NAME
    )
    if not longer:
        return frame
    short = {said: f"{said[:_HALF]}…{said[-_HALF:]}" for said in longer}
    met = Counter(short.values())
    unlike = {said: f"{cut} ({number})" if met[cut] > 1 else cut for number, (said, cut) in enumerate(short.items(), 1)}
    shown = {str(column): each.map(lambda said: unlike.get(str(said), said)) for column, each in texts.items()}
    return frame.assign(**shown)


def _paletted(pixels: Pixels) -> Image.Image:
    """The picture in the 256 colours that most of it has, the rest, shades at edges, in the nearest of them: a third of
    the bytes."""
    weights = np.array([1 << 16, 1 << 8, 1])
    colours, place, count = np.unique(pixels.reshape(-1, 3) @ weights, return_inverse=True, return_counts=True)
    kept = np.argsort(-count, kind="stable")[:256]
    shades = colours[:, None] // weights % 256
    nearest = ((shades[:, None] - shades[kept]) ** 2).sum(axis=2).argmin(axis=1)
    image = Image.fromarray(nearest[place].reshape(pixels.shape[:2]).astype(np.uint8), mode="P")
    image.putpalette(shades[kept].astype(np.uint8).tobytes())
    return image


def legend_above(ax: Axes, *, ncols: int, handles: Sequence[Any] | None = None) -> None:
    """A legend over the whole width of the figure, so that long names beside the axis leave the axis its room."""
    known, labels = ax.get_legend_handles_labels()
    figure = ax.get_figure()
    assert figure is not None
    named = [handle.get_label() for handle in handles] if handles else labels
    shown = handles or known
    figure.legend(shown, named, loc="outside upper left", ncols=ncols, borderaxespad=0.2, columnspacing=1.2)


def looks(contenders: pd.Series) -> dict[str, tuple[str, str]]:
    """Colour and marker of each contender: fixed for the known strategies, else by place among all contenders."""
    dtype = contenders.dtype
    names = list(dtype.categories) if isinstance(dtype, pd.CategoricalDtype) else list(dict.fromkeys(contenders))
    kept = {name: _KEPT[name] for name in names if name in _KEPT}
    free = iter([*(i for i in range(len(PALETTE)) if i not in kept.values()), *range(len(PALETTE) * 20)])
    places = {name: kept[name] if name in kept else next(free) for name in names}
    return {name: (PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]) for name, i in places.items()}


def lines_of(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each contender that has any, in the contenders' order."""
    return [(str(name), rows) for name, rows in frame.groupby("contender", observed=True, sort=True)]


def lines_and_rings(frame: pd.DataFrame, ax: Axes, column: str, figure: str) -> None:
    """A line a contender of a figure against `column`, and open rings where "closed_form_" and its name is known."""
    look, closed = looks(frame["contender"]), f"closed_form_{figure}"
    for name, rows in lines_of(frame):
        colour, marker = look[name]
        apart = _APART if len(rows) > _CROWDED else None  # so that markers stay markers
        ax.plot(rows[column], rows[figure], color=colour, marker=marker, label=name, markevery=apart, zorder=3)
        ax.plot(rows[column], rows[closed], "o", color=colour, mfc="none", ms=10, markevery=apart, zorder=2)
    if frame[closed].notna().any():
        ax.plot([], [], "o", color="#555555", mfc="none", ms=10, label="closed form")


def scale(axis: Axis, values: Iterable[float], *, unit: str, label: str, log: bool, ticks: bool = False) -> None:
    """Labels an axis with its unit, a prefix fit for the values, and plain numbers as ticks (the values if `ticks`)."""
    finite = np.unique([value for value in values if np.isfinite(value)])
    typical = (np.median(finite) if ticks else finite.max()) if len(finite) else 1.0
    factor, name = _prefix(float(typical), unit)
    if log:
        (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    if log and unit in SCALES and spans_decades(finite, factor=_MANY):  # no prefix is fit for all of them
        axis.set_label_text(label)
        axis.set_major_formatter(FuncFormatter(lambda value, _: show(value, unit, digits=3)))
    else:
        axis.set_label_text(f"{label} ({name})" if name else label)
        axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value / factor)))
    if log:
        axis.set_minor_locator(NullLocator())
    if ticks and len(finite) <= 10:
        axis.set_major_locator(FixedLocator(finite.tolist()))
    elif log:
        axis.set_major_locator(FixedLocator(_round_numbers(finite.min() / factor, finite.max() / factor, factor)))


def spans_decades(values: Iterable[float], *, factor: float = 10.0) -> bool:
    """Whether positive values are so far apart that a logarithmic axis shows them better."""
    finite = [value for value in values if np.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) >= factor * min(finite)


def _round_numbers(low: float, high: float, factor: float) -> list[float]:
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    decades = range(first, last + 1, 1 + (last - first) // 9)
    steps = (1, 2, 5) if np.log10(high / low) < 2.5 else (1,)
    return [step * 10.0**decade * factor for decade in decades for step in steps]


def _prefix(value: float, unit: str) -> tuple[float, str]:
    """1 of the unit that people would write such a value in, and its name: 0.02 s -> (0.001, "ms")."""
    if unit not in ("s", "B", "B/s", "flop/s"):
        return 1.0, unit
    number, name = show(value, unit, digits=15).split(" ")
    return (value / float(number) if value else 1.0), name


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 999.95 else f"{value:.4g}"
