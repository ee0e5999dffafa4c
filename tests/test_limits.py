"""How large a run is said to be, what is refused, and what an interrupt leaves."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import netsim
from netsim import loading
from netsim.cli import main
from netsim.engine.limits import Size, machine_memory, memory_limit, most_messages, refuse_if_too_large
from netsim.engine.run import simulate
from netsim.errors import ScenarioError

ROOT = Path(__file__).parents[1]
QUICKSTART = str(ROOT / "scenarios" / "quickstart.toml")
ALONG = [
    "--along",
    "size",
    "--from",
    "1 kB",
    "--to",
    "1 GB",
    "--ranks",
    "8",
    "--rate",
    "10 Gbit/s",
    "--latency",
    "1 us",
]
NETWORK = ["--ranks", "8", "--size", "1 MB", "--rate", "10 Gbit/s", "--latency", "10 us"]
BASE: dict[str, Any] = {
    "cluster": {"workers": 4, "device": "v100", "link": "10gbe"},
    "job": {"model": {"layers": [{"kind": "dense", "input_shape": [9], "units": 9}]}, "batch": 1, "strategy": "ring"},
}


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["netsim", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"iterations": 10_000_000}, "iterations: 40,000,000 steps of 4 workers would need about 28 GB of memory"),
        ({"cluster.workers": 1_000_000}, "cluster.workers: 1000000 workers would need about .* of memory"),
    ],
)
def test_what_is_too_large_is_refused_with_an_estimate_before_it_is_planned(
    changes: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netsim.engine.run.plan", lambda *_: pytest.fail("was planned"))
    with pytest.raises(ScenarioError, match=complaint):
        simulate(loading.from_table(BASE, changes), limit_memory=8e9)


def test_the_limit_is_the_users_else_half_of_the_machine() -> None:
    scenario = loading.from_table(BASE)
    with pytest.raises(ScenarioError, match="the limit is 1 kB, as was asked for"):
        simulate(scenario, limit_memory=1e3)
    assert memory_limit(None) > 2**28
    assert simulate(scenario, limit_memory=1e9).summary()["workers"] == 4
    with pytest.raises(ScenarioError, match="ranks: 8 workers would need"):
        netsim.allreduce(
            "tree", ranks=8, size="1 MB", rate="1 GB/s", latency="1 us", engine="simpy", limit_memory="1 kB"
        )


def test_what_is_kept_of_a_run_is_added_up() -> None:
    """Bytes of a message that is known at once, a record, a worker, and a worker's step; nothing takes nothing."""
    assert Size(workers=0).memory == 0.0
    one = [Size(workers=1), Size(workers=0, steps=1), Size(workers=0, records=1), Size(workers=0, at_once=1)]
    assert [size.memory for size in one] == [20_000, 700, 250, 600]
    assert Size(workers=2, steps=3, records=5, at_once=7).memory == 2 * 20_000 + 3 * 700 + 5 * 250 + 7 * 600


def test_a_run_of_just_the_limit_is_let_through() -> None:
    size = Size(workers=3)
    refuse_if_too_large(size, limit=size.memory, path="ranks")
    with pytest.raises(ScenarioError):
        refuse_if_too_large(size, limit=size.memory - 1, path="ranks")


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (
            Size(workers=3),
            "ranks: 3 workers would need about 60 kB of memory; the limit is 5 kB, as was asked for. "
            "Fewer workers, or fewer slices, or a higher --limit-memory, would do",
        ),
        (
            Size(workers=2, steps=1200),
            "iterations: 1,200 steps of 2 workers would need about 880 kB of memory; the limit is 5 kB, as was asked "
            "for. Fewer iterations, or a higher --limit-memory, would do",
        ),
        (Size(workers=7, steps=200), "ranks: 7 workers would need about 280 kB"),  # half of it steps' is not most
    ],
)
def test_what_takes_most_of_the_memory_is_what_there_should_be_fewer_of(size: Size, told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        refuse_if_too_large(size, limit=5e3, path="ranks")
    assert str(error.value).startswith(told)


def test_half_of_the_machines_memory_is_the_limit_where_the_system_says_how_much_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 5, "SC_PHYS_PAGES": 8}.__getitem__)
    assert (machine_memory(), memory_limit(None), memory_limit(9.0), most_messages(1200.0)) == (40, 20, 9.0, 2.0)
    with pytest.raises(ScenarioError, match=r"the limit is 20 B, half of this machine's 40 B\. Fewer workers"):
        refuse_if_too_large(Size(workers=1), limit=None, path="ranks")
    monkeypatch.delattr("os.sysconf")
    assert memory_limit(None) == math.inf
    refuse_if_too_large(Size(workers=10**9), limit=None, path="ranks")


