"""The Python names that are more than a re-export: `netsim.allreduce`, `netsim.explanation` and `netsim.sweep`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

from netsim.collectives._libraries import Library, documented
from netsim.collectives.rounds import Collective, Operation
from netsim.crossings import Crossing, crossings
from netsim.engine import run, single
from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.presets import read_link
from netsim.scenario import RANKS, Scenario
from netsim.units import Count, Duration, Quantity, Rate, Size, plain

if TYPE_CHECKING:
    import pandas as pd

    from netsim.explain.told import Explanation


def allreduce(
    kind: str | Mapping[str, Any] | Collective,
    *,
    ranks: int,
    size: str | float,
    rate: str | float | None = None,
    latency: str | float | None = None,
    burst: str | float | None = None,
    link: str | Mapping[str, Any] | Link | None = None,
    topology: str | Mapping[str, Any] = "star",
    routing: str = "shortest",
    seed: int = 0,
    sharing: str = "fair",
    reduction_rate: str | float | None = None,
    engine: str = "auto",
    check: bool = False,
    limit_memory: str | float | None = None,
) -> single.CollectiveResult:
    """One collective on hosts with equal links: its time, closed form, lower bound, messages and bytes.

    kind: "ring", or a table of its fields such as {"kind": "tree", "arity": 3}, or an object of a class of your own.
    size, rate, latency, reduction_rate: text with a unit ("64 MiB", "50 GB/s", "500 ns"), or SI numbers.
    burst: what an idle link passes at once (bytes), with sharing = "fifo".
    link: in their place, as a scenario has it: "10gbe", {"file": "links.toml", "name": "ours"}.
    routing: one shortest way between two hosts, or, with "ecmp", one that a hash of hosts and `seed` draws.
    check: have the reference play it, too; CheckError if a rule that holds of any run is broken.
    Raises ScenarioError with all that is wrong.

    >>> allreduce({"kind": "tree", "arity": 3}, ranks=4, size="1 MB", rate="1 GB/s", latency="0 s").time_s
    0.006
    """
    problems: list[Problem] = []
    nbytes = _quantity("size", size, Size, problems)
    whole_link = _link(link, rate, latency, burst, problems)
    adding = None if reduction_rate is None else _quantity("reduction_rate", reduction_rate, Rate, problems)
    limit = None if limit_memory is None else _quantity("limit_memory", limit_memory, Size, problems)
    try:
        ranks = RANKS.read(plain(ranks))
    except ValueError as error:
        problems.append(Problem("ranks", str(error)))
    built = []
    asked = [("collectives", kind, "" if isinstance(kind, Mapping) else "kind"), ("topologies", topology, "topology")]
    for family, table, path in asked:
        try:
            built.append(table if isinstance(table, Collective) else FAMILIES[family].build(table, path=path))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
    return single.collective(
        built[0],
        ranks=ranks,
        size=nbytes,
        rate=whole_link.rate,
        latency=whole_link.latency,
        link=whole_link,
        topology=built[1],
        routing=routing,
        seed=seed,
        sharing=sharing,
        reduction_rate=adding,
        engine=engine,
        check=check,
        limit_memory=limit,
    )


def _link(link: Any, rate: Any, latency: Any, burst: Any, problems: list[Problem]) -> Link:
    """The link that is given as a whole, or by rate, latency and burst; problems are noted down."""
    if link is None:
        read = {}
        for name, value, kind in (("rate", rate, Rate), ("latency", latency, Duration)):
            if value is None:
                problems.append(Problem(name, "is missing; rate and latency, or a link, are needed"))
            read[name] = math.nan if value is None else _quantity(name, value, kind, problems)
        passed = None if burst is None else _quantity("burst", burst, Size, problems)
        return Link(rate=read["rate"], latency=read["latency"], burst=passed)
    problems += [
        Problem(name, "is given, and so is a link, which has its own")
        for name, value in (("rate", rate), ("latency", latency), ("burst", burst))
        if value is not None
    ]
    try:
        return link if isinstance(link, Link) else read_link(link)
    except ScenarioError as error:
        problems += [Problem(f"link.{each.path}" if each.path else "link", each.message) for each in error.problems]
        return Link(math.nan, math.nan)


@dataclass(frozen=True)
class Choice:
    """The fastest kind, or the one that a library would take by default, beside the fastest of the others."""

    chosen: single.CollectiveResult
    runner_up: single.CollectiveResult | None
    by: str  # "simulation", or the library

    @property
    def margin(self) -> float | None:
        """By which share of the chosen one's time the runner-up is slower; negative where a library's choice is."""
        if self.runner_up is None:
            return None
        return self.runner_up.time_s / self.chosen.time_s - 1 if self.chosen.time_s else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The keys of the chosen one, and who came next."""
        other = self.runner_up
        return {
            **self.chosen.as_dict(),
            "chosen_by": self.by,
            "runner_up": other.kind if other else None,
            "runner_up_time_s": other.time_s if other else None,
            "margin": self.margin,
        }


