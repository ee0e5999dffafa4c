"""The figures of a page: drawn into the folder, those that have something to show."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from netsim import explained, plots, tables
from netsim.axes import name, text
from netsim.plots import (
    breakdown,
    critical_path,
    crossover,
    link_bytes,
    loss,
    network,
    scaling,
    sensitivity,
    staleness,
    timeline,
    utilisation,
)
from netsim.report.words import at_the_rest, contender_name
from netsim.tables import Saved

_FAR_APART = 20.0  # bars whose lengths differ by more than this factor are drawn as shares
_WORST = -50.0  # % of the time: a change that makes it slower still would make the others' bars too short
_DRAWN_LINKS = 200  # of a network that there is room for
_MOST_DRAWN = 12  # contenders of a figure with lines or bars of each
_MANY = 3  # contenders of which each gets a timeline; of more, the fastest and the slowest do


Draw = Callable[..., "Figure"]


@dataclass(frozen=True)
class Figure:
    """A drawn figure: its file within the folder, what it shows, and where its data are."""

    file: str
    caption: str
    data: str
    image: str  # as a data URI


def figures(saved: Saved, folder: Path, formats: Sequence[str] = ()) -> Iterator[Figure]:
    """Figures that have something to show, drawn into the folder; beside PNG in further `formats`."""
    draw, where = partial(drawn, folder, formats=formats), at_the_rest(saved, saved.contender_axis)
    for path, axis in saved.axes.items():
        if axis.numbers is not None and len(axis.values) > 1:
            yield from _along(saved, draw, path)
    curves = tables.learning(folder, saved)
    if curves is not None:
        caption = f"Training loss of a small optimisation against simulated time{where}."
        yield draw(loss.loss, curves, "loss.png", caption, "learning.csv", 4.0)
    yield from _breakdown(saved, draw)
    yield from explained_figures(saved, folder, explained.read(folder), draw)
    links = tables.busiest_links(saved) if len(saved.transfers) else pd.DataFrame()
    if len(links) and _differ(links):
        caption = f"What the busiest link of each kind carries in an iteration{where}."
        height = 1.3 + 0.27 * (len(links) + links["contender"].nunique())
        yield draw(link_bytes.link_bytes, links, "link_bytes.png", caption, "links.csv", height)
    shades = _SHADES if len(saved.transfers) else ""
    for contender in _with_timelines(saved):
        frame = tables.timeline(saved, contender)
        compared = None if _alike(saved) else saved.contender_axis
        named = saved.short_label(compared, contender) if compared else ""
        file = f"timeline_{_slug(named)}.png" if named else "timeline.png"
        who = f" of {named}" if named else ""
        caption = f"One iteration{who}{where}: what a few hosts and their ports do.{shades}"
        yield draw(timeline.timeline, frame, file, caption, "spans.csv", _height(frame, "row", 0.24))
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


def _along(saved: Saved, draw: Draw, path: str) -> Iterator[Figure]:
    frame, few = _few(tables.along(saved, path))
    what, where = name(path), at_the_rest(saved, path, saved.series_axis(path)) + few
    if frame[frame.columns[1]].nunique() < 2:
        return
    closed = _closed_form_note(frame)
    if path == "cluster.workers":
        caption = f"Throughput against workers{where}, and what workers that never wait would reach.{closed}"
        yield draw(scaling.scaling, frame, "scaling.png", caption, "points.csv", 4.0)
        caption = f"Scaling efficiency against workers{where}: the throughput in per cent of the ideal."
        yield draw(scaling.efficiency, frame, "efficiency.png", caption, "points.csv", 3.4)
        return
    caption = f"Iteration time against {what}{where}.{closed}"
    yield draw(crossover.crossover, frame, f"{_slug(what)}.png", caption, "points.csv", 4.0)


def _few(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows of the fastest contenders, of more than a figure has room for, and what its caption says of that."""
    best = frame.groupby("contender", observed=True)["iteration_time_s"].min()
    if len(best) <= _MOST_DRAWN:
        return frame, ""
    kept = frame[frame["contender"].isin(best.nsmallest(_MOST_DRAWN).index)].copy()
    kept["contender"] = kept["contender"].cat.remove_unused_categories()
    return kept.reset_index(drop=True), f", for the {_MOST_DRAWN} fastest of {len(best)}"


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


