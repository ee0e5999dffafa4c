from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import netsim
from netsim.engine.run import simulate
from netsim.errors import RunError, ScenarioError
from netsim.loading import from_table
from netsim.scenario import Scenario
from netsim.sweeps import Outcome, Store, Sweep, alone_in, computed, kept_in, run_points
from netsim.sweeps.work import Work
from netsim.version import VERSION, identity

ROOT = Path(__file__).parents[2]
TABLE: dict[str, Any] = {
    "iterations": 1,
    "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
    "job": {"model": "mobilenet_v1", "batch": 1, "strategy": {"kind": "ring"}},
}
AXES = {"job.strategy.kind": ["ring", "tree"], "cluster.workers": [2, 3]}


class Counting:
    """simulate, counting its calls; fails where a scenario has as many workers as `broken`."""

    def __init__(self, broken: int | None = None) -> None:
        self.calls, self.broken = 0, broken

    def __call__(self, scenario: Scenario, **options: Any) -> Any:
        self.calls += 1
        if scenario.cluster.workers == self.broken:
            raise RunError("it broke")
        return simulate(scenario, **options)


def run(
    simulate: Any, store: Store | None = None, *, axes: Any = AXES, executor: str = "serial", **options: Any
) -> list[Outcome]:
    """The outcomes of all points, in order."""
    sweep = Sweep.of(from_table(TABLE), axes)
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(kept_in(None)) if store is None else store
        for _ in computed(sweep, kept, simulate=simulate, executor=executor, **options):
            pass
        return [kept.get(point.key) or Outcome(None, "is not there") for point in sweep]


def key(table: Any = TABLE, overrides: Any = None, at: Any = {}, **changes: Any) -> str:  # noqa: B006
    return replace(Sweep.of(from_table(table, overrides), {"seed": [0]}), **changes).key(at)


def test_rows_come_in_the_order_of_the_axes_with_their_coordinates() -> None:
    rows = run_points(from_table(TABLE), AXES, simulate=simulate)
    assert [(row["job.strategy.kind"], row["cluster.workers"]) for row in rows] == [
        ("ring", 2),
        ("ring", 3),
        ("tree", 2),
        ("tree", 3),
    ]
    assert all(row["workers"] == row["cluster.workers"] for row in rows)


def test_where_points_are_simulated_makes_no_difference() -> None:
    assert run(simulate) == run(simulate, executor="processes", jobs=2)