def choose(*, library: Library | None = None, operation: Operation = "all_reduce", **network: Any) -> Choice:
    """The kind that is fastest on a network, each with its defaults, by simulation; or that a library would choose.

    network: `ranks`, `size`, `rate`, `latency` and the rest of `allreduce`. Kinds that need hosts of their own stand
    out, and so do those that such a number of ranks does not fit.

    >>> choose(ranks=8, size="100 B", rate="1 GB/s", latency="10 us").chosen.kind
    'direct'
    >>> choose(library="openmpi", ranks=8, size="100 B", rate="1 GB/s", latency="10 us").chosen.kind
    'recursive_doubling'
    """
    tables = [{"kind": name} for name in FAMILIES["collectives"].names()]
    if library is not None and operation != "all_reduce":
        raise ScenarioError(f"{library} is known to choose for all_reduce only, not for {operation}", path="library")
    if library is not None:
        check = allreduce({"kind": "ring", "library": library}, **network)  # refuses what is wrong with the network
        name = documented(library, check.ranks, check.size_bytes, check.rate_bytes_per_s)
        chosen = allreduce({"kind": name, "library": library}, **network)
        others = [table for table in tables if table["kind"] != name]
    else:
        others = tables
    played, problems = [], []
    for table in others:
        if operation not in FAMILIES["collectives"].member(table["kind"]).operations:  # type: ignore[attr-defined]
            continue
        kind = FAMILIES["collectives"].build({**table, "operation": operation})
        if kind.helpers(2):
            continue
        try:
            played.append(allreduce(kind, **network))
        except ScenarioError as error:
            problems.append(error)
    played.sort(key=lambda result: result.time_s)
    if library is not None:
        return Choice(chosen, played[0] if played else None, library)
    if not played:
        raise problems[0]
    return Choice(played[0], played[1] if len(played) > 1 else None, "simulation")


AXES: dict[str, tuple[str, Any, list[Any]]] = {  # name of a figure, what reads it, and places of a map
    "ranks": ("ranks", Annotated[int, RANKS], [2, 4, 8, 16, 32, 64]),
    "size": ("size_bytes", Size, [10.0**power for power in range(3, 10)]),
    "rate": ("rate_bytes_per_s", Rate, [gbit * 125e6 for gbit in (1, 3, 10, 30, 100, 300)]),
    "latency": ("latency_s", Duration, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2]),
}


@dataclass(frozen=True)
class Crossover:
    """Where two collectives take equally long along one figure of a network (SI units)."""

    first: str
    second: str
    along: str
    low: float
    high: float
    precision: float
    crossings: list[Crossing]
    ahead: str | None  # who is faster at the low end, or first from there on; None if both are equal throughout

    def as_dict(self) -> dict[str, Any]:
        """The keys of `netsim crossover --json`."""
        found = [
            {"at": each.at, "low": each.low, "high": each.high, "below": below, "above": above}
            for each in self.crossings
            for below, above in [(self.first, self.second) if each.first else (self.second, self.first)]
        ]
        return {
            **{"first": self.first, "second": self.second, "along": AXES[self.along][0], "from": self.low},
            **{"to": self.high, "precision": self.precision, "ahead_at_first": self.ahead, "crossings": found},
        }


