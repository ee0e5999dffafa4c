"""Where two strategies take equally long for a whole scenario, along any of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netsim.axes import measure, text
from netsim.crossings import crossings
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import vary
from netsim.scenario import Scenario
from netsim.units import SUFFIXES, shown, write

SHORT = {
    "latency": "cluster.link.latency",
    "n": "cluster.workers",
    "rate": "cluster.link.rate",
    "size": "job.bucket",
    "workers": "cluster.workers",
}
_DRAWN = 13  # places of a figure


@dataclass(frozen=True)
class Along:
    """A numeric axis: a path, its unit and its ends; places between whole numbers are whole."""

    path: str
    unit: str
    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, path: str, low: Any, high: Any) -> Along:
        """The axis from one value to another, as a scenario has them. Raises ScenarioError."""
        measured = measure([low, high])
        if measured is None:
            said = f"{shown(low)} and {shown(high)} are not two numbers, or two quantities of one kind"
            raise ScenarioError(said, path="--from")
        unit, (first, last) = measured
        if not 0 < first < last < np.inf:
            raise ScenarioError("must be more than 0, and less than --to", path="--from")
        return cls(SHORT.get(path, path), unit, first, last, isinstance(low, int) and isinstance(high, int))

    def written(self, place: float) -> Any:
        """A place as a scenario has it."""
        if self.unit:
            return write(place, self.unit)
        return round(place) if self.whole else place

    @property
    def column(self) -> str:
        """The path with the ending of its unit."""
        return self.path + SUFFIXES.get(self.unit, "")


def crossover(
    scenario: Scenario, contenders: tuple[Any, Any], along: Along, *, precision: float, engine: str = "auto"
) -> dict[str, Any]:
    """What `netsim crossover --scenario --json` prints: where along the axis one strategy's iterations become shorter
    than the other's, by simulation, each place bracketed to `precision`, a share of it."""
    if not 1e-9 <= precision < 1:
        raise ScenarioError(f"{precision:g} will not do; a share from 1e-9 to less than 1 does", path="--precision")
    times = _times(scenario, contenders, along, engine)

    def lead(place: float) -> float:
        one, other = times(place)
        return (one - other) / max(one, other, 1e-300)

    names = [text(each).replace("_", " ") for each in contenders]
    found = crossings(lead, along.low, along.high, precision=precision, whole=along.whole)
    at_first = found[0].first if found else (None if lead(along.high) == 0 else lead(along.high) < 0)
    return {
        "scenario": scenario.name,
        **{"first": names[0], "second": names[1], "along": along.column, "from": along.low, "to": along.high},
        "precision": precision,
        "ahead_at_first": None if at_first is None else names[0 if at_first else 1],
        "crossings": [
            {
                **{"at": each.at, "low": each.low, "high": each.high},
                **{"below": names[0 if each.first else 1], "above": names[1 if each.first else 0]},
            }
            for each in found
        ],
    }


def drawn(scenario: Scenario, contenders: tuple[Any, Any], along: Along, engine: str) -> list[dict[str, Any]]:
    """Iteration times at places along the axis, a row each, for the figure `crossover`."""
    times = _times(scenario, contenders, along, engine)
    places = [float(place) for place in np.geomspace(along.low, along.high, _DRAWN)]
    if along.whole:
        places = sorted({float(round(place)) for place in places})
    return [
        {
            "contender": text(each).replace("_", " "),
            along.column: place,
            "iteration_time_s": times(place)[number],
            "closed_form_iteration_time_s": None,
        }
        for number, each in enumerate(contenders)
        for place in places
    ]


def _times(
    scenario: Scenario, contenders: tuple[Any, Any], along: Along, engine: str
) -> Callable[[float], tuple[float, float]]:
    """Iteration times of both at a place, each simulated once."""
    known: dict[float, tuple[float, float]] = {}

    def times(place: float) -> tuple[float, float]:
        if place not in known:
            one, other = (_time(scenario, _at(each, along, place), engine) for each in contenders)
            known[place] = one, other
        return known[place]

    return times


def _at(strategy: Any, along: Along, place: float) -> dict[str, Any]:
    kind = {"job.strategy": strategy} if isinstance(strategy, Mapping) else {"job.strategy.kind": strategy}
    return {**kind, along.path: along.written(place)}


def _time(scenario: Scenario, at: Mapping[str, Any], engine: str) -> float:
    seconds: float = simulate(vary(scenario, at), engine=engine, detail="summary").summary()["iteration_time_s"]
    return seconds
