"""The short form of benchmarks/chaos.py; the long form has 20 kills for every executor."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
needs_dask = pytest.mark.skipif(not find_spec("distributed"), reason="Dask is not installed")


@pytest.mark.parametrize(
    ("executor", "kills"), [("serial", 20), ("processes", 1), pytest.param("dask", 1, marks=needs_dask)]
)
def test_a_sweep_that_is_killed_at_random_moments_ends_with_the_undisturbed_result(executor: str, kills: int) -> None:
    chaos = [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), "--executor", executor, "--kills", str(kills)]
    done = subprocess.run(chaos, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{executor}: {kills} kills of {kills} struck it at work" in done.stdout


CLUSTER = """
import json, os, signal, sys
from netsim.engine.run import simulate
from netsim.loading import from_table
from netsim.sweeps import Results, Sweep, computed, kept_in

address, victim = sys.argv[1], int(sys.argv[2])
layer = {"kind": "dense", "name": "fc", "units": 10, "input_shape": [10]}
table = {
    "iterations": 10,
    "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
    "job": {"model": {"layers": [layer]}, "batch": 1, "strategy": "ring"},
    "noise": {"jitter": 0.1},
}
sweep = Sweep.of(from_table(table), {"seed": range(400)})
rows = []
for where in ({"executor": "dask", "scheduler": address}, {"executor": "serial"}):
    with kept_in(None) as store:
        for done in computed(sweep, store, simulate=simulate, **where):
            if victim and done > 40:
                os.kill(victim, signal.SIGKILL)
                killed_at, victim = done, 0
        rows.append([json.dumps(row) for row in Results(sweep, store)])
print(killed_at, len(rows[0]), rows[0] == rows[1])
"""


def scheduler_in(file: Path) -> str:
    """The address that a scheduler leaves in its file, as soon as it is there in full."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.05)


@needs_dask
def test_a_cluster_that_loses_a_worker_half_way_gives_the_results_of_a_serial_sweep(tmp_path: Path) -> None:
    address = tmp_path / "scheduler.json"
    local = ["--scheduler-file", str(address), "--no-dashboard"]
    calls = [["scheduler", "--host", "127.0.0.1", "--port", "0", *local]]
    calls += [["worker", "--no-nanny", "--nthreads", "1", "--local-directory", str(tmp_path), *local]] * 2
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        subprocess.Popen([sys.executable, "-m", "dask", *call], env=ENVIRONMENT, **quiet)  # type: ignore[call-overload]
        for call in calls
    ]
    try:
        call = [sys.executable, "-c", CLUSTER, scheduler_in(address), str(started[1].pid)]
        done = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True)
        killed_at, rows, same = done.stdout.split() or pytest.fail(done.stderr)
        assert 40 < int(killed_at) < 400 and rows == "400" and same == "True"
        assert started[1].wait() == -9 and started[2].poll() is None
    finally:
        for each in reversed(started):
            each.kill()
            each.wait()
