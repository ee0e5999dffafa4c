"""A library of an extra that is not installed is named in one message, with the extra that has it."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from netsim.errors import ScenarioError
from netsim.exports import parquet
from netsim.learning.problems import digits
from netsim.models._onnx_shapes import loaded
from netsim.models._torch import from_torch
from netsim.search.optimize import _optuna
from netsim.sweeps.pools import dask

ROOT = Path(__file__).parents[1]
CALLS: dict[str, tuple[Callable[[], object], str]] = {  # what needs a library, and the path that it complains of
    "distributed": (lambda: dask(1, None).__enter__(), "--executor"),
    "onnx": (lambda: loaded("model.onnx", {}), "file"),
    "optuna": (_optuna, ""),
    "pyarrow": (lambda: parquet(Path("points.parquet"), []), "--parquet"),
    "sklearn.datasets": (digits.__wrapped__, "job.statistics"),
    "torch": (lambda: from_torch(None, None), ""),
}


@pytest.mark.parametrize("library", CALLS)
def test_an_extra_that_is_not_installed_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    call, path = CALLS[library]
    with pytest.raises(ScenarioError) as error:
        call()
    (problem,) = error.value.problems
    extra = re.search(r"pip install 'netsim-training\[(\w+)\]'", problem.message)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {"sklearn.datasets": "scikit-learn"}.get(library, library)
    assert extra and any(each.startswith(named) for each in project["optional-dependencies"][extra[1]])
    assert problem.path == path
