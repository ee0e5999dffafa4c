"""What a sweep costs beside its simulations: making a point, its key, the store.

    python benchmarks/sweep_cost.py [POINTS]

Serial, in one process: 3 strategies, 2 to 256 workers, rates and latencies. Everything is timed within one run, so
that a machine whose speed drifts slows all parts alike.
"""

from __future__ import annotations

import sys
import tempfile
import time
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
        self.seconds = 0.0

    def __call__(self, scenario: Scenario, **options: Any) -> Any:
        begun = time.perf_counter()
        trace = simulate(scenario, **options)
        self.seconds += time.perf_counter() - begun
        return trace


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
    """Print a line a part: seconds in all, and a point."""
    sweep, engine = sweep_of(int(sys.argv[1]) if len(sys.argv) > 1 else POINTS), Timed()
    count, parts = len(sweep), {}

    def timed(name: str, begun: float) -> None:
        parts[name] = time.perf_counter() - begun

    begun = time.perf_counter()
    keys = [point.key for point in sweep]
    timed("keys", begun)
    begun = time.perf_counter()
    for coordinates in sweep.design.points:
        from_table(sweep.table, coordinates)
    timed("scenarios", begun)
    with tempfile.TemporaryDirectory() as folder, kept_in(Path(folder)) as store:
        begun = time.perf_counter()
        for _ in computed(sweep, store, simulate=engine, executor="serial"):
            pass
        timed("the sweep", begun)
        begun = time.perf_counter()
        assert sum(1 for _ in Results(sweep, store)) == count == len(set(keys))
        timed("reading all rows", begun)
        points = list(sweep)
        outcomes = [store.get(key) for key in keys]
        with tempfile.TemporaryDirectory() as other, kept_in(Path(other)) as empty:
            begun = time.perf_counter()
            for point, outcome in zip(points, outcomes, strict=True):
                empty.claim([point])
                empty.keep([point], [outcome])  # type: ignore[list-item]
            timed("the store, a point at a time", begun)
    parts["the engine, within the sweep"] = engine.seconds
    for name, seconds in parts.items():
        print(f"{name:30} {seconds:8.2f} s {seconds / count * 1e6:9.0f} us a point")
    beside = parts["the sweep"] - engine.seconds
    print(f"{count} points; store: {parts['the store, a point at a time'] / parts['the sweep']:.1%} of the sweep")
    print(f"all that is not the engine: {beside / parts['the sweep']:.1%} of the sweep")


if __name__ == "__main__":
    main()
