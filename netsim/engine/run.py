"""simulate: choose the engine, play, and gather what was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from netsim import families
from netsim.engine import health
from netsim.engine.fast import engine as fast
from netsim.engine.fast.patterns import FastNetwork, Meeting
from netsim.engine.invariants import always, check_run
from netsim.engine.limits import Size, most_messages, refuse_if_too_large
from netsim.engine.measured import leaves_the_measured
from netsim.engine.plan import Plan, plan
from netsim.engine.record.log import Log
from netsim.engine.record.meter import bins_of
from netsim.engine.reference import engine as des
from netsim.engine.reference.network import Network
from netsim.engine.several import beside_equal_shares, with_best_bucket, with_costs, with_learning, with_replicas
from netsim.errors import ScenarioError, did_you_mean
from netsim.scenario import Scenario
from netsim.topologies.base import burst_problems
from netsim.trace import (
    Columns,
    Interruption,
    LinkBin,
    LinkChange,
    LinkUse,
    Span,
    Trace,
    Transfer,
)
from netsim.training.buckets import Search

ENGINES = ("auto", "simpy", "fast")


def simulate(
    scenario: Scenario,
    *,
    engine: str = "auto",
    detail: str = "full",
    progress: Callable[[int], None] | None = None,
    check: bool = False,
    limit_memory: float | None = None,
) -> Trace:
    """Play a scenario and return its trace.

    engine: "simpy" is the reference; "fast" plays on arrays where that is exact, and leaves the rest to SimPy, as the
    trace says; "auto" is the faster of those that are exact.
    detail: "full" records the spans and transfers of all iterations, "last" those of the last one, "summary" none.
    progress: called with the number of each iteration that has ended.
    check: record all, and hold it to the rules that hold of any run (invariants.py); CheckError if one is broken. With
    the environment's NETSIM_CHECK, every run is held to them, as far as it is recorded.
    limit_memory: bytes, by default half of this machine's memory; a scenario that needs more is refused.
    Raises ScenarioError for parts that do not go together or need more memory than there is, RunError for a deadlock.
    """
    check_engine(engine)
    again, detail = partial(simulate, check=check, limit_memory=limit_memory), "full" if check else detail
    if isinstance(scenario.job.bucket, Search):
        return with_best_bucket(again, scenario, engine=engine, detail=detail, progress=progress)
    if scenario.replicas > 1:
        return with_replicas(again, scenario, engine=engine, detail=detail, progress=progress)
    trace = with_learning(with_costs(_play_all(scenario, engine, detail, progress, check, limit_memory)))
    return trace if scenario.job.shares == "equal" else beside_equal_shares(again, trace, engine=engine)


def _play_all(
    scenario: Scenario,
    engine: str,
    detail: str,
    progress: Callable[[int], None] | None,
    check: bool,
    limit: float | None,
) -> Trace:
    workers = sum(group.count for group in scenario.cluster.groups)
    least = Size(workers=workers, steps=workers * scenario.iterations)
    refuse_if_too_large(least, limit=limit, path="cluster.workers")  # at once: a plan of a million takes its time
    the_plan = plan(scenario)
    cluster, bursts = scenario.cluster, bool(the_plan.topology.bursts)
    if wrong := burst_problems(bursts, sharing=cluster.sharing, faults=bool(cluster.fault)):  # if not loaded, too
        raise ScenarioError([problem.within("cluster") for problem in wrong])
    why_simpy = "it was asked for" if engine == "simpy" else None
    network: Network | fast.Used
    others: dict[str, Any] = {}
    if not why_simpy:
        size = size_of(the_plan, detail, at_once=False, limit=limit)
        refuse_if_too_large(size, limit=limit, path="cluster.workers")
        try:
            log, network = fast.train(the_plan, detail, progress)
            others = health.figures(*_disturbances(network))
        except Meeting as meeting:
            why_simpy = str(meeting)
    if why_simpy:
        size = size_of(the_plan, detail, at_once=True, limit=limit)
        refuse_if_too_large(size, limit=limit, path="cluster.workers")
        log, network, others = des.train(the_plan, detail, progress)
    changes, interruptions = _disturbances(network)
    trace = Trace(
        scenario=scenario,
        engine="simpy" if why_simpy else "fast",
        hosts=the_plan.hosts,
        steps=log.steps(),
        links=network.use(),
        **log.of_servers,
        spans=Columns(Span, log.spans),
        transfers=Columns(Transfer, sorted(log.transfers, key=lambda t: (t.end, t.src, t.dst, t.start))),
        link_bins=Columns(LinkBin, _link_bins(network, the_plan, log)),
        link_changes=Columns(LinkChange, changes),
        interruptions=Columns(Interruption, interruptions),
        facts={**_facts(the_plan, network, log), "why_simpy": why_simpy, "others": others},
        **log.followed,
    )
    if check or always():
        check_run(trace, the_plan, whole=detail == "full")
    return trace


def busiest_link(links: Columns[LinkUse]) -> LinkUse | None:
    """The link of the job that would take longest for all that it carried, the first of several that would; None for no
    messages."""
    if not links["messages"].any():
        return None
    loads = (links["nbytes"] + links["background"]) / links["rate"]
    first = int(np.argmax(np.where(links["messages"] > 0, loads, -1.0)))
    return links.row(first)


def whole(nbytes: float) -> float:
    """Bytes without the dust of summing fractions: the nearest whole number where it is that but for rounding."""
    nearest = round(nbytes)
    return nearest if abs(nbytes - nearest) <= 1e-12 * max(1.0, nearest) else nbytes


def check_engine(engine: str) -> None:
    """ScenarioError if there is no engine of that name."""
    if engine not in ENGINES:
        raise ScenarioError(f"no engine {engine!r}.{did_you_mean(engine, ENGINES)}", path="engine")


def _disturbances(network: Network | fast.Used) -> tuple[Sequence[LinkChange], Sequence[Interruption]]:
    """What happened to links, and to messages that met one that was down; to rounds at a stroke nothing does."""
    return ([], []) if isinstance(network, FastNetwork) else (network.changes, network.interruptions)


def _link_bins(network: Network | fast.Used, the_plan: Plan, log: Log) -> list[LinkBin]:
    """What passed each link when, of the recorded iterations."""
    topology = the_plan.topology
    if isinstance(network, FastNetwork):
        within = min((span.start for span in log.spans), default=0.0), max(log.steps()["end"], default=0.0)
        return list(bins_of(log.transfers, topology.names, topology.route, within=within))
    ended = max(log.steps()["end"], default=0.0)  # SimPy's clock goes on to timers that nobody waits for any more
    return list(network.meter.bins(topology.names, ended)) if network.meter else []


def size_of(the_plan: Plan, detail: str, *, at_once: bool, limit: float | None = None) -> Size:
    """`at_once`: the engine holds a whole iteration's schedule, as SimPy's does. Counting stops above the limit."""
    messages = the_plan.messages_per_iteration(enough=most_messages(limit))
    iterations = the_plan.scenario.iterations
    kept = {"summary": 0, "last": 1, "full": iterations}[detail]
    records = (messages + 2 * the_plan.workers * len(the_plan.layers)) * kept
    steps = the_plan.workers * iterations
    return Size(workers=the_plan.workers, steps=steps, at_once=messages if at_once else 0, records=records)


def _facts(the_plan: Plan, network: Network | fast.Used, log: Log) -> dict[str, Any]:
    """What the summary needs beside the records."""
    scenario, busiest = the_plan.scenario, busiest_link(network.use())
    return {
        "strategy": families.kind_of(the_plan.strategy),
        "model": scenario.job.model.kind,
        "workers": the_plan.workers,
        "batch": scenario.job.batch,
        "samples": [samples * scenario.job.accumulate for samples in the_plan.samples],
        "iterations": scenario.iterations,
        "seed": scenario.seed,
        "name": scenario.name,
        "gradient_bytes": whole(math.fsum(the_plan.gradient_bytes)),
        "buckets": len(the_plan.buckets) if log.collectives is None else whole(log.collectives / scenario.iterations),
        "computing_s": list(the_plan.alone),
        "wire_bytes": whole(network.nbytes),
        "formula_wire_bytes": the_plan.strategy.wire_bytes(the_plan.workers, the_plan.exchanged_bytes),
        "messages": network.messages,
        "latency_share": network.latency_sum / network.duration_sum if network.duration_sum else 0.0,
        "busiest_link": busiest,
        **the_plan.ways,
        "closed_form_s": the_plan.closed_form,
        "lower_bound_s": the_plan.lower_bound(log.reached),
        "warnings": leaves_the_measured(the_plan),
        "more": {},
    }
