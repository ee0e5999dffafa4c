"""A sweep that is killed at random moments, again and again, ends with the undisturbed result.

    python benchmarks/chaos.py --executor processes --kills 20

SIGKILL strikes the process that runs the sweep, some moment after it began or has done some points more. In between,
the store has to be whole and to have lost nothing; in the end every row has to be that of a sweep that ran in peace.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from netsim.engine.run import simulate
from netsim.loading import from_table
from netsim.scenario import Scenario
from netsim.sweeps import Results, Sweep, computed, kept_in

LAYER = {"kind": "dense", "name": "fc", "units": 10}
TABLE: dict[str, Any] = {
    "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
    "job": {"model": {"layers": [{**LAYER, "input_shape": [10]}]}, "batch": 1, "strategy": "ring"},
    "noise": {"jitter": 0.1},
}
SECONDS = 0.02  # that a point lasts at least, so that there is time to strike


def lasting(scenario: Scenario, **options: Any) -> Any:
    """simulate, but not too fast."""
    time.sleep(SECONDS)
    return simulate(scenario, **options)


def work(sweep: Sweep, folder: Path, executor: str) -> NoReturn:
    """The sweep in a forked process, which has to end here, whatever happens: what surrounds it, such as the temporary
    folder with the store in it, is its parent's to clean up."""
    status = 1
    try:
        os.setsid()
        run(sweep, folder, executor)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def run(sweep: Sweep, folder: Path, executor: str) -> None:
    """The sweep, as a process that may be killed."""
    with kept_in(folder) as store:
        for _ in computed(sweep, store, simulate=lasting, executor=executor, jobs=2):
            pass


def kept(folder: Path) -> dict[str, str]:
    """What the store has; it must be whole."""
    file = folder / "points.sqlite"
    if not file.exists():
        return {}
    with sqlite3.connect(file, timeout=60) as connection:
        try:
            rows = dict(connection.execute("SELECT key, row FROM outcomes").fetchall())
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return {}  # killed before the tables were made
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return rows


def count(folder: Path) -> int:
    """How many points are kept, without waiting for anybody."""
    try:
        with sqlite3.connect(f"file:{folder / 'points.sqlite'}?mode=ro", uri=True, timeout=0) as connection:
            return int(connection.execute("SELECT count(*) FROM outcomes").fetchone()[0])
    except sqlite3.Error:
        return 0


def strike(sweep: Sweep, folder: Path, executor: str, *, points: int, moment: random.Random) -> bool:
    """Starts the sweep and kills it, some moment after so many more points; whether it was still at work."""
    wanted = count(folder) + points
    child = os.fork()
    if child == 0:
        work(sweep, folder, executor)
    status = None
    while count(folder) < wanted and (status := ended(child)) is None:
        time.sleep(0.005)
    time.sleep(moment.uniform(0, 5 * SECONDS))
    if status is None:
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"the sweep ended by itself, with exit status {code}"
    return code == -signal.SIGKILL


def ended(child: int) -> int | None:
    """How a process ended, if it has."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return status if pid else None


def main() -> int:
    """Strikes, compares, and tells how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="serial", choices=["serial", "processes", "dask"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sweep = Sweep.of(from_table(TABLE), {"seed": range(given.points)})
    moment, struck, begun = random.Random(given.seed), 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        before: dict[str, str] = {}
        for _ in range(given.kills):
            points = moment.randrange(given.points // (2 * given.kills))  # none: perhaps before it has begun
            struck += strike(sweep, Path(folder), given.executor, points=points, moment=moment)
            after = kept(Path(folder))
            lost = [key for key, row in before.items() if after.get(key) != row]
            assert not lost, f"of {len(before)} points that were kept, {len(lost)} are gone or have changed: {lost[:3]}"
            before = after
        survived = len(before)
        run(sweep, Path(folder), given.executor)
        with kept_in(Path(folder)) as store, kept_in(None) as peaceful:
            for _ in computed(sweep, peaceful, simulate=simulate, executor="serial"):
                pass
            same = [json.dumps(row) for row in Results(sweep, store)] == [
                json.dumps(row) for row in Results(sweep, peaceful)
            ]
            assert same and len(store) == given.points, "the results are others"
    seconds = time.monotonic() - begun
    sys.stdout.write(
        f"{given.executor}: {struck} kills of {given.kills} struck it at work, {survived} of {given.points} points "
        f"were done by then; the results are those of a sweep in peace ({seconds:.0f} s)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
