"""What commands show and keep: comparisons, lists of families, and result folders."""

from __future__ import annotations

import inspect
import math
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from netsim import explain, markup, presets
from netsim.axes import Choice, choices, contender_axis, text
from netsim.calibration.device import OVERHEAD, calibrate
from netsim.designs import Design
from netsim.engine.run import simulate
from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.explain.explanation import explanation
from netsim.explain.kept import kept
from netsim.families import FAMILIES
from netsim.hardware import Device, Link
from netsim.loading import dump, dump_device, vary
from netsim.memory import shortage_of, shortages
from netsim.models.base import Model
from netsim.profiles import read_profile, strangers
from netsim.scenario import Scenario
from netsim.sweeps import Sweep, alone_in, cores, kept_in, run_points
from netsim.sweeps.work import Work
from netsim.units import show
from netsim.version import VERSION

Row = Mapping[str, Any]
_MOST_WARNINGS = 3  # of a sweep's points
_MOST_EXPLAINED = 200_000  # messages of all contenders' runs: some 20 s of the reference engine
_TIMED = 10  # points of a sweep that is only planned
_LONGEST_TRIAL = 5.0  # s
STRATEGY, WORKERS = "job.strategy.kind", "cluster.workers"


@dataclass(frozen=True)
class Comparison:
    """Contenders side by side at the scenario's own number of workers, who wins and why, and at other numbers."""

    scenario: str
    workers: int
    contenders: tuple[Row, ...]
    verdict: explain.Verdict
    along_workers: tuple[Row, ...]
    how_workers_change_it: tuple[str, ...]

    def _repr_html_(self) -> str:
        """The table of the contenders and the verdict, in notebooks."""
        slowest = max(row["iteration_time_s"] for row in self.contenders)
        rows = [
            (
                row[STRATEGY].replace("_", " "),
                show(row["iteration_time_s"], "s"),
                markup.bar(row["iteration_time_s"] / slowest),
                f"{row['samples_per_s']:,.0f}",
                f"{row['scaling_efficiency']:.0%}",
                row["bottleneck"],
            )
            for row in self.contenders
        ]
        headers = ("strategy", "iteration", "", "samples/s", "efficiency", "bottleneck")
        said = markup.paragraphs([*self.verdict.sentences, *self.how_workers_change_it])
        return markup.table(rows, headers=headers, caption=f"{self.scenario}, {self.workers} workers") + said

    def as_dict(self) -> dict[str, Any]:
        """What `netsim compare --json` prints."""
        return {
            "scenario": self.scenario,
            "workers": self.workers,
            "winner": self.verdict.winner,
            "runner_up": self.verdict.runner_up,
            "factor": self.verdict.factor,
            "why": list(self.verdict.sentences),
            "how_workers_change_it": list(self.how_workers_change_it),
            "strategies": [dict(row) for row in self.contenders],
            "along_workers": [dict(row) for row in self.along_workers],
        }


def compare(scenario: Scenario, strategies: Sequence[str] = ("parameter_server", "tree", "ring")) -> Comparison:
    """The same scenario under several strategies: who wins, by how much, why, and how workers change it."""
    axes = comparison_axes(scenario, strategies)
    return comparison(scenario, axes, run_points(scenario, axes, simulate=simulate))


def comparison_axes(scenario: Scenario, strategies: Sequence[str]) -> dict[str, list[Any]]:
    """Strategies by numbers of workers: the file's own, or powers of two up to twice its number; groups stay as they
    are."""
    cluster = scenario.cluster
    if cluster.workers is None:
        return {STRATEGY: list(strategies)}
    doublings = [1 << power for power in range(1, (2 * cluster.workers).bit_length())]
    own = Design.of(scenario.sweep, seed=scenario.seed).axes if scenario.sweep else {}
    counts = own.get(WORKERS) or [
        count for count in doublings if all(_works(scenario, name, count) for name in strategies)
    ]
    return {STRATEGY: list(strategies), WORKERS: sorted({cluster.workers, *counts})}


def _works(scenario: Scenario, strategy: str, workers: int) -> bool:
    """Whether a number of workers that nobody asked for goes with a strategy."""
    try:
        vary(scenario, {STRATEGY: strategy, WORKERS: workers})
    except ScenarioError:
        return False
    return True


def comparison(scenario: Scenario, axes: Mapping[str, Sequence[Any]], rows: Sequence[Row]) -> Comparison:
    """The rows of `comparison_axes` put in order."""
    workers = sum(group.count for group in scenario.cluster.groups)
    here = [row for row in rows if row["workers"] == workers]
    changes = explain.how_it_changes(rows, STRATEGY, WORKERS) if WORKERS in axes else []
    return Comparison(scenario.name, workers, tuple(here), explain.verdict(here, STRATEGY), tuple(rows), tuple(changes))


