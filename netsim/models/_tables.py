"""Models of the user's own as tables: a list of layers in a scenario, or in a CSV or TOML file."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from netsim.errors import Problem, ScenarioError
from netsim.families import FAMILIES
from netsim.layers.base import Layer
from netsim.models.base import Model
from netsim.texts import read_text, read_toml
from netsim.units import shown


def stacked(tables: Any, name: str | None = None) -> Model:
    """Layers one on the other: each takes the shape that the one before gives, unless it says its own."""
    if not isinstance(tables, (tuple, list)) or not tables:
        raise ScenarioError(f"{shown(tables)} is not a list of layers", path="layers")
    layers: list[Layer] = []
    for number, table in enumerate(tables):
        path = f"layers[{number}]"
        if not isinstance(table, Mapping):
            raise ScenarioError(f"{shown(table)} is not a table with a kind", path=path)
        shape = {"input_shape": layers[-1].output_shape} if layers else {}
        layers.append(FAMILIES["layers"].build({**shape, "name": f"layer{number}", **table}, path=path))
    options = {"layers": tuple(dict(table) for table in tables)}
    return Model(name or "layers", {"name": name, **options} if name else options, tuple(layers))


def imported(name: str, layers: Sequence[Layer], skipped: Sequence[str] = (), assumed: Sequence[str] = ()) -> Model:
    """A model of layers that came from elsewhere; its options say it in full, so that it needs its file no more."""
    options = {"name": name, "layers": tuple(map(_table, layers))}
    return Model(name, options, tuple(layers), tuple(skipped), tuple(assumed))


def from_csv(file: str) -> Model:
    """A layer a line: columns are `kind`, `name`, `input_shape` and the fields of the kinds; shapes as 3x224x224.

    Empty cells are left out, so that the field has its default, and a shape is that of the line before.
    """
    rows = csv.DictReader(read_text(file, path="file").splitlines(), strict=True)
    try:
        lines = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise ScenarioError(f"{file}, line {rows.line_num}: {error}", path="file") from None
    if any(None in row for _, row in lines):
        number = next(number for number, row in lines if None in row)
        raise ScenarioError(f"{file}, line {number}: has more cells than there are columns", path="file")
    tables = [{key.strip(): _cell(key.strip(), cell) for key, cell in row.items() if cell} for _, row in lines]
    return _named_by_line(file, tables, [f"line {number}" for number, _ in lines])


def from_toml(file: str) -> Model:
    """Layers as [[layers]] tables, or as a list of them."""
    found = read_toml(file, path="file")
    if extra := sorted(set(found) - {"layers"}):
        raise ScenarioError([Problem("file", f"{file}: {key}: no such key; there is layers") for key in extra])
    tables = found.get("layers")
    numbered = tables if isinstance(tables, list) else []
    return _named_by_line(file, tables, [f"layer {number}" for number in range(1, len(numbered) + 1)])


def _named_by_line(file: str, tables: Any, places: Sequence[str]) -> Model:
    """The model of a file; problems say the file and the place in it."""
    try:
        return imported(Path(file).stem, stacked(_frozen(tables)).layers)
    except ScenarioError as error:
        found = [Problem("file", f"{file}{_place(p.path, places)}: {p.message}") for p in error.problems]
        raise ScenarioError(found) from None


def _place(path: str, places: Sequence[str]) -> str:
    """ ", line 3: filters" of "layers[1].filters"."""
    match = re.fullmatch(r"layers\[(\d+)\]\.?(.*)", path)
    if not match:
        return f": {path}" if path else ""
    return f", {places[int(match[1])]}" + (f": {match[2]}" if match[2] else "")


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(each) for key, each in value.items()}
    return tuple(_frozen(each) for each in value) if isinstance(value, (list, tuple)) else value


def _cell(column: str, text: str) -> Any:
    """3 of "3", (3, 5) of "3x5" (and of a shape, which may have one axis), true of "true", else the text."""
    text = text.strip()
    if re.fullmatch(r"-?\d{1,20}", text):
        return (int(text),) if column.endswith("_shape") else int(text)
    if re.fullmatch(r"\d{1,20}(x\d{1,20}){0,9}x?", text):
        return tuple(int(axis) for axis in text.split("x") if axis)
    return {"true": True, "false": False}.get(text.lower(), text)


def _table(layer: Layer) -> dict[str, Any]:
    """A layer as the table from which it is built."""
    given = {each.name: getattr(layer, each.name) for each in fields(layer)}
    defaults = {each.name: each.default for each in fields(layer) if each.default is not MISSING}
    kept = {key: value for key, value in given.items() if key not in defaults or value != defaults[key]}
    return {"kind": layer.kind, **kept}
