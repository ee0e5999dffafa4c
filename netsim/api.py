"""The Python names that are more than a re-export: `netsim.allreduce` and `netsim.sweep`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netsim.engine import run
from netsim.errors import Problem, ScenarioError
from netsim.families import FAMILIES
from netsim.scenario import MOST_WORKERS, Scenario
from netsim.units import Count, Duration, Quantity, Rate, Size, plain

if TYPE_CHECKING:
    import pandas as pd

_RANKS = Count("a number of ranks", at_most=MOST_WORKERS)


def allreduce(
    kind: str | Mapping[str, Any],
    *,
    ranks: int,
    size: str | float,
    rate: str | float,
    latency: str | float,
    topology: str | Mapping[str, Any] = "star",
    sharing: str = "fair",
    reduction_rate: str | float | None = None,
    engine: str = "auto",
) -> run.CollectiveResult:
    """One collective on hosts with equal links: its time, closed form, lower bound, messages and bytes.

    kind: "ring", or a table of its fields such as {"kind": "tree", "arity": 3}.
    size, rate, latency, reduction_rate: text with a unit ("64 MiB", "50 GB/s", "500 ns"), or SI numbers.
    Raises ScenarioError with all that is wrong.

    >>> allreduce({"kind": "tree", "arity": 3}, ranks=4, size="1 MB", rate="1 GB/s", latency="0 s").time_s
    0.006
    """
    problems: list[Problem] = []
    quantities = {
        "size": _quantity("size", size, Size, problems),
        "rate": _quantity("rate", rate, Rate, problems),
        "latency": _quantity("latency", latency, Duration, problems),
    }
    adding = None if reduction_rate is None else _quantity("reduction_rate", reduction_rate, Rate, problems)
    try:
        ranks = _RANKS.read(plain(ranks))
    except ValueError as error:
        problems.append(Problem("ranks", str(error)))
    built = []
    asked = [("collectives", kind, "" if isinstance(kind, Mapping) else "kind"), ("topologies", topology, "topology")]
    for family, table, path in asked:
        try:
            built.append(FAMILIES[family].build(table, path=path))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return run.collective(
        built[0],
        ranks=ranks,
        size=quantities["size"],
        rate=quantities["rate"],
        latency=quantities["latency"],
        topology=built[1],
        sharing=sharing,
        reduction_rate=adding,
        engine=engine,
    )


def sweep(scenario: Scenario, axes: Mapping[str, Sequence[Any]] | None = None, *, jobs: int = 1) -> pd.DataFrame:
    """All combinations of the axes (path -> values; the scenario's own where none are given) as a tidy frame: one row
    a point, first its coordinates in columns named by their paths, then the keys of `Trace.summary`."""
    from netsim import tables
    from netsim.sweeps import run_points

    return tables.frame(run_points(scenario, axes, simulate=run.simulate, jobs=jobs))


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _quantity(path: str, value: str | float, kind: Any, problems: list[Problem]) -> float:
    """The SI value; a problem noted down, and NaN, where there is none."""
    quantity: Quantity = kind.__metadata__[0]
    said = plain(value)
    try:
        if isinstance(said, (int, float)) and not isinstance(said, bool):
            return quantity.within(_float(said), said)
        return float(quantity.read(said))
    except ValueError as error:
        problems.append(Problem(path, str(error)))
        return float("nan")
