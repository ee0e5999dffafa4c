"""Two results side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from netsim import cli, results
from netsim.differences import difference, side
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import from_table
from netsim.sweeps import run_points

SCENARIO = """# Which?
[cluster]
workers = 3
device = "v100"
link = {{ rate = "{rate}", latency = "25 us" }}
[job]
model = "mobilenet_v1"
batch = 4
strategy = "{strategy}"
overlap = false
"""


def written(folder: Path, name: str, *, rate: str = "10 Gbit/s", strategy: str = "ring") -> Path:
    file = folder / name
    file.write_text(SCENARIO.format(rate=rate, strategy=strategy), encoding="utf-8")
    return file


def test_a_link_of_twice_the_rate_halves_what_bytes_take_and_nothing_else(tmp_path: Path) -> None:
    one, other = written(tmp_path, "a.toml"), written(tmp_path, "b.toml", rate="20 Gbit/s")
    found = difference(side(one), side(other))
    assert found["scenario"] == [{"path": "cluster.link.rate", "a": "10 Gbit/s", "b": "20 Gbit/s"}]
    (pair,) = found["contenders"]
    parts = {each["part"]: each for each in pair["decomposition"]}
    assert parts["transfer"]["b_s"] == pytest.approx(parts["transfer"]["a_s"] / 2)
    assert parts["compute"]["difference_s"] == pytest.approx(0, abs=1e-12)
    time = next(each for each in pair["figures"] if each["figure"] == "iteration_time_s")
    assert sum(each["difference_s"] for each in parts.values()) == pytest.approx(time["b"] - time["a"], rel=1e-9)


def test_another_strategy_is_held_against_the_one_there_was(tmp_path: Path) -> None:
    one, other = written(tmp_path, "a.toml"), written(tmp_path, "b.toml", strategy="parameter_server")
    (pair,) = difference(side(one), side(other))["contenders"]
    assert (pair["a"], pair["b"]) == ("ring", "parameter_server")
    assert pair["bottleneck"]["b"].startswith("link ")


def test_a_folder_is_taken_as_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netsim.report.write", lambda folder: folder)
    axes = {"job.strategy.kind": ["ring", "tree"]}
    table: dict[str, Any] = {
        "cluster": {"workers": 3, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
        "job": {"model": "mobilenet_v1", "batch": 4, "strategy": {"kind": "ring"}, "overlap": False},
    }
    scenario, folder = from_table(table), tmp_path / "kept"
    rows = run_points(scenario, axes, simulate=simulate)
    results.save(folder, scenario, kind="compare", axes=axes, rows=rows, command="x", engine="auto")
    monkeypatch.setattr("netsim.differences.simulate", None)  # nobody simulates
    found = difference(side(folder), side(folder))
    assert [pair["a"] for pair in found["contenders"]] == ["ring", "tree"] and found["scenario"] == []
    assert all(each["difference_s"] == 0 for pair in found["contenders"] for each in pair["decomposition"])


def test_where_there_is_nothing_to_compare_it_is_said(tmp_path: Path) -> None:
    a, b = side(written(tmp_path, "a.toml")), side(written(tmp_path, "b.toml"))
    many = type(b)(b.place, b.scenario, {"x": {}, "y": {}})
    with pytest.raises(ScenarioError, match="nothing to compare"):
        difference(a, many)


def test_the_command_says_what_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = written(tmp_path, "a.toml", rate="100 Gbit/s"), written(tmp_path, "b.toml", rate="1 Gbit/s")
    monkeypatch.setattr(sys, "argv", ["netsim", "diff", str(one), str(other)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().out
    assert not end.value.code and "cluster.link.rate 100 Gbit/s 1 Gbit/s" in said
    assert "Most of that is sending at the full rate" in said
    assert "The bottleneck was compute, and is link" in said
    monkeypatch.setattr(sys, "argv", ["netsim", "diff", str(one), str(tmp_path / "none.toml")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and "none.toml" in capsys.readouterr().err
