"""The short form of benchmarks/chaos.py; the long form has 20 kills for every executor."""

from __future__ import annotations

import contextlib
import json
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from netsim.errors import RunError
from netsim.loading import from_table
from netsim.sweeps import Sweep

ROOT = Path(__file__).parents[2]
CHAOS = ROOT / "benchmarks" / "chaos.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
needs_dask = pytest.mark.skipif(not find_spec("distributed"), reason="Dask is not installed")


@pytest.mark.parametrize(("executor", "kills"), [("serial", 8), ("processes", 1)])
def test_a_sweep_that_is_killed_at_random_moments_ends_with_the_undisturbed_result(executor: str, kills: int) -> None:
    chaos = [sys.executable, str(CHAOS), "--executor", executor, "--kills", str(kills), "--points", "120"]
    done = subprocess.run(chaos, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{executor}: {kills} kills of {kills} struck it at work" in done.stdout


def test_a_sweep_that_ends_by_itself_is_told_from_one_that_is_killed_and_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chaos = runpy.run_path(str(CHAOS))
    sweep = Sweep.of(from_table(chaos["TABLE"]), {"seed": range(2)})
    folder = tmp_path / "made by the parent"
    folder.mkdir()

    def fail(sweep: Sweep, at: Path, executor: str) -> None:
        raise RunError("a worker has another netsim")

    monkeypatch.setitem(chaos["work"].__globals__, "run", fail)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)  # as a temporary folder is, if the child came so far
        with pytest.raises(AssertionError, match="ended by itself, with exit status 1"):
            chaos["strike"](sweep, folder, "serial", points=1, moment=random.Random(0))
        assert folder.is_dir()


CLUSTER = """
import json, os, signal, sys
from pathlib import Path
from netsim.engine.run import simulate
from netsim.loading import from_table
from netsim.sweeps import Results, Sweep, computed, kept_in

address, folder, victim = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) or os.getpid()
layer = {"kind": "dense", "name": "fc", "units": 10, "input_shape": [10]}
table = {
    "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
    "job": {"model": {"layers": [layer]}, "batch": 1, "strategy": "ring"},
    "noise": {"jitter": 0.1},
}
sweep = Sweep.of(from_table(table), {"seed": range(150)})
with kept_in(folder) as store, kept_in(None) as peaceful:
    known = None
    for done in computed(sweep, store, simulate=simulate, executor="dask", scheduler=address):
        known = done if known is None else known
        if victim and done > known + 20:
            os.kill(victim, signal.SIGKILL)
            killed_at, victim = done, 0
    for _ in computed(sweep, peaceful, simulate=simulate, executor="serial"):
        pass
    rows = [[json.dumps(row) for row in Results(sweep, each)] for each in (store, peaceful)]
print(known, killed_at, len(rows[0]), rows[0] == rows[1])
"""


def scheduler_in(file: Path) -> str:
    """The address that a scheduler leaves in its file, as soon as it is there in full."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.05)


@needs_dask
def test_a_cluster_that_loses_its_client_and_then_a_worker_gives_the_results_of_a_serial_sweep(tmp_path: Path) -> None:
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
        call = [sys.executable, "-c", CLUSTER, scheduler_in(address), str(tmp_path)]
        done = subprocess.run([*call, "0"], env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        done = subprocess.run([*call, str(started[1].pid)], env=ENVIRONMENT, capture_output=True, text=True)
        known, killed_at, rows, same = done.stdout.split() or pytest.fail(done.stderr)
        assert 20 < int(known) < int(killed_at) < 150 and rows == "150" and same == "True"
        assert started[1].wait() == -signal.SIGKILL and started[2].poll() is None
    finally:
        for each in reversed(started):
            each.kill()
            each.wait()
