"""Result folders as pages: frames, figures and words on a self-contained report.html and a report.md.

Nothing is simulated or computed here beyond putting numbers into words: all comes from the folder's saved data.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from netsim import explain, plots, tables
from netsim.axes import distinct, name, place, text
from netsim.plots import breakdown, crossover, link_bytes, scaling, timeline
from netsim.tables import Saved
from netsim.units import SCALES
from netsim.wording import capital, listed

_TIME, _BYTES = "s", "B"
_COLUMNS = {
    "iteration_time_s": ("iteration time", _TIME),
    "compute_time_s": ("computing", _TIME),
    "exposed_communication_s": ("exposed communication", _TIME),
    "straggler_wait_s": ("waiting for slower workers", _TIME),
    "samples_per_s": ("throughput (samples/s)", ""),
    "scaling_efficiency": ("scaling efficiency", "%"),
    "closed_form_iteration_time_s": ("closed form", _TIME),
    "lower_bound_iteration_time_s": ("lower bound", _TIME),
    "bottleneck": ("bottleneck", None),
}
_BYTE_COLUMNS = {
    "gradient_bytes": ("gradients K", _BYTES),
    "measured_bytes": ("measured on all links", _BYTES),
    "formula_bytes": ("formula for these workers", _BYTES),
    "two_n_k_bytes": ("usual count 2 N K", _BYTES),
    "busiest_link": ("busiest link", None),
    "busiest_link_bytes": ("it carries", _BYTES),
    "of_gradients": ("it carries (x K)", ""),
}
_K_NOTE = (
    "K is the size of the gradients, and so of the parameters, in bytes. Measured: bytes that were delivered over all "
    "links into hosts. A port's two directions count apart."
)
_BYTES_NOTE = (
    f"{_K_NOTE} The usual counts for N workers are 2 N K in all for a server and for trees, through the server's port "
    "or the root's, and 2 K a worker for a ring. To be exact, a server that stands apart moves 2 N K, and a tree or a "
    "ring 2 (N - 1) K: a ring's worker sends 2 (N - 1) / N times K."
)
_LIMITS = (
    "Packets, congestion control's transients and losses, protocol headers, the processors' part in a message, the "
    "inside of a device, kernel fusion. Efficiencies of devices are assumptions, so trust differences between "
    "strategies more than absolute times."
)
_FAR_APART = 20.0  # bars whose lengths differ by more than this factor are drawn as shares
_MANY = 3  # contenders of which each gets a timeline; of more, the fastest and the slowest do


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

    @property
    def readable(self) -> Table:
        """Itself, or a line a figure where there is one row."""
        if len(self.rows) != 1:
            return self
        return Table(("figure", "value"), tuple(zip(self.headers, self.rows[0], strict=True)))


def write(folder: Path) -> Path:
    """Draws the figures and writes report.html and report.md of a result folder; gives the path of the page.

    Raises ScenarioError for a folder that holds no results.
    """
    saved = tables.read(folder)
    shutil.rmtree(folder / "figures", ignore_errors=True)
    (folder / "figures").mkdir()
    main = _points_table(saved, saved.at_base(saved.contender_axis))
    context = {
        "result": saved.result,
        "title": _title(saved),
        "question": [" ".join(part.split()) for part in str(saved.result["question"]).split("\n\n") if part.strip()],
        "answer": _answer(saved),
        "here": _here(saved),
        "table": main.readable,
        "bytes": _bytes_table(saved),
        "bytes_note": _BYTES_NOTE if saved.contender_axis == "job.strategy.kind" else _K_NOTE,
        "points": _points_table(saved, saved.points) if len(saved.points) > len(main.rows) else None,
        "figures": list(_figures(saved, folder)),
        "scenario": saved.scenario,
        "limits": _LIMITS,
    }
    for page in ("report.md", "report.html"):
        (folder / page).write_text(pages().get_template(page).render(context), encoding="utf-8")
    return folder / "report.html"


def pages() -> jinja2.Environment:
    """The templates of all pages, with the filter `md` for text in Markdown."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("netsim"),
        autoescape=lambda page: page is None or page.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["md"] = _markdown
    return pages


def _markdown(said: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*<>\[\]|])", r"\\\1", " ".join(str(said).split()))


def _here(saved: Saved) -> str:
    """Where the first table was taken: "At 8 workers, for ring"; for a run, its number of workers."""
    workers = place("cluster.workers", int(saved.points["workers"].iloc[0]))
    return capital(_where(saved, saved.contender_axis).strip() or workers)


def _title(saved: Saved) -> str:
    return str(saved.result["name"]).replace("_", " ")


def _answer(saved: Saved) -> list[str]:
    """Paragraphs: a sweep asks how its axes change things, and is told first; then who wins at the base point and why.
    A comparison asks for the winner."""
    contender = saved.contender_axis
    here = " ".join(explain.verdict(_rows(saved, saved.at_base(contender)), contender).sentences)
    changes = [" ".join(said) for said in _changes(saved, contender)]
    paragraphs = [*changes, here] if saved.result.get("kind") == "sweep" else [here, *changes]
    return [paragraph for paragraph in paragraphs if paragraph]


