"""The reference engine: workers, links and servers as SimPy processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import simpy

from netsim.engine import health
from netsim.engine.messages import Record, Sender, Tenant
from netsim.engine.plan import Plan
from netsim.engine.record.causes import lasting
from netsim.engine.record.clock import Clock
from netsim.engine.record.log import Log
from netsim.engine.reference import neighbours, traffic, waits
from netsim.engine.reference.allreduces import AllReduces, Fused, Prioritised
from netsim.engine.reference.elastic import Elastic
from netsim.engine.reference.exchange import Exchange, Process
from netsim.engine.reference.layerwise import worker_by_layer
from netsim.engine.reference.neighbours import Neighbour
from netsim.engine.reference.network import Network
from netsim.engine.reference.servers import Servers
from netsim.engine.reference.sharded import Sharded, worker_with_shards, worker_without_parameters
from netsim.engine.reference.sharing import network_of
from netsim.engine.reference.stops import gate
from netsim.errors import RunError
from netsim.training.buckets import Horovod
from netsim.training.parameter_server import ParameterServer

Progress = Callable[[int], object]


def train(plan: Plan, detail: str, progress: Progress | None = None) -> tuple[Log, Network, dict[str, Any]]:
    """Play all iterations; `progress` hears of each that worker 0 has ended. RunError if nothing can go on. Returns
    also the figures of what disturbed the job."""
    log = Log(plan, detail)
    env = log.clock()
    network = _network(plan, env, None if detail == "summary" else log.delivered)

    def ended(iteration: int) -> None:
        if log.records(iteration + 1):
            network.watch()
        if progress:
            progress(iteration)

    if log.records(0):
        network.watch()
    exchange, workers = _crew(plan, network, log, ended)
    others = neighbours.begin(plan, network, _crew)
    background = traffic.begin(plan.scenario.cluster.traffic, network, plan.all_hosts, plan.scenario.seed)
    env.run()
    network.account()
    waiting = [number for number, worker in enumerate(workers) if worker.is_alive]
    if waiting:
        raise RunError(waits.describe(exchange, network, waiting))
    exchange.ended()
    network.ended(log.end)
    return log, network, _disturbances(network, others, background)


def _disturbances(network: Network, others: list[Neighbour], background: list[Tenant]) -> dict[str, Any]:
    """What a summary says of the neighbours, of background traffic and of links that failed, where there are any."""
    figures = {key: value for neighbour in others for key, value in neighbour.figures.items()}
    if background:
        figures["background_bytes"] = math.fsum(tenant.nbytes for tenant in background)
    return {**figures, **health.figures(network.changes, network.interruptions)}


def _network(plan: Plan, env: simpy.Environment, record: Record | None) -> Network:
    """The scenario's, with its faults; an end of the run waits for what may still set the job going again."""
    cluster = plan.scenario.cluster
    kind = network_of(cluster.sharing, cluster.forwarding)
    network = kind(env, plan.topology, record, health=plan.healths(), on_failure=cluster.on_failure)
    if isinstance(env, Clock):
        env.hope = network.hopes
    return network


def _crew(plan: Plan, sender: Sender, log: Log, progress: Progress) -> tuple[Exchange, list[simpy.Process]]:
    """A job's workers at work, and how they exchange."""
    kind, life = _played(plan)
    exchange = kind(plan, gate(plan, sender, log), log)
    lives = [exchange.living(number, life(exchange, number, progress)) for number in range(plan.workers)]
    return exchange, [exchange.env.process(each) for each in lives]


def _played(plan: Plan) -> tuple[Callable[..., Exchange], Callable[..., Process]]:
    """How gradients are exchanged, and what a worker's life is like."""
    job, life = plan.scenario.job, worker_by_layer if plan.scenario.job.by_layer else _worker
    if isinstance(plan.strategy, ParameterServer):
        return Servers, life
    if job.sharding != "none" and plan.buckets:
        return Sharded, worker_without_parameters if job.sharding == "zero3" else worker_with_shards
    if isinstance(job.bucket, Horovod):
        return Fused, life
    if job.recovery.workers == "drop" and plan.buckets:
        return Elastic, life
    return Prioritised if job.schedule == "priority" else AllReduces, life


def _worker(exchange: Exchange, worker: int, progress: Progress) -> Process:
    """A worker's life: forward, backward, offering buckets as they are ready; wait for the sums; update; again."""
    env, plan, log = exchange.env, exchange.plan, exchange.log
    overlap = plan.scenario.job.overlap
    for iteration in exchange.iterations(worker):
        start, computing, about = env.now, plan.step_of(worker, iteration), (worker, (iteration, None))
        buckets = range(len(plan.buckets)) if plan.exchanges(iteration) else range(0)
        yield lasting(env.timeout(computing.lead), "forward", *about)
        *gaps, rest = computing.backward_until(plan.buckets)
        for bucket, backward in enumerate(gaps):
            yield lasting(env.timeout(backward), "backward", *about)
            if overlap and bucket in buckets:
                exchange.offer(worker, iteration, bucket)
        yield lasting(env.timeout(rest), "backward", *about)
        log.computed(worker, iteration, start, env.now, computing)
        for bucket in () if overlap else buckets:
            exchange.offer(worker, iteration, bucket)
        if buckets:
            computed = env.now
            yield exchange.all_in(worker, iteration)
            log.waited(worker, iteration, env.now - computed)
            exchange.close(worker, iteration)
        yield lasting(env.timeout(computing.update), "update", *about)
        log.ended(worker, iteration, env.now, computing.update)
        if worker == 0:
            progress(iteration)
