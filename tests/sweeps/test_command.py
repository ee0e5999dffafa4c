"""`netsim sweep`: what is typed, what is printed, and what is left in the folder."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import netsim.engine.run as engine
from netsim import progress, report, results
from netsim.cli import main
from netsim.errors import RunError
from netsim.scenario import Scenario

SCENARIO = """
iterations = 1
[cluster]
workers = 2
device = "v100"
link = "10gbe"
[job]
model = { layers = [{ kind = "dense", name = "fc", units = 10, input_shape = [10] }] }
batch = 1
strategy = "ring"
[sweep]
"job.strategy.kind" = ["ring", "binomial_tree"]
"cluster.workers" = [2, 3]
"""


@pytest.fixture
def netsim_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs the command on a scenario of four points, in this process: exit status, standard output and error."""
    file = tmp_path / "study.toml"
    file.write_text(SCENARIO)
    monkeypatch.setattr(results, "_explanations", lambda *_: {})  # the pages are others' tests
    monkeypatch.setattr(report, "write", lambda folder: None)

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["netsim", "sweep", str(file), "--executor", "serial", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capfd.readouterr())

    return call


def test_a_dry_run_counts_the_points_and_those_that_are_kept_and_leaves_nothing(
    netsim_sweep: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    status, said, _ = netsim_sweep("--dry-run", "--json", "-o", folder)
    plan = json.loads(said)
    assert status == 0 and not folder.exists()
    assert (plan["points"], plan["kept"], plan["timed"]) == (4, 0, 4) and plan["estimate_s"] > 0
    netsim_sweep("-o", folder, "-q")
    _, said, _ = netsim_sweep("--dry-run", "--json", "-o", folder, "--replicas", 2)
    assert json.loads(said)["points"] == 8
    _, said, _ = netsim_sweep("--dry-run", "--json", "-o", folder)
    assert json.loads(said)["kept"] == 4 and json.loads(said)["estimate_s"] == 0
    _, said, _ = netsim_sweep("--dry-run", "-o", folder)
    assert "4 points" in said


def test_what_failed_stays_failed_until_it_is_to_be_tried_again(
    netsim_sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, whole = list[int](), engine.simulate

    def breaking(scenario: Scenario, **options: Any) -> Any:
        calls.append(1)
        if scenario.cluster.workers == 3:
            raise RunError("it broke")
        return whole(scenario, **options)

    monkeypatch.setattr(engine, "simulate", breaking)
    status, said, err = netsim_sweep("-o", tmp_path / "out", "--json")
    assert status == 1 and len(json.loads(said)) == 2
    assert "netsim: job.strategy.kind=ring, cluster.workers=3: it broke" in err
    monkeypatch.setattr(engine, "simulate", whole)
    status, again, err = netsim_sweep("-o", tmp_path / "out", "--json")
    assert status == 1 and again == said and "it broke" in err and len(calls) == 4
    status, said, err = netsim_sweep("-o", tmp_path / "out", "--json", "--retry-failed")
    assert status == 0 and len(json.loads(said)) == 4 and "it broke" not in err


def test_parquet_has_the_points_of_the_csv_and_their_units(netsim_sweep: Any, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    status, _, _ = netsim_sweep("-o", tmp_path / "out", "--parquet", "--axis", "job.overlap=true,false")
    table = parquet.read_table(tmp_path / "out" / "data" / "points.parquet")
    assert status == 0 and table.schema.field("iteration_time_s").metadata == {b"unit": b"s"}
    text = pd.read_csv(tmp_path / "out" / "data" / "points.csv")
    known = [column for column in text if text[column].notna().any()]  # what is missing has no type in a text
    assert list(text) == table.column_names and list(text["job.overlap"]) == [True, False]
    pd.testing.assert_frame_equal(table.to_pandas()[known], text[known], check_dtype=False, rtol=1e-15)


def test_parquet_without_a_folder_is_refused(netsim_sweep: Any) -> None:
    status, said, err = netsim_sweep("--parquet")
    assert (status, said, err) == (2, "", "netsim: --parquet: needs -o, the folder to write into\n")


def test_a_progress_bar_on_a_terminal_says_how_many_are_done_how_fast_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen, terminal = pty.openpty()
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    with open(terminal, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with progress.bar("points", 40, quiet=False) as reached:
            for done in (10, 20, 30):
                reached(done)
                time.sleep(0.15)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(screen, 100_000).decode())
    assert re.search(r"points +\S* +30/40 +[\d.]+/s +0:00:0\d +0:00:0\d", shown), shown
    assert not re.search(r" 0/40 +[\d.]+/s", shown)  # what was there before is not counted as done in this time