def _changes(saved: Saved, contender: str | None) -> Iterator[list[str]]:
    """Along each axis that does not compete; along two of them first together, then each at the base of the other."""
    others = [path for path in saved.axes if path != contender and len(saved.axes[path].values) > 1]
    numeric = [path for path in others if saved.axes[path].numbers]
    if contender and len(others) == 2 and numeric:
        first = numeric[0]
        other = next(path for path in others if path != first)
        yield explain.how_two_change_it(_rows(saved, saved.points), contender, first, other)
    for path in others:
        said = explain.how_it_changes(_rows(saved, saved.at_base(contender, path)), contender, path)
        where = _where(saved, path, contender).strip()
        if where and said:
            said[0] = f"{capital(where)}: {said[0][:1].lower()}{said[0][1:]}"
        yield said


def _rows(saved: Saved, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Plain rows, with None where a cell is empty, and tables of the file told apart as shortly as can be."""
    short = {path: distinct(axis.values) for path, axis in saved.axes.items() if axis.has_tables}

    def cell(key: str, value: Any) -> Any:
        if isinstance(value, float) and pd.isna(value):
            return None
        return short[key].get(text(value), value) if key in short else value

    return [{str(key): cell(str(key), value) for key, value in row.items()} for row in frame.to_dict("records")]


def _points_table(saved: Saved, points: pd.DataFrame) -> Table:
    """Coordinates, unless they are the same for all, then the figures that say something, each column in one unit."""
    columns = {column: said for column, said in _COLUMNS.items() if column in points and points[column].notna().any()}
    if not (points["straggler_wait_s"] > 0).any():
        columns.pop("straggler_wait_s", None)
    paths = [path for path in saved.axes if points[path].map(text).nunique() > 1 or path == saved.contender_axis]
    named = {name(path): [saved.short_name(path, value) for value in points[path]] for path in paths}
    return _table(named, points, columns)


def _bytes_table(saved: Saved) -> Table | None:
    """Bytes measured beside the formulas' counts; None where nothing moves."""
    moved = tables.wire_bytes(saved)
    if not (moved["measured_bytes"] > 0).any():
        return None
    columns = dict(_BYTE_COLUMNS)
    if saved.contender_axis != "job.strategy.kind":
        columns.pop("two_n_k_bytes")
    path = saved.contender_axis
    names = [str(each) for each in moved["contender"]]
    if path:
        names = [saved.short_name(path, value) for value in saved.at_base(path)[path]]
    return _table({name(path) if path else "strategy": names}, moved, columns).readable


def _table(named: Mapping[str, Sequence[str]], frame: pd.DataFrame, columns: Mapping[str, tuple[str, Any]]) -> Table:
    headers, cells = list(named), list(named.values())
    scales = {unit: _scale(frame, columns, unit) for unit in (_TIME, _BYTES)}
    for column, (header, unit) in columns.items():
        factor, in_unit = scales.get(unit, (1.0, unit or ""))
        headers.append(f"{header} ({in_unit})" if in_unit else header)
        cells.append(_cells(frame[column], unit, factor))
    return Table(tuple(headers), tuple(zip(*cells, strict=True)))


def _scale(frame: pd.DataFrame, columns: Mapping[str, tuple[str, Any]], unit: str) -> tuple[float, str]:
    """One prefix for all columns of a unit, that of the smallest number in the first of them."""
    first = next((column for column, (_, measured_in) in columns.items() if measured_in == unit), None)
    least = float(frame[first].min()) if first else 0.0
    return next((each for each in reversed(SCALES[unit]) if least >= each[0]), SCALES[unit][0])


def _cells(values: pd.Series[Any], unit: str | None, factor: float) -> list[str]:
    if unit is None:
        return [text(value) if pd.notna(value) else "–" for value in values]
    return [f"{100 * value:.0f}" if unit == "%" and pd.notna(value) else _number(value / factor) for value in values]


def _number(value: float) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _figures(saved: Saved, folder: Path) -> Iterator[Figure]:
    """Figures that have something to show, drawn into the folder."""
    for path, axis in saved.axes.items():
        if axis.numbers is not None and len(axis.values) > 1:
            yield from _along(saved, folder, path)
    yield from _breakdown(saved, folder)
    where = _where(saved, saved.contender_axis)
    links = tables.busiest_links(saved) if len(saved.transfers) else pd.DataFrame()
    if len(links) and _differ(links):
        caption = f"What the busiest link of each kind carries in an iteration{where}."
        height = 1.3 + 0.27 * (len(links) + links["contender"].nunique())
        yield drawn(folder, link_bytes.link_bytes, links, "link_bytes.png", caption, "links.csv", height)
    shades = _SHADES if len(saved.transfers) else ""
    for contender in _with_timelines(saved):
        frame = tables.timeline(saved, contender)
        compared = None if _alike(saved) else saved.contender_axis
        named = saved.short_label(compared, contender) if compared else ""
        file = f"timeline_{_slug(named)}.png" if named else "timeline.png"
        who = f" of {named}" if named else ""
        caption = f"One iteration{who}{where}: what a few hosts and their ports do.{shades}"
        yield drawn(folder, timeline.timeline, frame, file, caption, "spans.csv", _height(frame, "row", 0.24))
        shades = ""


_SHADES = " Neighbouring buckets have two shades; messages that share a port lie on one another."


def _differ(links: pd.DataFrame) -> bool:
    """Whether contenders load their links differently; of one alone, it is worth seeing."""
    most = links.groupby("contender", observed=True)["bytes_per_iteration"].max()
    return len(most) == 1 or bool(most.max() > most.min() * 1.001)


def _alike(saved: Saved) -> bool:
    """Whether strategies have nothing to exchange: one worker does the same under any."""
    return not len(saved.transfers) and (saved.contender_axis or "").startswith("job.strategy")


def _with_timelines(saved: Saved) -> list[str]:
    """Contenders as the records name them: all, or of many the fastest and the slowest."""
    recorded = [str(each) for each in dict.fromkeys(saved.spans["contender"])]
    if _alike(saved):
        return recorded[:1]
    if len(recorded) <= _MANY:
        return recorded
    rows = saved.at_base(saved.contender_axis).sort_values("iteration_time_s", kind="stable")
    ranked = [text(value) for value in rows[saved.contender_axis]]
    return [contender for contender in (ranked[0], ranked[-1]) if contender in recorded]


def _along(saved: Saved, folder: Path, path: str) -> Iterator[Figure]:
    frame, what, where = tables.along(saved, path), name(path), _where(saved, path, saved.series_axis(path))
    if frame[frame.columns[1]].nunique() < 2:
        return
    closed = _closed_form_note(frame)
    if path == "cluster.workers":
        caption = f"Throughput against workers{where}, and what workers that never wait would reach.{closed}"
        yield drawn(folder, scaling.scaling, frame, "scaling.png", caption, "points.csv", 4.0)
        caption = f"Scaling efficiency against workers{where}: the throughput in per cent of the ideal."
        yield drawn(folder, scaling.efficiency, frame, "efficiency.png", caption, "points.csv", 3.4)
        return
    caption = f"Iteration time against {what}{where}.{closed}"
    yield drawn(folder, crossover.crossover, frame, f"{_slug(what)}.png", caption, "points.csv", 4.0)


def _closed_form_note(frame: pd.DataFrame) -> str:
    """What the open rings are, and why some are off the line."""
    ratio = frame["iteration_time_s"] / frame["closed_form_iteration_time_s"]
    if ratio.isna().all():
        return ""
    said = " Open rings: the closed form, in which all workers begin an iteration together."
    ahead = ", ".join(dict.fromkeys(str(who) for who in frame.loc[ratio < 0.99, "contender"]))
    return (
        f"{said} In the simulation workers that are done early begin the next one earlier ({ahead})." if ahead else said
    )


def _breakdown(saved: Saved, folder: Path) -> Iterator[Figure]:
    """Where the time goes: along the first axis that is not the contenders', or else at the base point."""
    path = next((path for path in saved.axes if path != saved.contender_axis), None)
    frame = tables.parts(saved, path)
    if not len(frame):
        return
    where = _where(saved, *([path, saved.series_axis(path)] if path else [saved.contender_axis]))
    height = 1.2 + 0.24 * (len(frame) + 1.2 * frame["group"].nunique())
    times = frame["iteration_time_s"]
    far_apart = bool(times.max() > _FAR_APART * times.min())
    draw = breakdown.shares if far_apart else breakdown.breakdown
    shares = ", in per cent of each bar's own time" if far_apart else ""
    caption = f"Where the time of an iteration goes{where}{shares}."
    yield drawn(folder, draw, frame, "breakdown.png", caption, "points.csv", height)


def _where(saved: Saved, *free: str | None) -> str:
    """ " at 8 workers": the axes that stand at their base value."""
    fixed = [place(path, saved.base(path)) for path in saved.axes if path not in free]
    return f" {listed(fixed)}" if fixed else ""


def drawn(folder: Path, draw: Any, frame: pd.DataFrame, file: str, caption: str, data: str, height: float) -> Figure:
    """Draws a figure into the folder's `figures`, and gives it as pages show it."""
    target = folder / "figures" / file
    plots.save(draw, frame, target, height=height)
    image = "data:image/png;base64," + base64.b64encode(target.read_bytes()).decode("ascii")
    return Figure(f"figures/{file}", caption, f"data/{data}", image)


def _height(frame: pd.DataFrame, column: str, each: float) -> float:
    return max(2.0, 1.3 + each * frame[column].nunique())


def _slug(words: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in words).strip("_").lower()[:60]