def test_nothing_that_is_kept_is_computed_again(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    with kept_in(tmp_path) as store:
        before = run(first, store)
    with kept_in(tmp_path) as store:
        after = run(second, store)
    assert (first.calls, second.calls) == (4, 0)
    assert before == after


def apart(work: Any) -> int:
    """The id of a forked process that does this."""
    if (child := os.fork()) == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_two_sweeps_at_once_on_one_store_do_no_point_twice_and_end_in_the_same_bytes(tmp_path: Path) -> None:
    axes = {"seed": range(40), "job.strategy.kind": ["ring", "tree"]}

    def whole(name: str) -> None:
        done: list[str] = []

        def noting(scenario: Scenario, **options: Any) -> Any:
            done.append(f"{scenario.seed} {type(scenario.job.strategy).__name__}")
            return simulate(scenario, **options)

        with kept_in(tmp_path) as store:
            outcomes = run(noting, store, axes=axes)
        (tmp_path / f"{name}.done").write_text("\n".join(done))
        (tmp_path / f"{name}.rows").write_text("\n".join(map(str, outcomes)))

    for child in [apart(lambda: whole("one")), apart(lambda: whole("two"))]:
        os.waitpid(child, 0)
    done = [(tmp_path / f"{name}.done").read_text().splitlines() for name in ("one", "two")]
    assert len(done[0] + done[1]) == len({*done[0], *done[1]}) == 80 and all(done)
    rows = [(tmp_path / f"{name}.rows").read_text() for name in ("one", "two")]
    assert rows[0] == rows[1] == "\n".join(map(str, run(simulate, axes=axes)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_report_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        waiting = apart(lambda: _enter(tmp_path))
        while not (tmp_path / "waits").exists():
            time.sleep(0.005)
        (tmp_path / "written").touch()
    os.waitpid(waiting, 0)
    assert (tmp_path / "saw it whole").exists()


def _enter(folder: Path) -> None:
    (folder / "waits").touch()
    with alone_in(folder):
        (folder / "written").rename(folder / "saw it whole")


def test_a_folder_that_is_not_there_yet_is_made_for_its_report(tmp_path: Path) -> None:
    with alone_in(tmp_path / "results" / "of today"):
        assert (tmp_path / "results" / "of today").is_dir()


def test_a_point_that_fails_is_kept_with_its_message_until_it_is_to_be_tried_again(tmp_path: Path) -> None:
    with kept_in(tmp_path) as store:
        broken = run(Counting(broken=3), store)
        assert [outcome.error for outcome in broken] == [None, "it broke", None, "it broke"]
        mended = Counting()
        assert run(mended, store) == broken and mended.calls == 0
        store.retry_failures()
        whole = run(mended, store)
    assert mended.calls == 2 and all(outcome.error is None for outcome in whole)


@pytest.mark.parametrize(
    ("error", "message"),
    [(MemoryError(), "not enough memory"), (KeyError("x"), "a bug of netsim: KeyError: 'x'")],
)
def test_a_point_that_fails_by_no_fault_of_the_scenario_leaves_the_others_be(error: Exception, message: str) -> None:
    def fail_on_trees(scenario: Scenario, **options: Any) -> Any:
        if type(scenario.job.strategy).__name__ == "Tree":
            raise error
        return simulate(scenario, **options)

    assert [outcome.error for outcome in run(fail_on_trees)] == [None, None, message, message]


def test_an_outcome_says_whether_the_scenario_was_refused() -> None:
    def refuse(scenario: Scenario, **options: Any) -> Any:
        raise ScenarioError("too large") if scenario.cluster.workers == 3 else RunError("it broke")

    assert [outcome.refused for outcome in run(refuse)] == [False, True, False, True]


def test_the_python_sweep_raises_what_went_wrong() -> None:
    with pytest.raises(RunError, match="it broke"):
        run_points(from_table(TABLE), AXES, simulate=Counting(broken=3))


def test_a_frame_says_the_units_of_its_columns() -> None:
    units = netsim.sweep(from_table(TABLE), {"cluster.workers": [2]}).attrs["units"]
    assert units["iteration_time_s"] == "s" and units["busiest_link_rate_bytes_per_s"] == "B/s"
    assert units["samples_per_s"] == "1/s" and units["wire_bytes_per_iteration"] == "B"
    assert "cluster.workers" not in units and "strategy" not in units


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"job.batch": 2}, {"cluster.link.rate": "11 Gbit/s"}, {"iterations": 2}]
)
def test_another_scenario_is_another_key(change: dict[str, Any]) -> None:
    assert key() != key(overrides=change) == key(at=change)
    assert key() == key()


@pytest.mark.parametrize("change", [{"code": "another"}, {"engine": "simpy"}])
def test_another_code_or_engine_is_another_key(change: dict[str, Any]) -> None:
    assert key() != key(**change)


def test_the_code_is_known_by_its_files() -> None:
    assert Sweep.of(from_table(TABLE), AXES).code == identity()
    assert identity().startswith(VERSION) and len(identity()) > len(VERSION) + 8


NAMES_A_FILE = {  # what a file that a scenario names may hold, and where it is named
    "job.profile": "layer,forward_s,backward_s\nblock1.depthwise,{},0.02\n",
    "noise.measured": "step_s\n{}\n1.5\n",
}


@pytest.mark.parametrize("path", NAMES_A_FILE)
def test_another_content_of_a_file_that_is_named_is_another_key(tmp_path: Path, path: str) -> None:
    file = tmp_path / "times.csv"
    file.write_text(NAMES_A_FILE[path].format(0.01))
    sweep = Sweep.of(from_table(TABLE, {path: str(file)}), {"seed": [0, 1]})
    before = [point.key for point in sweep]
    file.write_text(NAMES_A_FILE[path].format(0.002))
    assert not {*before} & {point.key for point in sweep}


def test_keys_are_those_of_their_points_however_often_they_are_asked_for() -> None:
    sweep = Sweep.of(from_table(TABLE), AXES)
    first = list(sweep)
    assert first == list(sweep) and [point.key for point in first] == [sweep.key(each.coordinates) for each in first]
    assert len({point.key for point in first}) == 4


