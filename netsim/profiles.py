"""Measured times of layers, which take the place of the roofline's."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import build
from netsim.hardware import Device
from netsim.profiler_traces import layer_times
from netsim.texts import read_text
from netsim.units import Duration, shown

_LARGEST_TRACE = 200_000_000  # bytes, uncompressed
_COLUMNS = ("layer", "forward_s", "backward_s")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds that a layer took for the whole batch, forward and backward; on one device, or on any."""

    layer: str
    forward: Duration
    backward: Duration
    device: str | None = None


Profile = tuple[Measured, ...]


def read_profile(value: Any) -> Profile:
    """A profile from the name of a CSV file or, ending in .json or .json.gz, of a trace of the PyTorch profiler, or
    from a list of tables with the fields of Measured."""
    if isinstance(value, str):
        rows = _from_trace(value) if value.endswith((".json", ".json.gz")) else _from_csv(value)
    elif isinstance(value, (list, tuple)):
        rows = [build(Measured, table) for table in value]
    else:
        raise ScenarioError(f"{shown(value)} is neither the name of a CSV file or a trace nor a list of tables")
    twice = [key for key, times in Counter((row.layer, row.device) for row in rows).items() if times > 1]
    if twice:
        raise ScenarioError([Problem("", f"{' on '.join(filter(None, key))} is there twice") for key in twice])
    return tuple(rows)


def profile_schema() -> dict[str, Any]:
    """JSON Schema of what `read_profile` takes."""
    return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object", "required": ["layer"]}}]}


def times_on(profile: Profile, device: Device) -> Mapping[str, Measured]:
    """Layer -> its times on a device: those measured on it before those of any."""
    general = {row.layer: row for row in profile if row.device is None}
    return {**general, **{row.layer: row for row in profile if row.device == device.name}}


def strangers(profile: Profile, model: str, names: Collection[str]) -> Iterator[Problem]:
    """A problem for each layer of a profile that the model, with layers of these names, does not have."""
    for layer in dict.fromkeys(row.layer for row in profile):
        if layer not in names:
            yield Problem("job.profile", f"no layer {layer!r} in {model}.{did_you_mean(layer, names)}")


def _from_trace(file: str) -> list[Measured]:
    try:
        times = layer_times(read_text(file, most=_LARGEST_TRACE))
    except ScenarioError as error:
        raise ScenarioError([Problem(each.path, f"{file}: {each.message}") for each in error.problems]) from None
    return [Measured(layer=name, forward=forward, backward=backward) for name, (forward, backward) in times.items()]


def _from_csv(file: str) -> list[Measured]:
    rows = csv.DictReader(read_text(file).splitlines(), strict=True)
    measured, problems = [], []
    try:
        missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise ScenarioError(f"{file} has no column {', '.join(missing)}")
        for row in rows:
            try:
                measured.append(_measured(row))
            except ValueError as error:
                problems.append(Problem("", f"{file}, line {rows.line_num}: {error}"))
    except csv.Error as error:
        raise ScenarioError(f"{file}, line {rows.line_num}: {error}") from None
    if problems or not measured:
        raise ScenarioError(problems or f"{file} has no lines of times")
    return measured


def _measured(row: Mapping[str, str | None]) -> Measured:
    times = {column: _seconds(column, row[column]) for column in _COLUMNS[1:]}
    if not row["layer"]:
        raise ValueError("has no layer")
    return Measured(
        layer=row["layer"],
        forward=times["forward_s"],
        backward=times["backward_s"],
        device=row.get("device") or None,
    )


def _seconds(column: str, text: str | None) -> float:
    quantity = Duration.__metadata__[0]  # type: ignore[attr-defined]
    try:
        number = float(text or "")
    except ValueError:
        raise ValueError(f"{column}: {shown(text)} is not a number of seconds") from None
    try:
        return float(quantity.within(number, text))
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None
