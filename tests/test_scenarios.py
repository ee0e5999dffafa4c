"""Every file of scenarios/: it asks a question, loads, runs shrunken, and has a report that answers it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from netsim import explained, tables
from netsim.axes import text
from netsim.engine.run import simulate
from netsim.frames import frame
from netsim.loading import expand, load, vary
from netsim.report import write
from netsim.sweeps import run_points

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "scenarios").glob("*.toml"))

each_scenario = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@each_scenario
def test_a_scenario_begins_with_its_question(file: Path) -> None:
    assert file.read_text(encoding="utf-8").startswith("# ")
    assert "?" in load(file).question


@each_scenario
def test_every_point_of_a_scenario_loads_and_the_first_and_last_run(file: Path) -> None:
    points = expand(load(file))
    assert len(points) > 1
    for coordinates, scenario in (points[0], points[-1]):
        shrunken = {"iterations": scenario.job.local_steps, "job.batch": 1}
        if "cluster.workers" not in coordinates and scenario.cluster.workers:
            shrunken["cluster.workers"] = min(4, scenario.cluster.workers)
        summary = simulate(vary(scenario, shrunken), detail="summary").summary()
        assert summary["iteration_time_s"] >= summary["lower_bound_iteration_time_s"] * (1 - 1e-9)  # rounding


@each_scenario
def test_a_scenario_has_its_report(file: Path) -> None:
    report = ROOT / "reports" / file.stem
    scenario = load(file)
    assert (report / "report.html").is_file(), f"run .ci/reports {file.stem}"
    assert replace(load(report / "scenario.toml"), name=file.stem) == scenario, f"run .ci/reports {file.stem}"
    assert json.loads((report / "result.json").read_text(encoding="utf-8"))["question"] == scenario.question


@each_scenario
def test_a_report_says_what_the_simulation_says_now(file: Path) -> None:
    report = ROOT / "reports" / file.stem
    saved = json.loads((report / "result.json").read_text(encoding="utf-8"))
    now = frame(run_points(load(file), saved["axes"] | {"zip": saved.get("zip", [])}, simulate=simulate))
    committed = pd.read_csv(report / "data" / "points.csv")
    assert list(now.columns) == list(committed.columns)
    for column in committed.select_dtypes("number"):
        assert now[column].to_numpy(float) == pytest.approx(committed[column].to_numpy(float), rel=1e-9, nan_ok=True)


@each_scenario
def test_a_report_explains_its_own_figures(file: Path) -> None:
    """Parts of critical paths sum to the iteration times of the points, of which the fastest and the slowest have what
    would help."""
    saved = tables.read(ROOT / "reports" / file.stem)
    found = explained.read(ROOT / "reports" / file.stem)
    rows = saved.at_base(saved.contender_axis)
    times = dict(zip(map(text, rows[saved.contender_axis or "strategy"]), rows["iteration_time_s"], strict=True))
    assert found, f"run .ci/reports {file.stem}"
    for contender, each in found.items():
        assert sum(each["decomposition"].values()) == pytest.approx(times[contender], rel=1e-9)
        assert each["decomposition"]["other"] == 0
    assert sum(bool(each["sensitivities"]) for each in found.values()) in (1, 2)


@each_scenario
def test_a_report_is_rebuilt_from_its_data_alone(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words and tables: that the same data give the same pixels is tested once, in test_report.py."""
    monkeypatch.setattr("netsim.plots.save", lambda draw, frame, file, **_: file.write_bytes(b""))
    shutil.copytree(ROOT / "reports" / file.stem, tmp_path / file.stem)
    write(tmp_path / file.stem)
    for page in ("report.md", "scenario.toml"):
        rebuilt = (tmp_path / file.stem / page).read_text(encoding="utf-8")
        assert rebuilt == (ROOT / "reports" / file.stem / page).read_text(encoding="utf-8")