def crossover(
    first: str | Mapping[str, Any],
    second: str | Mapping[str, Any],
    *,
    along: str,
    low: str | float,
    high: str | float,
    precision: float = 1e-3,
    **network: Any,
) -> Crossover:
    """Where along "size", "rate", "latency" or "ranks", from `low` to `high`, two collectives are equally fast.

    precision: a share of the place, to which it is bracketed; ranks are whole numbers. network: the other figures, as
    `allreduce` takes them. Raises ScenarioError with what is wrong.

    >>> found = crossover("ring", "recursive_doubling", along="size", low="1 kB", high="1 GB",
    ...                   ranks=8, rate="1 GB/s", latency="10 us")
    >>> round(found.crossings[0].at, -3)  # 3 (a + S / B) = 14 (a + S / (8 B)) at S = 11 a B / 1.25
    88000.0
    """
    if along not in AXES:
        raise ScenarioError(f"no axis {along!r}.{did_you_mean(along, AXES)}", path="along")
    if not 1e-9 <= precision < 1:
        raise ScenarioError(f"{precision:g} will not do; it must be a share from 1e-9 to less than 1", path="precision")
    problems: list[Problem] = []
    kind, whole = AXES[along][1], along == "ranks"
    ends = [_quantity(name, value, kind, problems) for name, value in (("from", low), ("to", high))]
    if problems:
        raise ScenarioError(problems)
    if not 0 < ends[0] < ends[1]:
        raise ScenarioError("must be more than 0, and less than `to`", path="from")

    def lead(place: float) -> float:
        times = [allreduce(each, **{**network, along: place}).time_s for each in (first, second)]
        return (times[0] - times[1]) / max(*times, 1e-300)

    found = crossings(lead, *ends, precision=precision, whole=whole)
    names = [allreduce(each, **{**network, along: ends[0]}).kind for each in (first, second)]
    at_first = (found[0].first if found else None) if lead(ends[0]) == 0 else lead(ends[0]) < 0
    if at_first is None and lead(ends[1]):
        at_first = lead(ends[1]) < 0
    ahead = None if at_first is None else names[0 if at_first else 1]
    return Crossover(names[0], names[1], along, ends[0], ends[1], precision, found, ahead)


def map_of_winners(found: Crossover, kinds: Sequence[str | Mapping[str, Any]], **network: Any) -> list[dict[str, Any]]:
    """Who is faster at each of many pairs of places: ranks by size, or rate by latency; one row a pair."""
    pair = ("ranks", "size") if found.along in ("ranks", "size") else ("rate", "latency")
    places = [AXES[axis][2] for axis in pair]
    rows = []
    for across, up in product(*places):
        played = sorted((allreduce(k, **{**network, pair[0]: across, pair[1]: up}) for k in kinds), key=_time)
        best, next_best = played[0].time_s, played[1].time_s
        lead = next_best / best - 1 if best else 0.0
        name = played[0].kind.replace("_", " ")
        rows.append({AXES[pair[0]][0]: across, AXES[pair[1]][0]: up, "contender": name, "lead": lead})
    return rows


def _time(result: single.CollectiveResult) -> float:
    return result.time_s


def explanation(scenario: Scenario, *, strategies: Sequence[str] | None = None) -> Explanation:
    """Why a scenario takes its time: its critical path, the bottleneck, bounds, and what would help.

    `as_dict()` gives the keys of `netsim explain --json`. strategies: names of those to try instead.
    """
    from netsim.explain import explanation as explaining
    from netsim.explain import sensitivities

    return explaining.explanation(scenario, run.simulate, strategies=strategies or sensitivities.STRATEGIES)


def sweep(scenario: Scenario, axes: Mapping[str, Any] | None = None, *, jobs: int = 1) -> pd.DataFrame:
    """All combinations of the axes (path -> values; the scenario's own where none are given) as a tidy frame: one row
    a point, first its coordinates in columns named by their paths, then the keys of `Trace.summary`; `attrs["units"]`
    has the unit of each column that measures something."""
    from netsim.frames import frame
    from netsim.sweeps import run_points

    return frame(run_points(scenario, axes, simulate=run.simulate, jobs=jobs))


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _quantity(path: str, value: str | float, kind: Any, problems: list[Problem]) -> float:
    """The SI value; a problem noted down, and NaN, where there is none."""
    quantity: Quantity | Count = kind.__metadata__[0]
    said = plain(value)
    try:
        if isinstance(quantity, Count):
            return quantity.read(said)
        if isinstance(said, (int, float)) and not isinstance(said, bool):
            return quantity.within(_float(said), said)
        return float(quantity.read(said))
    except ValueError as error:
        problems.append(Problem(path, str(error)))
        return float("nan")
