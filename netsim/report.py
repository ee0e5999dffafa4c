"""Result folders as pages: frames, figures and words on a self-contained report.html and a report.md.

Nothing is simulated or computed here beyond putting numbers into words: all comes from the folder's saved data.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from netsim import explain, plots, tables
from netsim.axes import label, name, place, text
from netsim.plots import breakdown, crossover, link_bytes, scaling, timeline
from netsim.tables import Saved

_TIME, _BYTES = "s", "B"
_COLUMNS = {
    "iteration_time_s": ("iteration time", _TIME),
    "compute_time_s": ("computing", _TIME),
    "exposed_communication_s": ("exposed communication", _TIME),
    "straggler_wait_s": ("waiting for slower workers", _TIME),
    "samples_per_s": ("throughput [samples/s]", ""),
    "scaling_efficiency": ("scaling efficiency", "%"),
    "closed_form_iteration_time_s": ("closed form", _TIME),
    "lower_bound_iteration_time_s": ("lower bound", _TIME),
    "wire_bytes_per_iteration": ("bytes an iteration, all links into hosts", _BYTES),
    "formula_wire_bytes_per_iteration": ("by the formula", _BYTES),
    "busiest_link": ("busiest link", None),
    "busiest_link_bytes_per_iteration": ("its bytes an iteration", _BYTES),
    "bottleneck": ("bottleneck", None),
}
_SCALES = {
    _TIME: [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")],
    _BYTES: [(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")],
}


@dataclass(frozen=True)
class Figure:
    """A drawn figure: its file within the folder, what it shows, and where its data are."""

    file: str
    caption: str
    data: str
    image: str  # as a data URI


@dataclass(frozen=True)
class Table:
    """Headers with units, and cells as text."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write(folder: Path) -> Path:
    """Draws the figures and writes report.html and report.md of a result folder; gives the path of the page.

    Raises ScenarioError for a folder that holds no results.
    """
    saved = tables.read(folder)
    shutil.rmtree(folder / "figures", ignore_errors=True)
    (folder / "figures").mkdir()
    context = {
        "result": saved.result,
        "title": _title(saved),
        "question": [" ".join(part.split()) for part in str(saved.result["question"]).split("\n\n") if part.strip()],
        "answer": _answer(saved),
        "table": _main_table(saved),
        "figures": list(_figures(saved, folder)),
        "scenario": saved.scenario,
    }
    for page in ("report.md", "report.html"):
        (folder / page).write_text(_pages().get_template(page).render(context), encoding="utf-8")
    return folder / "report.html"


def _pages() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("netsim"),
        autoescape=lambda page: page is None or page.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _title(saved: Saved) -> str:
    return str(saved.result["name"]).replace("_", " ")


