"""The reference is what docs/generate.py makes of the code, leaves nothing out, and the site builds strictly."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import netsim
from netsim.loading import load

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
IN_A_ROW = {"CurvePoint", "Measured", "Peak", "Efficiency"}  # tables so small that the row of their key tells all
NO_KEYS = {"Outages"}  # made of a scenario, not read from it
SMALL: dict[str, Any] = {"cluster.workers": 2, "iterations": 2, "job.model": "squeezenet"}
SERVER: dict[str, Any] = {"kind": "parameter_server"}
ASKING: list[dict[str, Any]] = [
    {},
    {"job.strategy": SERVER | {"mode": "async"}},
    {"job.strategy": SERVER | {"backup": 1}},
    {"cluster.stop": [{"host": "worker0", "at": "1 ms", "lasts": "1 ms"}]},
    {"cluster.fault": [{"link": "worker0.up", "at": "0 s", "lasts": "1 s"}]},
    {"cluster.traffic": [{"size": "1 MB", "rate": "1 Gbit/s"}]},
    {"neighbour": [{"name": "NAME", "workers": 2, "job": {"model": "squeezenet", "batch": 1, "strategy": "ring"}}]},
    {"job.bucket": {"kind": "search", "refine": 0, "steps": 1}},
    {"job.samples": 1000, "replicas": 2, "noise.jitter": 0.1},
    {"job.shares": "proportional"},
]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(generate: ModuleType) -> None:
    stale = [path.name for path, text in generate.pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python docs/generate.py"


def test_every_key_has_its_meaning(generate: ModuleType) -> None:
    page = (REFERENCE / "scenario.md").read_text(encoding="utf-8")
    assert generate.UNWRITTEN not in page
    assert re.findall(r"^\| `\w+` \|.*\|  \|$", page, flags=re.MULTILINE) == []
    assert set(re.findall(r"<!-- keys of (\w+) -->", page)) == set(generate.TABLES) - IN_A_ROW - NO_KEYS


def test_a_new_key_gets_a_row_that_asks_for_its_meaning(generate: ModuleType) -> None:
    head = "<!-- keys of Group -->\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    filled = generate.filled(f"{head}| `count` | | | how many |\n")
    assert "| `count` | whole number | required | how many |" in filled
    assert f"| `slowdown` | number | `1` | {generate.UNWRITTEN} |" in filled


def test_every_command_has_its_options_on_the_page() -> None:
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    commands = {file.stem for file in (ROOT / "netsim" / "commands").glob("[!_]*.py")}
    assert set(re.findall(r"<!-- options of (\w+) -->", page)) == commands


@pytest.mark.parametrize("asked", ASKING, ids=lambda asked: ", ".join(asked))
def test_every_figure_of_a_run_is_defined(asked: Mapping[str, Any]) -> None:
    summary = netsim.simulate(load(ROOT / "scenarios" / "quickstart.toml", {**SMALL, **asked})).summary()
    assert set(summary) - defined() == set()


def test_every_figure_of_a_collective_is_defined() -> None:
    assert (
        set(netsim.allreduce("ring", ranks=2, size="1 MB", rate="1 GB/s", latency="1 us").as_dict()) - defined()
        == set()
    )


def defined() -> set[str]:
    return set(re.findall(r"`([\w.]+)`", (REFERENCE / "results.md").read_text(encoding="utf-8")))


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'(?:src|rel="stylesheet" href)="https?://', front) == []  # nothing is fetched by a reader