def save(
    folder: Path,
    scenario: Scenario,
    *,
    kind: str,
    axes: Mapping[str, Sequence[Any]],
    rows: Iterable[Row],
    command: str,
    engine: str,
    zipped: Sequence[Sequence[str]] = (),
) -> None:
    """Writes data and report into the folder; each contender's base point is played once more, with its records, but
    for those of which there is no row: they failed. `zipped`: the axes that vary together."""
    from netsim import explained, report, tables

    usual = {path: _own_value(scenario, path, values) for path, values in axes.items()}
    base = _base(usual, rows, _contenders(axes, zipped)[0].at)
    traces, scenarios = {}, {}
    for choice in _contenders(axes, zipped, base):
        at = {**base, **choice.at}
        if not any(_is_at(row, at) for row in rows):
            continue
        varied = vary(scenario, at)
        trace = simulate(varied, engine=engine, detail="last")
        name = text(choice.value) if choice.at else trace.summary()["strategy"]
        traces[name], scenarios[name] = trace, varied
    result = {
        "netsim": VERSION,
        "command": command,
        "kind": kind,
        "name": scenario.name,
        "question": scenario.question,
        "seed": scenario.seed,
        "engine": engine,
        "axes": {path: list(values) for path, values in axes.items()},
        "base": base,
        **({"zip": [list(paths) for paths in zipped]} if zipped else {}),
    }
    explanations = _explanations(scenarios, {name: trace.summary() for name, trace in traces.items()})
    with alone_in(folder):
        tables.save(folder, result, rows, traces)
        explained.save(folder, explanations)
        (folder / "scenario.toml").write_text(dump(scenario), encoding="utf-8")
        report.write(folder)


def _explanations(scenarios: Mapping[str, Scenario], summaries: Mapping[str, Row]) -> dict[str, Any]:
    """Why each contender takes its time, and what would help the fastest and the slowest, which come first, as long as
    the reference engine, which knows the causes, is not long about them."""
    ranked = sorted(summaries, key=lambda name: float(summaries[name]["iteration_time_s"]))
    left, found = float(_MOST_EXPLAINED), {}
    for name in dict.fromkeys([*ranked[:1], *ranked[-1:], *ranked]):
        messages = summaries[name]["messages_per_iteration"] * scenarios[name].iterations
        if messages <= left:
            left -= messages
            found[name] = kept(explanation(scenarios[name], simulate, changed=name in (ranked[0], ranked[-1])))
    return {name: found[name] for name in scenarios if name in found}


def _contenders(
    axes: Mapping[str, Sequence[Any]], zipped: Sequence[Sequence[str]], base: Mapping[str, Any] | None = None
) -> list[Choice]:
    """What competes; one thing that stands nowhere where nothing does."""
    found = choices(axes, zipped, base)
    path = contender_axis({path: axes[path] for path in found})
    return found[path] if path else [Choice(None, {})]


def _base(usual: Row, rows: Iterable[Row], free: Collection[str]) -> dict[str, Any]:
    """The scenario's own values on the axes, if a contender, which has other values on the `free` ones, has a row
    there; else those of the last row."""
    others = {path: value for path, value in usual.items() if path not in free}
    last: Row = {}
    for row in rows:
        if _is_at(row, others):
            return dict(usual)
        last = row
    return {path: last[path] for path in usual}


def save_parquet(folder: Path, rows: Iterable[Row]) -> None:
    """Writes the points of a sweep as data/points.parquet, with the unit of each column beside it."""
    from netsim import exports

    exports.parquet(folder / "data" / "points.parquet", rows)


def plan_of(
    scenario: Scenario, table: Mapping[str, Any], folder: Path | None, *, engine: str, jobs: int | None
) -> dict[str, Any]:
    """What `netsim sweep --dry-run --json` prints: how many points, how many the folder keeps, and how long the rest
    may take, by some of them that are simulated now."""
    sweep = Sweep.of(scenario, table, engine=engine)
    there = folder is not None and (folder / "points.sqlite").is_file()
    with kept_in(folder if there else None) as store:
        kept = sum(point.key in store for point in sweep) if len(store) else 0
    left, cores_used = len(sweep) - kept, jobs or cores()
    seconds = _seconds_of_some(sweep) if left else []
    each = math.fsum(seconds) / len(seconds) if seconds else 0.0
    return {
        "points": len(sweep),
        "kept": kept,
        "jobs": cores_used,
        "timed": len(seconds),
        "seconds_per_point_s": each,
        "estimate_s": each * left / min(cores_used, max(left, 1)),
    }