def test_as_many_messages_as_there_may_be_fill_the_limit() -> None:
    for limit in (1e3, 8e9):
        assert Size(workers=0, at_once=most_messages(limit)).memory == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize("engine", ["fast", "simpy"])
def test_steps_take_no_more_memory_than_is_estimated(engine: str) -> None:
    peaks = []
    for iterations in (20, 120):
        scenario = loading.from_table(BASE, {"iterations": iterations})
        tracemalloc.start()
        simulate(scenario, engine=engine, detail="summary")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] <= Size(workers=0, steps=4 * 100).memory


@pytest.mark.parametrize("command", [["run", QUICKSTART], ["compare", QUICKSTART], ["sweep", QUICKSTART]])
def test_a_limit_is_typed_with_its_unit(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--axis", "seed=1,2"] if command[0] == "sweep" else []
    assert call(monkeypatch, *command, *more, "--limit-memory", "1 kB", "-q") == 2
    assert "the limit is 1 kB, as was asked for" in capsys.readouterr().err
    assert call(monkeypatch, *command, *more, "--limit-memory", "1 fortnight") == 2
    assert "--limit-memory: " in capsys.readouterr().err


def test_a_dry_run_says_how_large_a_run_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "run", QUICKSTART, "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["messages"], told["refused"]) == (20 * 112, False)
    assert told["estimate_s"] > 0
    assert call(monkeypatch, "run", QUICKSTART, "--dry-run", "--limit-memory", "1 kB", "--json") == 0
    assert json.loads(capsys.readouterr().out)["refused"]
    assert call(monkeypatch, "compare", QUICKSTART, "--set", "iterations=1", "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["points"] == 12
    assert call(monkeypatch, "collective", "ring", *NETWORK, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["messages"] == 2 * 7 * 8


@pytest.mark.parametrize(
    ("command", "busy"),
    [
        (["run", QUICKSTART], "netsim.engine.run.simulate"),
        (["compare", QUICKSTART], "netsim.sweeps.computed"),
        (["sweep", QUICKSTART, "--axis", "seed=1,2"], "netsim.sweeps.computed"),
        (["collective", "ring", *NETWORK], "netsim.api.allreduce"),
        (["explain", QUICKSTART], "netsim.explain.explanation.explanation"),
        (["optimize", QUICKSTART, "--over", "job.bucket=1 MB,25 MB"], "netsim.search.optimize.trials"),
        (["crossover", "ring", "tree", *ALONG], "netsim.api.crossover"),
        (["calibrate", QUICKSTART], "netsim.calibrated.calibrate_link"),
        (["validate", str(ROOT / "scenarios" / "validation")], "netsim.validation.judge.judge"),
    ],
)
def test_an_interrupt_is_one_line_and_exit_status_130(
    command: list[str], busy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(busy, interrupted)
    assert call(monkeypatch, *command) == 130
    told = capsys.readouterr()
    assert (told.out, told.err.strip()) == ("", "netsim: interrupted; what was finished is kept")


def test_a_signal_ends_a_run_in_its_midst(tmp_path: Path) -> None:
    command = ["run", QUICKSTART, "--set", "iterations=1000000", "--engine", "simpy", "-q", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(
        [sys.executable, "-m", "netsim", *command],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )
    while not (tmp_path / "out").is_dir():  # made just before the run begins
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "netsim: interrupted; what was finished is kept")
