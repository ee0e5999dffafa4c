"""Results as pandas frames, and the folder that keeps them.

A frame is tidy: one row an observation, coordinates first, under the path of their key and with the value as the
scenario file has it ("10 us"), then measured columns in SI whose names end in their unit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from netsim.axes import Axis, contender_axis, distinct, label, name, text
from netsim.errors import ScenarioError
from netsim.frames import chunks, columns_of, no_numbers, read_csv, together
from netsim.texts import read_json
from netsim.topologies.base import without_numbers
from netsim.trace import OF_LINKS, OF_SERVERS, OVER_TIME, RECORDS, Trace
from netsim.units import SUFFIXES

_MOST_LINKS = 8  # whose use over time a folder keeps, of each contender
_SPEEDS = ("iteration_time_s", "samples_per_s")
_FIGURES = ("strategy", "bottleneck", *_SPEEDS, "scaling_efficiency", "gradient_bytes")
_HOST_COLUMNS = ("host", "src", "dst", "worker")
_OF_THE_LAST_ITERATION = ("spans", "transfers")


def trace_frames(trace: Trace) -> dict[str, pd.DataFrame]:
    """The records of a run as frames "steps", "spans", "transfers", "links", "link_bins", "link_changes",
    "interruptions" and, of parameter servers and hosts that stop, "updates", "servers" and "outages", with hosts by
    name and SI units. `stopped_s` of steps is there if any has.

    `updates` has also `staleness`, empty for gradients that were thrown away. `links` has also `bytes_per_iteration`
    and `utilisation`, the share of its capacity that the run used, others' bytes among it; so has `link_bins` for each
    stretch of time.
    """
    frames = {}
    for kind, renamed in {**RECORDS, **OVER_TIME, **OF_SERVERS}.items():
        renamed = {**renamed, **OF_LINKS} if kind == "links" else renamed
        records = pd.DataFrame(getattr(trace, kind).columns).rename(columns=renamed)
        for column in records.columns.intersection(list(_HOST_COLUMNS)):
            records[column] = [trace.hosts[host] for host in records[column]]
        frames[kind] = records
    steps, links, updates = frames["steps"], frames["links"], frames["updates"]
    stopped = steps.pop("stopped")
    if stopped.any():
        steps["stopped_s"] = stopped
    kept = updates["version"] > 0
    updates["staleness"] = (updates["version"] - 1 - updates["held"]).where(kept).astype("Int64")
    iterations = trace.facts.get("iterations") or steps["iteration"].nunique() or 1
    lasted = steps["end_s"].max() if len(steps) else 0.0
    links["bytes_per_iteration"] = links["bytes"] / iterations
    passed = links["bytes"] + links["background_bytes"]
    links["utilisation"] = passed / links["rate_bytes_per_s"] / lasted if lasted else 0.0
    bins = frames["link_bins"]
    rates = bins["link"].map(links.set_index("link")["rate_bytes_per_s"]).astype(float)  # of no links: text
    bins["utilisation"] = bins["bytes"] / rates / (bins["end_s"] - bins["start_s"])
    return frames


def save(
    folder: Path | str, result: Mapping[str, Any], points: Iterable[Mapping[str, Any]], traces: Mapping[str, Trace]
) -> None:
    """Writes result.json and data/*.csv. `traces`: the base point's trace of each contender, by its value as text."""
    data = Path(folder) / "data"
    data.mkdir(parents=True, exist_ok=True)
    (Path(folder) / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    columns = columns_of(points)
    for number, part in enumerate(chunks(points, columns)):
        part.to_csv(
            data / "points.csv", mode="a" if number else "w", header=not number, index=False, lineterminator="\n"
        )
    by_contender = {contender: trace_frames(trace) for contender, trace in traces.items()}
    disturbed = any(len(f["link_changes"]) or f["links"]["background_bytes"].any() for f in by_contender.values())
    maybe = [*OF_SERVERS, *(OVER_TIME if disturbed else ())]
    left = [kind for kind in maybe if any(len(frames[kind]) for frames in by_contender.values())]
    for kind in [*RECORDS, *left]:
        parts = [_kept(kind, frames).assign(contender=contender) for contender, frames in by_contender.items()]
        joined = pd.concat([part for part in parts if len(part)] or parts[:1] or [pd.DataFrame({"contender": []})])
        _write(data / f"{kind}.csv", joined[["contender", *joined.columns.drop("contender")]])
    if curves := [each for who, trace in traces.items() if len(each := _curve(trace, who))]:
        joined = pd.concat(curves).rename(columns={"time": "time_s"})
        _write(data / "learning.csv", joined[["contender", *joined.columns.drop("contender")]])


def learning(folder: Path | str, saved: Saved) -> pd.DataFrame | None:
    """Loss and accuracy of a small optimisation against simulated time, by contender; None where there is none."""
    file = Path(folder) / "data" / "learning.csv"
    if not file.is_file():
        return None
    drawn = read_csv(file, dtype={"contender": str})
    drawn["contender"] = _record_names(saved, drawn)
    return drawn


def _curve(trace: Trace, who: str) -> pd.DataFrame:
    aim = trace.scenario.job.statistics
    return pd.DataFrame(trace.facts.get("learning", ())).assign(contender=who, target=aim and aim.target)


def _kept(kind: str, frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All steps and links; of spans and transfers those of the last iteration on the hosts that a timeline shows; of
    what passed links over time that of the busiest."""
    records = frames[kind]
    if kind == "link_bins":
        busiest = frames["links"].sort_values("utilisation", ascending=False, kind="stable")["link"][:_MOST_LINKS]
        return records[records["link"].isin(busiest)]
    if kind not in _OF_THE_LAST_ITERATION or not len(records):
        return records
    last = {
        name: frames[name][frames[name]["iteration"] == records["iteration"].max()] for name in ("spans", "transfers")
    }
    shown = shown_hosts(last["spans"], last["transfers"])
    ends = [column for column in _HOST_COLUMNS if column in records]
    kept: pd.DataFrame = last[kind][last[kind][ends].isin(shown).any(axis=1)]
    return kept


def _write(file: Path, records: pd.DataFrame) -> None:
    records.to_csv(file, index=False, lineterminator="\n")


@dataclass(frozen=True)
class Saved:
    """A result folder as read: what was asked, its points, and the records of each contender's base point."""

    result: Mapping[str, Any]
    scenario: str  # the base scenario as resolved, TOML; "" where the folder has none
    points: pd.DataFrame
    steps: pd.DataFrame
    spans: pd.DataFrame
    transfers: pd.DataFrame
    links: pd.DataFrame

    @cached_property
    def axes(self) -> dict[str, Axis]:
        """The axes that were swept, by path."""
        return {path: Axis(path, tuple(values)) for path, values in self.result.get("axes", {}).items()}

    @property
    def contender_axis(self) -> str | None:
        """The path whose values compete, None for a single run or a sweep over numbers alone."""
        return contender_axis({path: axis.values for path, axis in self.axes.items()})

    def series_axis(self, along: str | None) -> str | None:
        """The axis that makes the lines of a figure along another one: the contenders', else the first other one."""
        others = [path for path in self.axes if path != along]
        if self.contender_axis in others:
            return self.contender_axis
        return others[0] if others and along else None

    def base(self, path: str) -> Any:
        """The value on an axis at which the other axes are looked at; the axis' last where the result names none."""
        values = self.axes[path].values
        named = self.result.get("base", {}).get(path)
        return named if named in values else values[-1]

    def at_base(self, *free: str | None) -> pd.DataFrame:
        """The points where every axis that is not `free` has its base value, in the order of the axes."""
        here = self.points
        for path in self.axes:
            if path not in free:
                here = here[here[path].map(text) == text(self.base(path))]
        for path in reversed([path for path in self.axes if path in free]):
            order = {text(value): place for place, value in enumerate(self.axes[path].values)}
            rank = here[path].map(text).map(order)
            here = here.loc[rank.sort_values(kind="stable").index]
        return here.reset_index(drop=True)

    def names(self, path: str) -> dict[str, str]:
        """What figures call the values of an axis, by their text: "4 servers", "bucket 1 MB", "parameter server"."""
        short = self._short(path)
        return {text(v): label(path, short[text(v)] if isinstance(v, Mapping) else v) for v in self.axes[path].values}

    def short_label(self, path: str, said: str) -> str:
        """What figures call one value, given as text."""
        return self.names(path).get(said, said)

    def short_name(self, path: str, value: Any) -> str:
        """What a column of that axis calls a value: "4", "1 MB", "parameter server"."""
        said = self._short(path).get(text(value), text(value))
        return label(path, said) if name(path) == "strategy" else said

    def _short(self, path: str) -> dict[str, str]:
        return distinct(self.axes[path].values)

    def contenders(self, values: Sequence[Any] | pd.Series, path: str | None) -> Any:
        """Cells of an axis as the names that figures and tables show, in the axis' order, whichever are there."""
        if path is None:
            runs = [_run_name(value) for value in values]
            return pd.Categorical(runs, categories=list(dict.fromkeys(runs)))
        names = self.names(path)
        cells = [names.get(text(value), text(value)) for value in values]
        return pd.Categorical(cells, categories=list(dict.fromkeys([*names.values(), *cells])))


def _run_name(value: Any) -> str:
    return label("job.strategy", value)


def read(folder: Path | str) -> Saved:
    """What `save` wrote. Raises ScenarioError for a folder that holds no results or broken ones."""
    folder = Path(folder)
    result = _result(folder)
    axes = {path: {text(value): value for value in values} for path, values in result["axes"].items()}
    records = {kind: _records(folder / "data" / f"{kind}.csv", axes) for kind in ("points", *RECORDS)}
    needed = {kind: ["contender", *names.values()] for kind, names in RECORDS.items()} | {"points": [*axes, *_FIGURES]}
    for kind, columns in needed.items():
        missing = [column for column in columns if column not in records[kind].columns]
        if missing:
            raise ScenarioError(f"{folder / 'data' / f'{kind}.csv'} has no column {', '.join(missing)}")
        if wrong := no_numbers(records[kind], axes):
            raise ScenarioError(f"{folder / 'data' / f'{kind}.csv'} has something else than numbers in {wrong}")
    if not len(records["points"]):
        raise ScenarioError(f"{folder / 'data' / 'points.csv'} has no points")
    if records["points"][list(_SPEEDS)].isna().any(axis=None):
        raise ScenarioError(f"{folder / 'data' / 'points.csv'} has a point without {' or '.join(_SPEEDS)}")
    scenario = folder / "scenario.toml"
    try:
        resolved = scenario.read_text(encoding="utf-8") if scenario.is_file() else ""
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{scenario} cannot be read: {error}") from None
    result, records["points"] = together(result, records["points"])
    return Saved(result, resolved, **records)


def _result(folder: Path) -> dict[str, Any]:
    file = folder / "result.json"
    if not file.is_file():
        raise ScenarioError(
            f"{folder} is not a result folder: it has no result.json. Make one with `netsim run FILE -o DIR`"
        )
    shape = {"name": str, "question": str, "axes": {str: [object]}, "base": {str: object}}
    result: dict[str, Any] = read_json(file, shape, {"name": "", "question": "", "axes": {}, "base": {}})
    if not all(result["axes"].values()):
        raise ScenarioError(f"{file} is not what netsim keeps: one of its axes has no values")
    return result


def _records(file: Path, axes: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A CSV file as a frame; cells of axes get back the value that the axis has, whatever they look like."""
    if not file.is_file():
        raise ScenarioError(f"{file} is not there; the result folder is not complete")
    as_text = {**dict.fromkeys([*axes, *_TEXTS], str)}
    try:
        records = read_csv(file, dtype=as_text, keep_default_na=False, na_values=[""])
    except (ValueError, pd.errors.ParserError) as error:
        raise ScenarioError(f"{file} cannot be read: {error}") from None
    for path in axes:
        if path in records.columns:
            records[path] = pd.Series([_value(cell, axes[path]) for cell in records[path]], dtype=object)
    return records


_TEXTS = ("contender", "scenario", "strategy", "model", "bottleneck", "busiest_link", "name", "label")


def _value(cell: str, values: Mapping[str, Any]) -> Any:
    cell = {"True": "on", "False": "off"}.get(cell, cell)
    if cell not in values:
        cell = next((said for said, value in values.items() if _same_number(value, cell)), cell)
    found = values.get(cell, cell)
    return text(found) if isinstance(found, (Mapping, list)) else found


def _same_number(value: Any, cell: str) -> bool:
    try:
        return not isinstance(value, (bool, str)) and float(cell) == value
    except ValueError:
        return False


# What figures draw: first column the contender, second the axis, then SI columns


def along(saved: Saved, path: str) -> pd.DataFrame:
    """Speed along a numeric axis, one line a contender: samples/s and iteration time as simulated, by the closed form,
    and, for samples/s, if every worker kept the pace of one alone (`ideal`). The axis' column ends in its SI unit."""
    series = saved.series_axis(path)
    rows = saved.at_base(path, series)
    axis = saved.axes[path]
    numbers = dict(zip(map(text, axis.values), axis.numbers or (), strict=True))
    column = path + SUFFIXES.get(axis.unit, "")
    drawn = pd.DataFrame({"contender": _names(saved, rows, series), column: rows[path].map(text).map(numbers)})
    drawn["samples_per_s"] = rows["samples_per_s"]
    drawn["ideal_samples_per_s"] = rows["samples_per_s"] / rows["scaling_efficiency"]
    closed = pd.to_numeric(rows["closed_form_iteration_time_s"])
    drawn["closed_form_samples_per_s"] = rows["samples_per_s"] * rows["iteration_time_s"] / closed
    bound = pd.to_numeric(rows["lower_bound_iteration_time_s"])
    drawn["lower_bound_samples_per_s"] = rows["samples_per_s"] * rows["iteration_time_s"] / bound
    drawn["scaling_efficiency"] = rows["scaling_efficiency"]
    drawn["iteration_time_s"] = rows["iteration_time_s"]
    drawn["closed_form_iteration_time_s"] = closed
    return drawn.sort_values(["contender", column], kind="stable", ignore_index=True)


def parts(saved: Saved, path: str | None) -> pd.DataFrame:
    """Where the time of an iteration goes, for each contender at each value of an axis, on the workers' mean:
    parts in seconds, and as shares of their sum in per cent."""
    series = saved.series_axis(path) if path else saved.contender_axis
    rows = saved.at_base(path, series)
    drawn = pd.DataFrame({"contender": _names(saved, rows, series)})
    drawn["group"] = [label(path, value) for value in rows[path]] if path else ""
    parts = {"compute": "compute_time_s", "exposed": "exposed_communication_s", "wait": "straggler_wait_s"}
    total = sum(rows[column] for column in parts.values())
    for part, column in parts.items():
        drawn[column] = rows[column]
        drawn[f"{part}_share"] = 100 * rows[column] / total
    drawn["iteration_time_s"] = rows["iteration_time_s"]
    groups = list(dict.fromkeys(drawn["group"]))
    return drawn.sort_values("group", key=lambda names: names.map(groups.index), kind="stable", ignore_index=True)


def busiest_links(saved: Saved) -> pd.DataFrame:
    """For each contender, the busiest link of each kind (workers' and servers' ports, out and in) of its base point,
    with bytes an iteration and how many times the gradients that is. Links that carried nothing are left out."""
    links = saved.links[saved.links["bytes"] > 0].assign(kind=lambda those: those["link"].map(without_numbers))
    links["alike"] = links.groupby(["contender", "kind"])["link"].transform("size")
    links = links.sort_values("bytes", ascending=False, kind="stable").drop_duplicates(["contender", "kind"])
    rows = saved.at_base(saved.contender_axis)
    gradients = dict(zip(_keys(saved, rows), rows["gradient_bytes"], strict=True))
    links["of_gradients"] = links["bytes_per_iteration"] / links["contender"].map(gradients)
    links["contender"] = _record_names(saved, links)
    kept = ["contender", "link", "alike", "bytes_per_iteration", "of_gradients", "utilisation"]
    return links.sort_values(["contender", "link"], kind="stable", ignore_index=True)[kept]


def wire_bytes(saved: Saved) -> pd.DataFrame:
    """What each contender moves in an iteration at the base point: bytes delivered to hosts over all links as measured
    and by the formula for that many workers, 2 N K of the usual counts (K bytes of gradients), and the busiest link."""
    rows = saved.at_base(saved.contender_axis)
    drawn = pd.DataFrame(
        {"contender": _names(saved, rows, saved.contender_axis), "gradient_bytes": rows["gradient_bytes"]}
    )
    drawn["measured_bytes"] = rows["wire_bytes_per_iteration"]
    drawn["formula_bytes"] = rows["formula_wire_bytes_per_iteration"]
    drawn["two_n_k_bytes"] = 2 * rows["workers"] * rows["gradient_bytes"]
    drawn["busiest_link"] = rows["busiest_link"]
    drawn["busiest_link_bytes"] = rows["busiest_link_bytes_per_iteration"]
    drawn["of_gradients"] = rows["busiest_link_bytes_per_iteration"] / rows["gradient_bytes"]
    return drawn


def shown_hosts(spans: pd.DataFrame, transfers: pd.DataFrame) -> list[str]:
    """The first three workers and two servers, which stand for hosts that are much alike; a worker that computes for
    longer than they do takes the third place."""
    hosts = list(dict.fromkeys([*spans["host"], *transfers["src"], *transfers["dst"]]))
    workers = _first(hosts, "worker", 3)
    computing = (spans["end_s"] - spans["start_s"]).groupby(spans["host"], sort=False).sum()
    computing = computing[computing.index.str.startswith("worker")]
    if len(computing) and computing.max() > _LONGER * computing.reindex(workers).max():
        workers = [*workers[:2], str(computing.idxmax())]
    return workers + _first(hosts, "server", 2)


def timeline(saved: Saved, contender: str) -> pd.DataFrame:
    """The last iteration of a contender's base point on `shown_hosts` and their ports, in seconds since it began.
    `contender` as the records have it. A message is on its sender's outgoing and its receiver's incoming port."""
    spans = saved.spans[saved.spans["contender"] == contender]
    transfers = saved.transfers[saved.transfers["contender"] == contender]
    if not len(spans):
        return pd.DataFrame(columns=["row", "kind", "name", "start_s", "end_s"])
    shown = shown_hosts(spans, transfers)
    pieces = [spans.rename(columns={"host": "row", "phase": "kind"})]
    for end, port in (("src", ".up"), ("dst", ".down")):
        pieces.append(transfers.assign(row=transfers[end] + port, kind="transfer", name=transfers["label"]))
    drawn = pd.concat([piece[["row", "kind", "name", "start_s", "end_s"]] for piece in pieces if len(piece)])
    order = {name: place for place, name in enumerate(host + port for host in shown for port in ("", ".up", ".down"))}
    drawn = drawn[drawn["row"].isin(list(order))]
    drawn[["start_s", "end_s"]] -= spans["start_s"].min()
    drawn["place"] = drawn["row"].map(order)
    return drawn.sort_values(["place", "start_s"], kind="stable", ignore_index=True).drop(columns="place")


_LONGER = 1.01  # times what the others compute for: less is no difference worth showing


def _first(hosts: Sequence[str], kind: str, count: int) -> list[str]:
    alike = [host for host in hosts if host.startswith(kind)]
    return sorted(alike, key=lambda host: int(host.removeprefix(kind)))[:count]


def _names(saved: Saved, rows: pd.DataFrame, series: str | None) -> Any:
    return saved.contenders(rows[series or "strategy"], series)


def _keys(saved: Saved, rows: pd.DataFrame) -> list[str]:
    """The contenders of points as the records name them."""
    return [text(value) for value in rows[saved.contender_axis or "strategy"]]


def _record_names(saved: Saved, records: pd.DataFrame) -> Any:
    path = saved.contender_axis
    values = {text(value): value for value in saved.axes[path].values} if path else {}
    return saved.contenders([values.get(key, key) for key in records["contender"]], path)