def _answer(saved: Saved) -> list[str]:
    """Paragraphs: who wins at the base point and why, then how each axis changes it."""
    contender = saved.contender_axis
    base = saved.at_base(contender)
    paragraphs = [" ".join(explain.verdict(_rows(base), contender).sentences)]
    for path in saved.axes:
        if path != contender:
            said = explain.how_it_changes(_rows(saved.at_base(contender, path)), contender, path)
            paragraphs.append(" ".join(said))
    return [paragraph for paragraph in paragraphs if paragraph]


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Plain rows, with None where a cell is empty."""
    return [
        {str(key): None if isinstance(value, float) and pd.isna(value) else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _main_table(saved: Saved) -> Table:
    """All points: coordinates, then the figures that say something, each column in one unit."""
    points = saved.points
    columns = [column for column in _COLUMNS if column in points and points[column].notna().any()]
    if not (points["straggler_wait_s"] > 0).any():
        columns.remove("straggler_wait_s")
    headers = [name(path) for path in saved.axes]
    cells = [[_named(path, value) for value in points[path]] for path in saved.axes]
    for column in columns:
        header, unit = _COLUMNS[column]
        shown, in_unit = _column(points[column], unit)
        headers.append(f"{header} [{in_unit}]" if in_unit else header)
        cells.append(shown)
    return Table(tuple(headers), tuple(zip(*cells, strict=True)))


def _named(path: str, value: Any) -> str:
    said = text(value)
    return label(path, value) if path.startswith("job.strategy.kind") else said


def _column(values: pd.Series[Any], unit: str | None) -> tuple[list[str], str]:
    """Cells as text, and the unit for the header."""
    if unit is None:
        return [text(value) if pd.notna(value) else "–" for value in values], ""
    if unit == "%":
        return [f"{100 * value:.0f}" for value in values], "%"
    factor, prefixed = 1.0, ""
    if unit:
        middle = float(values.median())
        factor, prefixed = next(((f, u) for f, u in reversed(_SCALES[unit]) if middle >= f), _SCALES[unit][0])
    return [_number(value / factor) for value in values], prefixed


def _number(value: float) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _figures(saved: Saved, folder: Path) -> Iterator[Figure]:
    """Figures that have something to show, drawn into the folder."""
    for path, axis in saved.axes.items():
        if axis.numbers is not None and len(axis.values) > 1:
            yield from _along(saved, folder, path)
    yield from _breakdowns(saved, folder)
    transfers = saved.transfers if len(saved.transfers) else saved.spans
    for contender in dict.fromkeys(transfers["contender"]):
        frame = tables.timeline(saved, contender)
        file = f"timeline_{_slug(contender)}.png" if saved.contender_axis else "timeline.png"
        who = f" of {label(saved.contender_axis, contender)}" if saved.contender_axis else ""
        where = _where(saved, saved.contender_axis)
        caption = f"One iteration{who}{where}: what the first hosts and their ports do, and when."
        yield _drawn(folder, timeline.timeline, frame, file, caption, "transfers.csv", _height(frame, "row", 0.24))
    if len(saved.transfers):
        links = tables.busiest_links(saved)
        caption = f"What the busiest link of each kind carries{_where(saved, saved.contender_axis)}."
        height = 1.3 + 0.27 * (len(links) + links["contender"].nunique())
        yield _drawn(folder, link_bytes.link_bytes, links, "link_bytes.png", caption, "links.csv", height)


def _along(saved: Saved, folder: Path, path: str) -> Iterator[Figure]:
    frame, what, where = tables.along(saved, path), name(path), _where(saved, path, saved.series_axis(path))
    if path == "cluster.workers":
        caption = f"Throughput against workers{where}, with what workers that never wait would reach."
        yield _drawn(folder, scaling.scaling, frame, "scaling.png", caption, "points.csv", 4.0)
        caption = f"Scaling efficiency against workers{where}."
        yield _drawn(folder, scaling.efficiency, frame, "efficiency.png", caption, "points.csv", 3.4)
        return
    caption = f"Iteration time against {what}{where}."
    yield _drawn(folder, crossover.crossover, frame, f"{_slug(what)}.png", caption, "points.csv", 4.0)


def _breakdowns(saved: Saved, folder: Path) -> Iterator[Figure]:
    """Where the time goes: along the first axis that is not the contenders', or else at the base point."""
    path = next((path for path in saved.axes if path != saved.series_axis(path)), None)
    path = next((path for path in saved.axes if path != saved.contender_axis), path)
    frame = tables.parts(saved, path if path != saved.contender_axis else None)
    where = _where(saved, *([path, saved.series_axis(path)] if path else [saved.contender_axis]))
    caption = f"Where the time of an iteration goes{where}."
    height = 1.2 + 0.24 * (len(frame) + 1.2 * frame["group"].nunique())
    yield _drawn(folder, breakdown.breakdown, frame, "breakdown.png", caption, "points.csv", height)


def _where(saved: Saved, *free: str | None) -> str:
    """ " at 8 workers": the axes that stand at their base value."""
    fixed = [place(path, saved.base(path)) for path in saved.axes if path not in free]
    return f" {' and '.join(fixed)}" if fixed else ""


def _drawn(folder: Path, draw: Any, frame: pd.DataFrame, file: str, caption: str, data: str, height: float) -> Figure:
    target = folder / "figures" / file
    plots.save(draw, frame, target, height=height)
    image = "data:image/png;base64," + base64.b64encode(target.read_bytes()).decode("ascii")
    return Figure(f"figures/{file}", caption, f"data/{data}", image)


def _height(frame: pd.DataFrame, column: str, each: float) -> float:
    return 1.3 + each * frame[column].nunique()


def _slug(words: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in words).strip("_").lower()