def _seconds_of_some(sweep: Sweep) -> list[float]:
    """How long points take that stand in equal distances, until a moment has gone by; the first one twice, since it
    also fills caches."""
    work, seconds = Work.on(sweep, simulate), list[float]()
    stride = max(1, len(sweep) // _TIMED)
    for at in [*islice(sweep.design.points, 1), *islice(sweep.design.points, 0, None, stride)]:
        seconds.append(work([at])[1])
        if math.fsum(seconds) > _LONGEST_TRIAL:
            break
    return seconds[1:] or seconds


def _is_at(row: Row, coordinates: Mapping[str, Any]) -> bool:
    return all(row[path] == value for path, value in coordinates.items())


def _own_value(scenario: Scenario, path: str, values: Sequence[Any]) -> Any:
    """The scenario's own value on an axis, written or by default, if the axis has it; else the last."""
    for table in (scenario.table, tomllib.loads(dump(scenario))):
        value: Any = table
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value in values:
            return value
    return values[-1]


def warnings_of(scenario: Scenario) -> list[str]:
    """What a user should know before he trusts the figures of a scenario."""
    short = shortages(scenario) if scenario.job.memory == "warning" else ()
    return [*warnings_of_model(scenario.job.model), *map(str, short)]


def warnings_of_points(base: Scenario, points: Iterable[Scenario]) -> list[str]:
    """What a user should know of the points of a sweep, beyond what is said of their base: the first few."""
    said = set(warnings_of(base))
    new = [each for each in dict.fromkeys(each for point in points for each in warnings_of(point)) if each not in said]
    more = [f"and {len(new) - _MOST_WARNINGS} more like these at other points"] if len(new) > _MOST_WARNINGS else []
    return [*new[:_MOST_WARNINGS], *more]


def warnings_of_rows(rows: Iterable[Row]) -> list[str]:
    """What the points of a sweep said of themselves: the first of it, and of how many."""
    first, count = "", 0
    for row in rows:
        said = row.get("warnings") or ()
        first, count = first or (said[0] if said else ""), count + bool(said)
    return [f"{first} (at {count} points: see their warnings)"] if count else []


def warnings_of_model(model: Model, device: Device | None = None, batch: int = 1) -> list[str]:
    """What was counted as nothing or assumed, and whether a batch does not fit the device's memory."""
    short = shortage_of(model, batch, device) if device else ()
    assumed = (f"{model.kind}: {what}" for what in model.assumed)
    return [*(f"{model.kind}: counted as nothing: {what}" for what in model.skipped), *assumed, *map(str, short)]


def members(family: str | None) -> dict[str, dict[str, str]]:
    """Family -> name -> what it is in a line, for one family or for all. ScenarioError for an unknown one."""
    known = {name: _of_family for name in FAMILIES} | {
        "devices": _of_devices,
        "links": _of_links,
        "figures": _figures,
    }
    if family is not None and family not in known:
        raise ScenarioError(f"no family {family!r}.{did_you_mean(family, known)}")
    return {name: known[name](name) for name in ([family] if family else known)}


def _of_family(name: str) -> dict[str, str]:
    family = FAMILIES[name]
    return {member: _first_sentence(family.member(member)) for member in family.names()}


def _of_devices(_: str) -> dict[str, str]:
    return {row["name"]: f"{_device(presets.device(row['name']))} ({row['source']})" for row in presets.rows("devices")}


def _device(device: Device) -> str:
    peaks = [f"{show(getattr(device.peak, precision), 'flop/s')} {precision}" for precision in device.precisions]
    return f"{', '.join(peaks)}; {show(device.memory_rate, 'B')}/s"


def _of_links(_: str) -> dict[str, str]:
    return {row["name"]: f"{_link(presets.link(row['name']))} ({row['source']})" for row in presets.rows("links")}


def _link(link: Link) -> str:
    return f"{show(link.rate, 'B/s')}, {show(link.latency, 's')}"


def _figures(_: str) -> dict[str, str]:
    from netsim import plots

    return {name: _first_sentence(figure) for name, figure in sorted(plots.figures().items())}


def _first_sentence(member: Any) -> str:
    paragraph = " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split())
    return re.split(r"\.(?=\s+[A-Z`\"])|;(?=\s)", paragraph, maxsplit=1)[0].rstrip(":.") + "."


def calibrate_device(model: Model, batch: int, device: Device, file: str) -> dict[str, Any]:
    """What `netsim calibrate --device --json` prints; ScenarioError if the file's layers are not the model's."""
    profile = read_profile(file)
    wrong = strangers(profile, model.kind, {layer.name for layer in model.layers})
    if problems := [Problem("--device", problem.message) for problem in wrong]:
        raise ScenarioError(problems)
    found = calibrate(model, batch, device, profile)
    return {
        "device": device.name,
        "precision": device.precision,
        "model": model.kind,
        "batch": batch,
        "fit_error": found.fit_error,
        "held_out_error": found.held_out_error,
        "constants": [
            {"name": f"{key}_s" if key == OVERHEAD else key, "before": found.start[key], "after": value}
            for key, value in found.constants.items()
        ],
        "layers": [
            {"name": row.layer, "measured_s": row.measured, "fitted_s": row.fitted, "held_out_s": row.held_out}
            for row in found.layers
        ],
        "toml": dump_device(found.device),
    }
