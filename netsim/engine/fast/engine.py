"""The fast engine: rounds at a stroke where no two messages meet on a link, event by event on arrays where they do.

`Meeting` says why neither is exact; the reference takes over then.
"""

from __future__ import annotations

import numpy as np

from netsim.collectives.rounds import Collective
from netsim.engine.fast import events as fast_events
from netsim.engine.fast import rounds as fast_rounds
from netsim.engine.fast import servers as fast_servers
from netsim.engine.fast.events import EventPlay
from netsim.engine.fast.links import Sharing
from netsim.engine.fast.patterns import FastNetwork, Meeting, Times
from netsim.engine.fast.rounds import FastPlay, Progress
from netsim.engine.fast.symmetry import numbered
from netsim.engine.plan import Plan
from netsim.engine.record.log import Log
from netsim.topologies.base import Topology
from netsim.training.parameter_server import ParameterServer

Used = FastNetwork | EventPlay  # what the links have carried


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, Used]:
    """Play all iterations; Meeting where that would not be exact."""
    _refuse_plan(plan)
    job, cluster = plan.scenario.job, plan.scenario.cluster
    several = isinstance(plan.strategy, ParameterServer) or job.streams > 1
    found_on_the_way = job.by_layer or job.schedule == "priority" or bool(cluster.fault)
    if not plan.buckets or not (several or found_on_the_way or cluster.forwarding == "store_and_forward"):
        try:
            return fast_rounds.train(plan, detail, progress)
        except Meeting:
            pass
    if plan.at_once:
        return fast_servers.train(plan, detail, progress)
    return fast_events.train(plan, detail, progress)


def _refuse_plan(plan: Plan) -> None:
    """What can be said beforehand of training."""
    cluster, job = plan.scenario.cluster, plan.scenario.job
    servers = plan.strategy if plan.buckets and isinstance(plan.strategy, ParameterServer) else None
    costs, held_back = plan.server_costs, servers is not None and servers.pull == "after_push"
    costly = bool(costs.handling_rate or costs.applying_rate or (plan.at_once and costs.adding_rate))
    fails = any(not fault.factor > 0 for fault in cluster.fault)
    ecmp = plan.topology.seed is not None and job.streams > 1
    reasons = {
        "hosts stop and return, or save what they have": bool(plan.stops),
        "messages go another way where links fail": cluster.on_failure == "reroute" and fails,
        "links change while nothing is sent": bool(cluster.fault) and not plan.buckets,
        "others use the network, too": bool(plan.guests or cluster.traffic),
        "some gradients are thrown away": servers is not None and bool(servers.backup),
        "servers answer when all keys have come": held_back,
        "servers' software and steps take time": servers is not None and costly,
        "streams take ways of their own through the network": ecmp,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), plan.unforeseen)
    if reason:
        raise Meeting(reason)
    if plan.buckets:
        _refuse(plan.topology)


def play(
    kind: Collective,
    ranks: int,
    topology: Topology,
    *,
    nbytes: float,
    ready: Times,
    sharing: str,
    forwarding: str,
    rate: float | None,
    symmetry: bool,
) -> tuple[float, Used]:
    """Seconds until the last rank is done, all being `ready` at their times and adding at this `rate`; Meeting where
    that would not be exact."""
    if ranks > 1:
        _refuse(topology)
    how = Sharing.of(sharing, forwarding)
    try:
        if not how.cuts_through:
            raise Meeting("switches pass on whole messages")
        network = FastNetwork(topology, queues=how.queues, announced=kind.announced)
        colours = numbered(ready) if symmetry else None
        messages = kind.messages_of(nbytes, ranks, enough=fast_rounds.MOST_MESSAGES)
        rounds = FastPlay(kind, ranks, network, rate, messages=messages, colours=colours)
        return float(rounds(ready, nbytes).max()), network
    except Meeting:
        events = EventPlay.of(kind, ranks, topology, [nbytes], streams=1, sharing=how)
        at_once = np.zeros((1, len(ready), 2))
        found = events.run(ready[None], at_once, at_once[:, :, 0], reduction_rate=rate)
        return float(found["exchanged"].max()), events


def _refuse(topology: Topology) -> None:
    """What can be said beforehand of a network."""
    if not topology.unpriced:
        raise Meeting("messages cost more than their latency and bytes")
