from __future__ import annotations

import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from netsim.errors import RunError
from netsim.sweeps import Outcome, Point, kept_in

ROOT = Path(__file__).parents[2]
A, B, C = (Point({"x": number}, key) for number, key in enumerate("abc"))


def test_a_store_that_cannot_be_written_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "points.sqlite").mkdir()
    with pytest.raises(RunError, match="results cannot be kept"), kept_in(tmp_path):
        pass


def test_a_file_that_is_no_store_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "points.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match="file is not a database"), kept_in(tmp_path):
        pass


def test_two_stores_on_one_file_see_each_others_outcomes(tmp_path: Path) -> None:
    with kept_in(tmp_path) as one, kept_in(tmp_path) as two:
        one.keep([A], [Outcome({"x": 1.5}, None)])
        two.keep([B], [Outcome(None, "broken", refused=True)])
        assert two.get("a") == Outcome({"x": 1.5}, None) and one.get("b") == Outcome(None, "broken", refused=True)
        assert one.get("c") is None and "c" not in one and "a" in two and len(one) == 2


def test_a_row_that_is_kept_never_changes_again(tmp_path: Path) -> None:
    with kept_in(tmp_path) as store:
        store.keep([A], [Outcome({"x": 1}, None)])
        store.keep([A, B], [Outcome(None, "its worker failed"), Outcome(None, "broken")])
        store.keep([A, B], [Outcome({"x": 2}, None), Outcome({"x": 3}, None)])
        assert store.get("a") == Outcome({"x": 1}, None) and store.get("b") == Outcome({"x": 3}, None)


def test_what_failed_is_known_until_it_has_been_tried_again(tmp_path: Path) -> None:
    with kept_in(tmp_path) as store:
        store.keep([A, B], [Outcome({}, None), Outcome(None, "broken")])
        store.retry_failures()
        assert "a" in store and "b" not in store and store.get("b") == Outcome(None, "broken")
        assert store.claim([A, B]) == ([B], [A])
        store.keep([B], [Outcome(None, "broken again")])
        assert "b" in store and store.get("b") == Outcome(None, "broken again")


def test_what_one_has_claimed_or_done_another_leaves_alone(tmp_path: Path) -> None:
    with kept_in(tmp_path) as one, kept_in(tmp_path) as two:
        assert one.claim([A, B]) == ([A, B], [])
        one.keep([A], [Outcome({}, None)])
        two.release_claims()  # one lives
        assert two.claim([A, B, C]) == ([C], [A, B])


def test_the_claims_of_a_process_that_has_ended_are_anybodys(tmp_path: Path) -> None:
    claim = (
        "import os, sys\nfrom pathlib import Path\nfrom netsim.sweeps import Store, Point\n"
        "Store(Path(sys.argv[1])).claim([Point({}, 'a')])\nos._exit(1)"
    )
    call = [sys.executable, "-c", claim, str(tmp_path / "points.sqlite")]
    subprocess.run(call, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert len(list(tmp_path.glob("*-owner-*"))) == 1
    with kept_in(tmp_path) as store:
        assert store.claim([A]) == ([], [A])
        store.release_claims()
        assert store.claim([A]) == ([A], [])
    assert not list(tmp_path.glob("*-owner-*"))


def test_a_full_disk_is_a_message_and_keeps_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"full; what was kept stays"), kept_in(tmp_path) as store:
        store.keep([A], [Outcome({"x": 1}, None)])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        store.keep([B, C], [Outcome({"x": "y" * 100_000}, None)] * 2)
    with kept_in(tmp_path) as store:
        assert store.get("a") == Outcome({"x": 1}, None) and len(store) == 1
        store.keep([B], [Outcome({"x": 2}, None)])


def test_a_sweep_whose_disk_fills_up_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    workers = ",".join(map(str, range(2, 20)))
    file = str(ROOT / "scenarios" / "quickstart.toml")
    call = [sys.executable, "-m", "netsim", "sweep", file, "--axis", f"cluster.workers={workers}"]
    call += ["--axis", "job.strategy.kind=ring,tree", "--set", "iterations=1", "--jobs", "1", "-o", str(tmp_path)]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**unmeasured, "PYTHONPATH": str(ROOT)}  # what coverage keeps would be cut short, too
    short = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (60_000, 60_000))  # of any one file
    done = subprocess.run(call, env=environment, preexec_fn=short, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "netsim: results cannot be kept in" in done.stderr
    with kept_in(tmp_path) as store:
        kept = len(store)
    assert 0 < kept < 36
