"""The experiment with a real network, small: it runs where namespaces are allowed, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from netsim.validation import judge, sources

SCRIPT = Path(__file__).parents[1] / "experiments" / "shaped-network" / "shaped_network.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shaped_network", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SHAPED = load()
OBJECTION = SHAPED.why_not()
allowed = pytest.mark.skipif(OBJECTION is not None, reason=str(OBJECTION))


def namespaces(pid: int) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(f"netsim-{pid}-")]


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), "-o", str(folder), "--ranks", "2", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@allowed
def test_a_small_network_is_measured_and_its_source_can_be_predicted(tmp_path: Path) -> None:
    run = started(tmp_path, "--rate", "200", "--sizes", "200000", "--repeat", "1")
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said  # it fails if a sum is wrong
    assert namespaces(run.pid) == []
    served, source = sources.find(tmp_path)
    assert len(source.rows) == len(SHAPED.KINDS)
    assert all(row.low <= row.measured <= row.high for row in source.rows if row.low and row.high)
    (pushes,) = judge.judge(served)
    assert pushes.row.measured > 0 and pushes.predicted > 0


@allowed
def test_nothing_is_left_of_a_network_whose_measurement_is_cut_off(tmp_path: Path) -> None:
    run = started(tmp_path, "--rate", "1", "--sizes", "10000000")
    while not namespaces(run.pid) and run.poll() is None:
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode != 0
    assert namespaces(run.pid) == []


def test_without_root_it_says_so_and_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert SHAPED.why_not() == "making network namespaces needs root"


def test_without_iproute2_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(SHAPED.shutil, "which", lambda _: None)
    assert SHAPED.why_not() == "ip and tc of iproute2 is not installed"