def test_points_are_made_as_they_are_asked_for() -> None:
    sweep = Sweep.of(from_table(TABLE), {"seed": range(10_000), "iterations": range(1, 101)})
    assert len(sweep) == 1_000_000
    assert next(iter(sweep)).coordinates == {"seed": 0, "iterations": 1}


def test_a_worker_with_another_netsim_is_refused() -> None:
    work = Work.on(replace(Sweep.of(from_table(TABLE), AXES), code="another"), simulate)
    with pytest.raises(RunError, match=r"a worker has netsim .*, and this is another"):
        work([{}])


def sweep(folder: Path, *more: str) -> list[str]:
    workers = ",".join(str(count) for count in range(2, 14))
    file = str(ROOT / "scenarios" / "quickstart.toml")
    axes = ["--axis", "job.strategy.kind=ring", "--axis", f"cluster.workers={workers}"]
    return [
        sys.executable,
        "-m",
        "netsim",
        "sweep",
        file,
        *axes,
        "--set",
        "job.bucket=2 MB",
        "--set",
        "iterations=20",  # so that points last long enough to be struck
        "-o",
        str(folder),
        *more,
    ]


def test_a_sweep_that_is_interrupted_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    struck, whole = tmp_path / "struck", tmp_path / "whole"
    victim = subprocess.Popen(
        sweep(struck, "--jobs", "1"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    kept = 0
    while kept < 3 and victim.poll() is None:
        time.sleep(0.02)
        if (struck / "points.sqlite").is_file():
            kept = _kept(struck)
    victim.send_signal(signal.SIGINT)
    _, err = victim.communicate()
    assert victim.returncode == 130 and "Traceback" not in err
    assert 3 <= _kept(struck) < 12
    assert not (struck / "data").exists()
    for folder in (struck, whole):
        subprocess.run(sweep(folder, "--jobs", "1"), env=environment, capture_output=True, check=True)
    assert (struck / "data" / "points.csv").read_bytes() == (whole / "data" / "points.csv").read_bytes()


def _kept(folder: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{folder / 'points.sqlite'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM outcomes").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


ENDLESS = """
import os, sys, time
from pathlib import Path
from netsim.loading import from_table
from netsim.sweeps import Store, Sweep, computed

def simulate(scenario, **options):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(3600)

if __name__ == "__main__":
    sweep = Sweep.of(from_table(%r), %r)
    for _ in computed(sweep, Store(), simulate=simulate, executor="processes", jobs=2):
        pass
"""


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A sweep whose points never end, and the ids of its two worker processes, both at work."""
    script, pids = tmp_path / "endless.py", tmp_path / "pids"
    script.write_text(ENDLESS % (TABLE, AXES))
    pids.mkdir()
    victim = subprocess.Popen(
        [sys.executable, str(script), str(pids)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    while len(list(pids.iterdir())) < 2 and victim.poll() is None:
        time.sleep(0.02)
    yield victim, [int(path.name) for path in pids.iterdir()]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()


def _wait_until_gone(pids: list[int], seconds: float = 60) -> list[int]:
    """The processes that still run when all have ended, or after so long."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.is_file() or ") Z " not in stat.read_text()


@pytest.mark.parametrize("hears", [os.kill, os.killpg])
def test_an_interrupted_sweep_does_not_wait_for_its_worker_processes(endless: Any, hears: Any) -> None:
    victim, workers = endless
    hears(victim.pid, signal.SIGINT)
    _, err = victim.communicate(timeout=60)
    assert err.count("Traceback") == 1 and err.rstrip().endswith("KeyboardInterrupt")
    assert _wait_until_gone(workers) == []


def test_worker_processes_end_when_the_sweep_is_killed(endless: Any) -> None:
    victim, workers = endless
    victim.kill()
    assert _wait_until_gone(workers) == []


def test_a_worker_process_that_is_killed_ends_the_sweep_with_a_message(endless: Any) -> None:
    victim, workers = endless
    os.kill(workers[0], signal.SIGKILL)
    _, err = victim.communicate(timeout=60)
    assert "RunError: a worker process was killed" in err
    assert _wait_until_gone(workers) == []
