"""Models from files: `{ file = "layers.csv" }`, by the ending of their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netsim.errors import ScenarioError
from netsim.families import build, parameters
from netsim.models._onnx import from_onnx
from netsim.models._tables import from_csv, from_toml
from netsim.models.base import Model
from netsim.units import shown

_READERS: dict[str, Callable[..., Model]] = {".csv": from_csv, ".onnx": from_onnx, ".toml": from_toml}


def is_file(name: str) -> bool:
    """Whether a model is named by a file: by its ending."""
    return Path(name).suffix.lower() in _READERS


def file_options(name: str) -> Mapping[str, Any]:
    """The keys that such a file's table may have."""
    return parameters(_READERS[Path(name).suffix.lower()])


def from_file(table: Mapping[str, Any]) -> Model:
    """The model in a file, with the options that its kind of file has as other keys."""
    file = table["file"]
    if not isinstance(file, str):
        raise ScenarioError(f"{shown(file)} is not the name of a file", path="file")
    if not is_file(file):
        raise ScenarioError(f"{shown(file)} ends in none of {', '.join(_READERS)}", path="file")
    model: Model = build(_READERS[Path(file).suffix.lower()], table)
    return model
