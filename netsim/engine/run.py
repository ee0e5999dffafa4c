"""simulate and collective: choose the engine, play, and gather what was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import simpy

from netsim import families
from netsim.collectives.rounds import Collective
from netsim.engine import des, fast, health
from netsim.engine.clock import Timer
from netsim.engine.fast_rounds import FastNetwork, Meeting
from netsim.engine.invariants import always, check_collective, check_run
from netsim.engine.limits import Size, most_messages, refuse_if_too_large
from netsim.engine.log import Log
from netsim.engine.measured import leaves_the_measured, outside
from netsim.engine.meter import bins_of
from netsim.engine.network import Network
from netsim.engine.plan import Plan, plan
from netsim.engine.play import Adder, Countdown, Play, Steps
from netsim.engine.sent import Sent
from netsim.engine.several import beside_equal_shares, with_best_bucket, with_costs, with_learning, with_replicas
from netsim.engine.sharing import network_of
from netsim.errors import RunError, ScenarioError, did_you_mean
from netsim.hardware import Link
from netsim.scenario import Scenario
from netsim.topologies.base import AlikeHosts, built_of, burst_problems, routed
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


@dataclass(frozen=True, kw_only=True)
class CollectiveResult:
    """One collective on one network; times in s, from all ranks' being ready to the last one's holding the sum."""

    kind: str
    operation: str
    ranks: int
    size_bytes: float
    rate_bytes_per_s: float
    latency_s: float
    topology: str
    sharing: str
    engine: str
    time_s: float
    ideal_time_s: float | None
    lower_bound_s: float
    messages: int
    wire_bytes: float
    busiest_link: str | None
    busiest_link_bytes: float
    warnings: tuple[str, ...] = ()

    @property
    def algbw(self) -> float:
        """Bytes of the buffer a second (bytes/s), as nccl-tests counts them; 0 where no time passes."""
        return self.size_bytes / self.time_s if self.time_s else 0.0

    @property
    def busbw(self) -> float:
        """`algbw` times what an ideal algorithm moves over each link for a byte of the buffer (nccl-tests,
        doc/PERFORMANCE.md): 2 (n - 1) / n for all-reduce, 1 to or from a root, (n - 1) / n for the rest."""
        if self.operation in ("broadcast", "reduce"):
            return self.algbw
        return self.algbw * (2 if self.operation == "all_reduce" else 1) * (self.ranks - 1) / self.ranks

    def as_dict(self) -> dict[str, Any]:
        """The keys of `netsim collective --json`; `warnings` only where there are any."""
        return {key: value for key, value in asdict(self).items() if key != "warnings" or value}


def collective(
    kind: Collective,
    *,
    ranks: int,
    size: float,
    rate: float,
    latency: float,
    topology: Any = None,
    routing: str = "shortest",
    seed: int = 0,
    sharing: str = "fair",
    forwarding: str = "cut_through",
    reduction_rate: float | None = None,
    engine: str = "auto",
    links: Mapping[int, Link] | None = None,
    late: Mapping[int, float] | None = None,
    symmetry: bool = True,
    link: Link | None = None,
    check: bool = False,
    limit_memory: float | None = None,
) -> CollectiveResult:
    """Play one collective on hosts with equal links (SI units), all ranks ready at once.

    topology: a function from hosts to a Topology, by default the star. routing: "shortest", or "ecmp", for which `seed`
    draws the ways. link: of all hosts, which has more to it than a
    rate and a latency; its rate and latency are then the ones given. links: of hosts that have others than the rest.
    late: for how long (s) a host, by its number, is not ready; servers are numbered after the ranks. The closed form
    and the lower bound know of neither. symmetry: whether one of many hosts that are alike may be played for all, which
    changes nothing but how long it takes. check: have the reference play it, too, and hold all its messages to the
    rules that hold of any run, and the other engine to it. ScenarioError where kind and ranks do not fit.
    """
    check_engine(engine)
    shared = network_of(sharing, forwarding)
    kind.fit(ranks)
    helpers, size = kind.helpers(ranks), 0.0 if kind.operation == "barrier" else size
    link = (link or Link(rate=rate, latency=latency)).for_payload
    fastest = Link(rate=link.rate, latency=link.lowest_latency, burst=link.burst)
    own = {host: each.for_payload for host, each in (links or {}).items()}
    name = lambda host: f"rank{host}" if host < ranks else f"server{host - ranks}"  # noqa: E731
    hosts = AlikeHosts(ranks + helpers, name, link, own=own, apart=ranks)
    ready = np.zeros(len(hosts))
    for host, at in (late or {}).items():
        ready[host] = at
    build = topology or families.FAMILIES["topologies"].build("star")
    wiring = routed(built_of(build, hosts, path="topology"), routing, seed=seed)
    if wrong := burst_problems(bool(wiring.bursts), sharing=sharing):
        raise ScenarioError(wrong)
    network: Network | fast.Used
    exact = engine != "simpy"
    if exact:
        try:
            time, network = fast.play(
                kind, ranks, wiring, nbytes=size, ready=ready, sharing=sharing, forwarding=forwarding,
                rate=reduction_rate, symmetry=symmetry,
            )  # fmt: skip
        except Meeting:
            exact = False
    if check or not exact:
        messages = kind.messages(ranks, enough=most_messages(limit_memory)) * kind.lanes(size, ranks)
        refuse_if_too_large(Size(workers=ranks, at_once=messages), limit=limit_memory, path="ranks")
        sent = Sent() if check or always() else None
        slow = shared(simpy.Environment(), wiring, sent)
        needed = _play(kind, ranks, size, slow, reduction_rate, ready.tolist())
        if sent is not None:
            plain = link.unpriced and all(each.unpriced for each in own.values())
            played = sent.traffic(wiring, slow.use(), undisturbed=plain)
            check_collective(played, needed, (time, network.messages, network.nbytes) if exact else None)
        if not exact:
            time, network = needed, slow
    busiest = busiest_link(network.use())
    return CollectiveResult(
        kind=families.kind_of(kind),
        operation=kind.operation,
        ranks=ranks,
        size_bytes=size,
        rate_bytes_per_s=rate,
        latency_s=latency,
        topology=families.kind_of(build),
        sharing=sharing,
        engine="fast" if exact else "simpy",
        time_s=time,
        ideal_time_s=kind.closed_form(ranks, size, link, reduction_rate) if wiring.ideal and link.plain else None,
        lower_bound_s=kind.lower_bound(ranks, size, fastest if wiring.ideal else wiring.fastest_port),
        messages=network.messages,
        wire_bytes=whole(network.nbytes),
        busiest_link=busiest.link if busiest else None,
        busiest_link_bytes=whole(busiest.nbytes) if busiest else 0.0,
        warnings=outside(kind, ranks, size, link),
    )


def _play(
    kind: Collective, ranks: int, size: float, network: Network, reduction_rate: float | None, ready: Sequence[float]
) -> float:
    """Seconds until the last rank is done, in SimPy."""
    steps = Steps(kind, ranks)
    adders = [Adder(network.env, reduction_rate) for _ in range(steps.hosts)]
    play = Play(network, adders, steps, nbytes=size, stream=0, label=None)
    env, ended = network.env, Countdown(network.env, steps.hosts)

    def join(host: int) -> None:
        done = play.join(host)
        assert done.callbacks is not None
        done.callbacks.append(ended.tick)

    for host, at in enumerate(ready):
        Timer(env, at, lambda timer: join(timer._value), host) if at else join(host)
    try:
        env.run(until=ended)  # not until nothing is left: outdated timers of the network may be
    except RuntimeError:
        raise RunError(f"nothing can move any more at {env.now:g} s, and the collective is not done") from None
    return float(env.now)


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
