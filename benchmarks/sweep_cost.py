"""What a sweep costs beside its simulations: making a point, its key, the store.

    python benchmarks/sweep_cost.py [POINTS]

Serial, in one process: 3 strategies, 2 to 256 workers, rates and latencies. Everything is timed within one run, so
that a machine whose speed drifts slows all parts alike; CPU time is told beside elapsed time, which
others' work delays.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netsim.engine.run import simulate
from netsim.loading import from_table, load
from netsim.scenario import Scenario
from netsim.sweeps import Results, Sweep, computed, kept_in

POINTS = 10_000


class Timed:
    """simulate, adding up how long it takes."""

    def __init__(self) -> None:
        self.spent = 0j

    def __call__(self, scenario: Scenario, **options: Any) -> Any:
        begun = now()
        trace = simulate(scenario, **options)
        self.spent += now() - begun
        return trace


def now() -> complex:
    """Elapsed time, and CPU time as the imaginary part (s)."""
    return complex(time.perf_counter(), time.process_time())


def memory() -> float:
    """The most that the process has had (MiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def sweep_of(points: int) -> Sweep:
    """Three strategies by eight numbers of workers by as many rates as are wanted by two latencies."""
    rates = max(1, round(points / 48))
    axes = {
        "job.strategy.kind": ["ring", "binomial_tree", "parameter_server"],
        "cluster.workers": {"from": 2, "to": 256, "spacing": "powers_of_two"},
        "cluster.link.rate": [f"{number + 1} Gbit/s" for number in range(rates)],
        "cluster.link.latency": ["10 us", "1 ms"],
    }
    return Sweep.of(load("scenarios/quickstart.toml", {"iterations": 1}), axes)


def main() -> None:
    """Print a line a part: elapsed and CPU seconds, and how many a point."""
    sweep, engine = sweep_of(int(sys.argv[1]) if len(sys.argv) > 1 else POINTS), Timed()
    count, parts = len(sweep), dict[str, complex]()

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        begun = now()
        yield
        parts[name] = now() - begun

    with timed("keys"):
        keys = {point.key for point in sweep}
    with timed("scenarios"):
        for coordinates in sweep.design.points:
            from_table(sweep.table, coordinates)
    with tempfile.TemporaryDirectory() as folder, kept_in(Path(folder)) as store:
        at_a_tenth = 0.0
        with timed("the sweep"):
            for done in computed(sweep, store, simulate=engine, executor="serial"):
                at_a_tenth = at_a_tenth or (memory() if done >= count / 10 else 0.0)
        at_the_end = memory()
        with timed("reading all rows"):
            assert sum(1 for _ in Results(sweep, store)) == count == len(keys)
        points = list(sweep)
        outcomes = [store.get(point.key) for point in points]
        with tempfile.TemporaryDirectory() as other, kept_in(Path(other)) as empty, timed("the store, point by point"):
            for point, outcome in zip(points, outcomes, strict=True):
                empty.claim([point])
                empty.keep([point], [outcome])  # type: ignore[list-item]
    parts["the engine, within the sweep"] = engine.spent
    for name, spent in parts.items():
        print(f"{name:30} {spent.real:8.2f} s, CPU {spent.imag:8.2f} s {spent.imag / count * 1e6:9.0f} us a point")
    whole, kept = parts["the sweep"], parts["the store, point by point"]
    print(f"{count} points; store: {kept.real / whole.real:.1%} of the sweep, CPU {kept.imag / whole.imag:.1%}")
    print(f"all that is not the engine: CPU {(whole - engine.spent).imag / whole.imag:.1%} of the sweep")
    print(f"memory: {at_a_tenth:.0f} MiB after a tenth, {at_the_end:.0f} MiB after all")


if __name__ == "__main__":
    main()
