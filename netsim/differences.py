"""Two results side by side: what changed in the scenario, in the figures, and in the parts of the critical path."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netsim import explained, tables
from netsim.axes import text
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.explain.explanation import explanation
from netsim.loading import dump, load

Row = Mapping[str, Any]
FIGURES = (
    "iteration_time_s",
    "compute_time_s",
    "exposed_communication_s",
    "straggler_wait_s",
    "samples_per_s",
    "scaling_efficiency",
    "gradient_bytes",
    "messages_per_iteration",
    "wire_bytes_per_iteration",
    "busiest_link_bytes_per_iteration",
    "lower_bound_iteration_time_s",
)


@dataclass(frozen=True)
class Side:
    """One of the two: its resolved scenario, and for each contender figures, parts of the path and bottleneck."""

    place: str
    scenario: Row
    contenders: dict[str, Row]


def side(place: Path) -> Side:
    """A result folder as it was saved, or a scenario file, which is simulated. ScenarioError for anything else."""
    return _of_folder(place) if place.is_dir() else _of_file(place)


def difference(one: Side, other: Side) -> dict[str, Any]:
    """What `netsim diff --json` prints. Contenders of the same name are held against each other, or the only ones
    there are; ScenarioError if there is no such pair."""
    pairs = [(name, name) for name in one.contenders if name in other.contenders]
    if not pairs and len(one.contenders) == len(other.contenders) == 1:
        pairs = [(next(iter(one.contenders)), next(iter(other.contenders)))]
    if not pairs:
        ours, theirs = (", ".join(each.contenders) or "nobody" for each in (one, other))
        raise ScenarioError(f"nothing to compare: {one.place} has {ours}; {other.place} has {theirs}")
    scenarios = (dict(_flat(each.scenario)) for each in (one, other))
    return {
        "a": one.place,
        "b": other.place,
        "scenario": list(_changed(*scenarios)),
        "contenders": [_pair(a, one.contenders[a], b, other.contenders[b]) for a, b in pairs],
    }


def _of_file(file: Path) -> Side:
    scenario = load(file)
    found = explanation(scenario, simulate, changed=False)
    row = {**found.summary, "decomposition": found.path.decomposition, "bottleneck": found.path.bottleneck}
    return Side(str(file), tomllib.loads(dump(scenario)), {found.summary["strategy"]: row})


def _of_folder(folder: Path) -> Side:
    saved, found = tables.read(folder), explained.read(folder)
    rows = saved.at_base(saved.contender_axis).to_dict("records")
    names = [text(row[saved.contender_axis or "strategy"]) for row in rows]
    contenders = {
        name: {**row, **{key: found[name][key] for key in ("decomposition", "bottleneck") if name in found}}
        for name, row in zip(names, rows, strict=True)
    }
    return Side(str(folder), tomllib.loads(saved.scenario), contenders)  # type: ignore[arg-type]


def _flat(table: Row, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of all that is no table."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for number, each in enumerate(value):
                yield from _flat(each, f"{path}{key}[{number}].")
        else:
            yield f"{path}{key}", value


def _changed(one: Row, other: Row) -> Iterator[Row]:
    for path in dict.fromkeys([*one, *other]):
        if one.get(path) != other.get(path):
            yield {"path": path, "a": one.get(path), "b": other.get(path)}


def _pair(a: str, one: Row, b: str, other: Row) -> dict[str, Any]:
    figures = [
        {"figure": key, "a": one[key], "b": other[key], "ratio": other[key] / one[key] if one[key] else None}
        for key in FIGURES
        if one.get(key) is not None and other.get(key) is not None
    ]
    parts = one.get("decomposition", {}), other.get("decomposition", {})
    both = dict.fromkeys([*parts[0], *parts[1]]) if all(parts) else {}
    decomposition = [
        {"part": part, "a_s": had, "b_s": has, "difference_s": has - had}
        for part in both
        for had, has in [(parts[0].get(part, 0.0), parts[1].get(part, 0.0))]
        if had or has
    ]
    return {
        "a": a,
        "b": b,
        "bottleneck": {"a": one["bottleneck"], "b": other["bottleneck"]},
        "figures": figures,
        "decomposition": decomposition,
    }
