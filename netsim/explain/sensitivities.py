"""What would help: changes of a scenario, first predicted from the critical path, then simulated; and bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from netsim.checks import problems
from netsim.errors import ScenarioError
from netsim.explain.path import ON_LINKS, CriticalPath, Piece
from netsim.families import FAMILIES, kind_of
from netsim.hardware import Link
from netsim.scenario import Group, Scenario
from netsim.topologies.base import Host, Topology
from netsim.trace import Trace
from netsim.units import show

Simulate = Callable[..., Trace]
PATH_CHANGED = 0.02  # share of the simulated time by which a forecast may be off while the path is called the same
STRATEGIES = ("parameter_server", "ring", "tree", "halving_doubling")
STRATEGY = "strategy "  # how the names of changes of strategy begin
_FASTER, _TWICE = 1.1, 2.0
_NEVER = 1e-12  # times what something takes, where a bound leaves it out
_NOTHING = 1e-12  # s: what is left of it


@dataclass(frozen=True)
class Change:
    """A scenario that differs in one thing, and the iteration time (s) that the base's critical path predicts for it;
    None where the path has nothing to say, since another schedule has another path."""

    name: str
    scenario: Scenario
    predicted: float | None


@dataclass(frozen=True)
class Sensitivity:
    """What a change does to the iteration time."""

    change: str
    predicted_s: float | None
    simulated_s: float
    saves_s: float
    saves_share: float

    @property
    def path_changed(self) -> bool | None:
        """Whether the forecast is off by more than 2 %, since something else is now waited for; None without one."""
        if self.predicted_s is None:
            return None
        return abs(self.predicted_s - self.simulated_s) > PATH_CHANGED * self.simulated_s

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "path_changed": self.path_changed}


def sensitivities(
    scenario: Scenario, path: CriticalPath, simulate: Simulate, strategies: Sequence[str] = STRATEGIES
) -> list[Sensitivity]:
    """All changes that fit the scenario, each simulated, those that help most first."""
    base, found = path.length, []
    for change in changes(scenario, path, strategies):
        if problems(change.scenario):  # a strategy that cannot do what the job asks for
            continue
        try:
            simulated = iteration_time(change.scenario, simulate)
        except ScenarioError:  # one more server than fits, a strategy for other numbers of workers
            continue
        saves = base - simulated
        found.append(Sensitivity(change.name, change.predicted, simulated, saves, saves / base if base else 0.0))
    return sorted(found, key=lambda each: -each.saves_s)


def bounds(scenario: Scenario, simulate: Simulate) -> dict[str, float]:
    """Iteration times (s) with all but one thing taken away: computing alone; bytes at their links' rates, shared as
    they are, without latency; and latency alone, with overheads."""
    alone = {
        "compute_only_s": _without(scenario, latency=True, bytes_=True),
        "bandwidth_only_s": _without(scenario, latency=True, computing=True),
        "latency_only_s": _without(scenario, bytes_=True, computing=True),
    }
    times = {key: iteration_time(each, simulate) for key, each in alone.items()}
    return {key: time if time > _NOTHING else 0.0 for key, time in times.items()}


def iteration_time(scenario: Scenario, simulate: Simulate) -> float:
    return float(simulate(scenario, detail="summary").summary()["iteration_time_s"])


def changes(scenario: Scenario, path: CriticalPath, strategies: Sequence[str]) -> Iterator[Change]:
    """What could be bought or set otherwise."""
    workers = sum(group.count for group in scenario.cluster.groups)
    yield _device(scenario, path)
    if workers == 1:
        return
    for factor, words in ((_FASTER, "10 % faster"), (_TWICE, "twice as fast")):
        faster = _links(scenario, partial(_faster, factor=factor))
        shorter = _times(scenario, faster, rates=True, otherwise=1 / factor)
        saved = _spent(path, lambda piece: 1 - shorter(piece.link) if piece.part in ON_LINKS else 0.0)  # noqa: B023
        yield Change(f"hosts' links {words}", faster, path.length - saved)
    if path.decomposition["latency"]:
        sooner = _links(scenario, partial(_latency_times, factor=0.5))
        half = _times(scenario, sooner, rates=False, otherwise=0.5)
        saved = _spent(path, lambda piece: 1 - half(piece.link) if piece.part == "latency" else 0.0)
        yield Change("half the latency", sooner, path.length - saved)
    yield from _adding(scenario, path)
    yield from _servers(scenario, path)
    yield from _buckets(scenario)
    yield from _strategies(scenario, strategies)


# One change each


def _device(scenario: Scenario, path: CriticalPath) -> Change:
    computing = path.decomposition["compute"] + path.decomposition["straggler_wait"]
    name = f"{'devices' if len(scenario.cluster.groups) > 1 else 'device'} 10 % faster"
    return Change(name, _slowed(scenario, 1 / _FASTER), path.length - computing * (1 - 1 / _FASTER))


def _adding(scenario: Scenario, path: CriticalPath) -> Iterator[Change]:
    rate = scenario.cluster.reduction_rate
    adding = path.decomposition["reduction"] + path.decomposition["server_work"]
    if rate is not None and adding:
        cluster = replace(scenario.cluster, reduction_rate=rate * _FASTER)
        faster = replace(scenario, cluster=cluster)
        yield Change("adding 10 % faster", faster, path.length - adding * (1 - 1 / _FASTER))


def _servers(scenario: Scenario, path: CriticalPath) -> Iterator[Change]:
    """One more server: each port of servers carries a share of what it did."""
    strategy = scenario.job.strategy
    if not hasattr(strategy, "servers"):
        return
    workers = sum(group.count for group in scenario.cluster.groups)
    count = strategy.shards(workers)
    more = _with_strategy(scenario, replace(strategy, servers=count + 1))
    apart = strategy.helpers(workers) > 0
    ports = _spent(path, lambda piece: float(piece.part in ON_LINKS and piece.link.startswith("server")))
    yield Change("one more server", more, path.length - ports / (count + 1) if apart else None)


def _buckets(scenario: Scenario) -> Iterator[Change]:
    bucket = scenario.job.bucket
    sizes = [bucket / 2, bucket * 2] if isinstance(bucket, (int, float)) else [25e6]  # beside "all", or a rule
    for size in sizes:
        job = replace(scenario.job, bucket=size)
        yield Change(f"buckets of {show(size, 'B', digits=3)}", replace(scenario, job=job), None)


def _strategies(scenario: Scenario, names: Sequence[str]) -> Iterator[Change]:
    for name in names:
        if name != kind_of(scenario.job.strategy):
            strategy = FAMILIES["strategies"].build({"kind": name})
            yield Change(STRATEGY + name.replace("_", " "), _with_strategy(scenario, strategy), None)


# Scenarios that differ


def _links(scenario: Scenario, change: Callable[[Link], Link]) -> Scenario:
    """With all hosts' links changed."""
    cluster = scenario.cluster
    groups = tuple(replace(group, link=change(group.link)) if group.link else group for group in cluster.group)
    changed = replace(
        cluster,
        group=groups,
        link=change(cluster.link) if cluster.link else None,
        server_link=change(cluster.server_link) if cluster.server_link else None,
    )
    return replace(scenario, cluster=changed)