def _breakdown(saved: Saved, draw: Draw) -> Iterator[Figure]:
    """Where the time goes: along the first axis that is not the contenders', or else at the base point."""
    path = next((path for path in saved.axes if path != saved.contender_axis), None)
    frame, few = _few(tables.parts(saved, path))
    if not len(frame):
        return
    where = at_the_rest(saved, *([path, saved.series_axis(path)] if path else [saved.contender_axis])) + few
    height = 1.2 + 0.24 * (len(frame) + 1.2 * frame["group"].nunique())
    times = frame["iteration_time_s"]
    far_apart = bool(times.max() > _FAR_APART * times.min())
    bars = breakdown.shares if far_apart else breakdown.breakdown
    shares = ", in per cent of each bar's own time" if far_apart else ""
    caption = f"Where the time of an iteration goes{where}{shares}."
    yield draw(bars, frame, "breakdown.png", caption, "points.csv", height)


def drawn(
    folder: Path,
    draw: Any,
    frame: pd.DataFrame,
    file: str,
    caption: str,
    data: str,
    height: float,
    *,
    formats: Sequence[str] = (),
) -> Figure:
    """Draws a figure into the folder's `figures`, as PNG and in further formats, and gives it as pages show it."""
    target = folder / "figures" / file
    for each in (target, *(target.with_suffix(f".{suffix}") for suffix in formats)):
        plots.save(draw, frame, each, height=height)
    image = "data:image/png;base64," + base64.b64encode(target.read_bytes()).decode("ascii")
    return Figure(f"figures/{file}", caption, f"data/{data}", image)


def explained_figures(
    saved: Saved, folder: Path, found: Mapping[str, explained.Explained], draw: Draw
) -> Iterator[Figure]:
    """What critical paths are made of, what would help, how busy links are; their data are written beside."""
    if not found:
        return
    names = {each: contender_name(saved, each) or "this run" for each in found}
    where = at_the_rest(saved, saved.contender_axis)
    frame = _written(folder, "critical_path", explained.parts(found, names))
    caption = f"What the critical path of an iteration is made of{where}: the parts sum to the iteration's time."
    height = 1.9 + 0.3 * len(found)
    yield draw(critical_path.critical_path, frame, "critical_path.png", caption, "critical_path.csv", height)
    for each, kept in found.items():
        frame = explained.changes(kept)
        if len(frame):
            frame = frame[frame["saves_share"] >= _WORST]
            who = f" for {names[each]}" if saved.contender_axis else ""
            file = f"what_would_help_{_slug(names[each])}" if saved.contender_axis else "what_would_help"
            frame = _written(folder, file, frame)
            caption = (
                f"What would help{who}{where}: bars as simulated, diamonds as the critical path predicts; "
                "where they part, the path changed."
            )
            height = 1.2 + 0.27 * len(frame)
            yield draw(sensitivity.sensitivity, frame, f"{file}.png", caption, f"{file}.csv", height)
    late = explained.staleness(found, names)
    if (late["staleness"] > 0).any():
        caption = f"How many updates were applied between a worker's pull and its push{where}."
        data = _written(folder, "staleness", late)
        yield draw(staleness.staleness, data, "staleness.png", caption, "staleness.csv", 3.2)
    yield from _links_over_time(saved, folder, found, names, where, draw)


def _links_over_time(
    saved: Saved,
    folder: Path,
    found: Mapping[str, explained.Explained],
    names: Mapping[str, str],
    where: str,
    draw: Draw,
) -> Iterator[Figure]:
    """The busiest links of the slowest and of the fastest over an iteration; all the slowest's on the drawn network."""
    times = {each: kept["iteration_time_s"] for each, kept in found.items()}
    for each in dict.fromkeys((max(times, key=lambda n: times[n]), min(times, key=lambda n: times[n]))):
        who = f" of {names[each]}" if saved.contender_axis else ""
        end = f"_{_slug(names[each])}" if saved.contender_axis else ""
        frame = explained.utilisation(found[each])
        if not len(frame):
            continue
        _written(folder, f"utilisation{end}", frame)
        caption = f"The busiest links{who} over one iteration{where}."
        height = 1.3 + 0.3 * frame["link"].nunique()
        file, data = f"utilisation{end}.png", f"utilisation{end}.csv"
        yield draw(utilisation.utilisation, frame, file, caption, data, height)
        links = explained.network(found[each])
        if len(links) <= _DRAWN_LINKS and times[each] == max(times.values()):
            _written(folder, f"network{end}", links)
            caption = f"How much of each link's capacity{who} an iteration uses{where}."
            yield draw(network.network, links, f"network{end}.png", caption, f"network{end}.csv", 4.4)


def _written(folder: Path, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, whose file in data/ was written."""
    frame.to_csv(folder / "data" / f"{name}.csv", index=False, lineterminator="\n")
    return frame


def _height(frame: pd.DataFrame, column: str, each: float) -> float:
    return max(2.0, 1.3 + each * frame[column].nunique())


def _slug(words: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in words).strip("_").lower()[:60]