def _network(scenario: Scenario, *, rates: float = 1.0, latencies: float = 1.0) -> Scenario:
    """With so many times the rates and latencies of all links, those within the network, too."""
    kind = scenario.cluster.topology

    def changed(hosts: Sequence[Host]) -> Topology:
        built: Topology = kind(hosts)
        return replace(
            built,
            rates=tuple(rate * rates for rate in built.rates),
            latencies=tuple(latency * latencies for latency in built.latencies),
        )

    changed.__name__ = kind_of(kind)
    return replace(scenario, cluster=replace(scenario.cluster, topology=changed))


def _faster(link: Link, factor: float) -> Link:
    def scaled(rate: float | None) -> float | None:
        return None if rate is None else rate * factor

    curve = tuple(replace(point, rate=point.rate * factor) for point in link.curve)
    caps = {"flow_rate": scaled(link.flow_rate), "host_rate": scaled(link.host_rate)}
    return replace(link, rate=link.rate * factor, curve=curve, **caps)  # type: ignore[arg-type]


def _latency_times(link: Link, factor: float) -> Link:
    curve = tuple(replace(point, latency=point.latency * factor) for point in link.curve)
    return replace(link, latency=link.latency * factor, curve=curve)


def _slowed(scenario: Scenario, factor: float) -> Scenario:
    """With all computing taking `factor` times as long."""
    cluster = scenario.cluster
    given = cluster.group or (Group(count=cluster.workers or 0),)
    groups = tuple(replace(group, slowdown=group.slowdown * factor) for group in given)
    return replace(scenario, cluster=replace(cluster, workers=None, group=groups))


def _without(scenario: Scenario, *, latency: bool = False, bytes_: bool = False, computing: bool = False) -> Scenario:
    if latency:
        scenario = _links(scenario, lambda link: replace(_latency_times(link, 0.0), overhead=0.0, gap=0.0))
        scenario = _network(scenario, latencies=0.0)
    if bytes_:
        scenario = _links(scenario, partial(_faster, factor=1 / _NEVER))
        scenario = _network(scenario, rates=1 / _NEVER)
        scenario = replace(scenario, cluster=replace(scenario.cluster, reduction_rate=None))
    return _slowed(scenario, _NEVER) if computing else scenario


def _with_strategy(scenario: Scenario, strategy: Any) -> Scenario:
    return replace(scenario, job=replace(scenario.job, strategy=strategy))


# What the path says


def _spent(path: CriticalPath, share: Callable[[Piece], float]) -> float:
    """Seconds an iteration of the pieces, each by its share."""
    return math.fsum(step.weight * piece.seconds * share(piece) for step in path.steps for piece in step.pieces)


def _times(scenario: Scenario, changed: Scenario, *, rates: bool, otherwise: float) -> Callable[[str], float]:
    """By link, the factor on the time that it takes in the changed scenario: on its bytes' (rates), or its latency.
    Links within the network have what the topology makes of the hosts'; what is no link of it changes as hosts do."""
    before, after = scenario.network(), changed.network()
    were, are = (
        dict(zip(each.names, each.rates if rates else each.latencies, strict=True)) for each in (before, after)
    )

    def factor(link: str) -> float:
        if link not in were or not were[link] or not are[link]:
            return otherwise
        return were[link] / are[link] if rates else are[link] / were[link]

    return factor
