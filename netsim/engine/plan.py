"""From a scenario to what an engine plays: hosts and their network, what each worker computes, buckets, and bounds."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective
from netsim.errors import Problem, ScenarioError
from netsim.hardware import ELEMENT_BYTES, Link
from netsim.roofline import step_times
from netsim.scenario import Noise, Scenario
from netsim.topologies.base import Host, Topology
from netsim.training.buckets import Bucket, gather
from netsim.training.parameter_server import Costs, ParameterServer
from netsim.training.step import Computing, ideal_all_reduces, jitter, lower_bound, ready_times
from netsim.units import show

# What one message of a schedule and one kept record cost in the SimPy engine, by measurement (bytes).
_MESSAGE_BYTES, _RECORD_BYTES, _WORKER_BYTES = 600, 250, 20_000


@dataclass(frozen=True)
class Guest:
    """Another job on the network: its plan, and where its workers and servers stand among all hosts."""

    name: str
    plan: Plan
    hosts: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What an engine needs to know of a scenario; workers and servers are numbered in one row, workers first."""

    scenario: Scenario
    computing: tuple[Computing, ...]  # of each worker, its slow-down included
    machines: tuple[Host, ...]  # with links as bytes without headers see them
    buckets: tuple[Bucket, ...]  # nothing to exchange for one worker
    layers: tuple[str, ...]
    gradient_bytes: tuple[float, ...]  # of each layer
    alone: tuple[float, ...]  # s of a step of each worker, if it had nobody to exchange with
    guests: tuple[Guest, ...] = ()
    strangers: tuple[Host, ...] = ()  # hosts of guests alone, which come after the job's own

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        return tuple(host.name for host in self.machines)

    @cached_property
    def links(self) -> tuple[Link, ...]:
        return tuple(host.link for host in self.machines)

    @property
    def workers(self) -> int:
        return len(self.computing)

    @property
    def strategy(self) -> Collective:
        strategy: Collective = self.scenario.job.strategy
        return strategy

    @cached_property
    def topology(self) -> Topology:
        return self.scenario.cluster.network([*self.machines, *self.strangers])

    @property
    def all_hosts(self) -> tuple[str, ...]:
        """The job's, and those of its neighbours."""
        return (*self.hosts, *(host.name for host in self.strangers))

    @property
    def undisturbed(self) -> bool:
        """Whether the job has the network to itself, whole."""
        return not (self.guests or self.scenario.cluster.fault or self.scenario.cluster.traffic)

    @cached_property
    def factors(self) -> npt.NDArray[np.float64]:
        """What noise multiplies each worker's computing time with: [worker, iteration]."""
        scenario = self.scenario
        return jitter(scenario.seed, self.workers, scenario.iterations, scenario.noise.jitter)

    def factor(self, worker: int, iteration: int) -> float:
        """What noise multiplies a worker's computing time with, in any iteration that it may come to."""
        drawn = self._luck[-1]
        while iteration >= drawn.shape[1]:
            scenario = self.scenario
            drawn = jitter(scenario.seed, self.workers, 2 * drawn.shape[1], scenario.noise.jitter)
            self._luck[:] = [drawn]
        return float(drawn[worker, iteration])

    @cached_property
    def _luck(self) -> list[npt.NDArray[np.float64]]:
        return [self.factors]

    @property
    def at_once(self) -> bool:
        """Whether workers have iterations of their own."""
        return isinstance(self.strategy, ParameterServer) and self.strategy.at_once

    @property
    def needed(self) -> int:
        """How many workers' gradients an iteration takes."""
        return self.workers - (self.strategy.backup if isinstance(self.strategy, ParameterServer) else 0)

    @property
    def server_costs(self) -> Costs:
        """What a byte costs a parameter server."""
        cluster = self.scenario.cluster
        return Costs.of(
            handling_rate=cluster.server_rate,
            reduction_rate=cluster.reduction_rate,
            memory_rate=cluster.server_device.reached_memory_rate(1) if cluster.server_device else None,
            element=ELEMENT_BYTES[self.scenario.job.gradient_precision],
            at_once=self.at_once,
        )

    def messages_per_iteration(self, enough: float = float("inf")) -> int:
        """Messages of all buckets; counting stops beyond `enough`."""
        a_lane = self.strategy.messages(self.workers, enough=enough)
        return sum(a_lane * self.strategy.lanes(bucket.nbytes, self.workers) for bucket in self.buckets)

    @cached_property
    def closed_form(self) -> float | None:
        """The step's length (s) in closed form, for equal workers on one stream without noise; else None. It has all
        workers begin each step together, so that a tree, whose leaves end early, may do better from step to step."""
        scenario = self.scenario
        unequal = len(set(self.computing)) > 1 or len(set(self.links)) > 1
        plain = self.undisturbed and self.topology.ideal and all(link.plain for link in set(self.links))
        costly = scenario.cluster.server_rate or scenario.cluster.server_device
        if unequal or not plain or scenario.noise.jitter or scenario.job.streams > 1 or costly:
            return None
        computing, (sizes, ready) = self.computing[0], self._sizes_and_ready(self.computing[0])
        arguments = self.workers, sizes, ready, self.links[0], scenario.cluster.reduction_rate
        if isinstance(self.strategy, ParameterServer):
            exchanged = self.strategy.ideal_exchange(*arguments)
        else:
            exchanged = ideal_all_reduces(self.strategy, *arguments)
        if exchanged is None:
            return None
        return max(exchanged, computing.total - computing.update) + computing.update

    @cached_property
    def lower_bound(self) -> float:
        """No step is shorter on the mean (s), however it is scheduled. Equal workers begin it together; among unequal
        or irregular ones some may run ahead, so that only their computing and the ports' bytes bound it."""
        fastest = self.topology.fastest_port
        computing, total = self.computing, sum(bucket.nbytes for bucket in self.buckets)
        ports = self.strategy.lower_bound(self.workers, total, replace(fastest, latency=0.0))
        if self.at_once or self.needed < self.workers:  # a worker beside its server may do most of the work
            return max(self._least_computing, ports if self.strategy.helpers(self.workers) else 0.0)
        if len(set(computing)) == 1 and not self.scenario.noise.jitter:
            return lower_bound(self.strategy, self.workers, *self._sizes_and_ready(computing[0]), computing[0], fastest)
        mine = [each.total * float(factors.mean()) for each, factors in zip(computing, self.factors, strict=True)]
        return max(*mine, ports)

    @property
    def _least_computing(self) -> float:
        """Seconds of an iteration in which nobody waits: n workers at the sum of their paces, as fast as they were on
        the mean over any number of first iterations; or, of those that an iteration takes, the slowest."""
        alone = np.asarray([each.total for each in self.computing])
        if self.at_once:
            luck = self._luck[-1]
            best = (np.cumsum(luck, axis=1) / np.arange(1, luck.shape[1] + 1)).min(axis=1)
            return len(alone) / float((1 / (alone * best)).sum())
        return float(np.sort(alone[:, None] * self.factors, axis=0)[self.needed - 1].mean())

    def _sizes_and_ready(self, computing: Computing) -> tuple[list[float], tuple[float, ...]]:
        ready = ready_times(computing, self.buckets, overlap=self.scenario.job.overlap)
        return [bucket.nbytes for bucket in self.buckets], ready


def plan(scenario: Scenario) -> Plan:
    """The plan of a scenario; ScenarioError where its parts do not go together."""
    cluster, job = scenario.cluster, scenario.job
    computing: list[Computing] = []
    for group in cluster.groups:
        assert group.device and group.link  # the checks of a loaded scenario see to it
        sparse = job.embedding_gradients == "sparse"
        times = step_times(job.model, job.batch, group.device, sparse=sparse, profile=job.profile)
        computing += [Computing(times.forward, times.backward, times.update).slowed(group.slowdown)] * group.count
    workers = len(computing)
    try:
        job.strategy.fit(workers)
    except ScenarioError as error:
        raise ScenarioError([Problem(f"job.strategy.{p.path}", p.message) for p in error.problems]) from None
    machines = cluster.hosts(job.strategy.helpers(workers))
    alone = tuple(each.total for each in computing)
    if cluster.server_device and workers > 1:  # the servers make the optimiser's step
        computing = [replace(each, update=0.0) for each in computing]
    names = tuple(layer.name for layer in job.model.layers)
    nbytes = tuple(map(float, job.gradient_sizes(workers)))
    buckets = gather(nbytes, names, job.bucket) if workers > 1 else ()
    strangers = [host for each in scenario.neighbour for host in each.own_hosts(cluster)]
    guests = _guests(scenario, len(machines))
    return Plan(scenario, tuple(computing), tuple(machines), buckets, names, nbytes, alone, guests, tuple(strangers))


def _guests(scenario: Scenario, first: int) -> tuple[Guest, ...]:
    """The neighbours with their plans; their own hosts are numbered from `first` on."""
    guests = []
    for number, each in enumerate(scenario.neighbour):
        cluster = each.cluster(scenario.cluster)
        try:
            its = plan(replace(scenario, cluster=cluster, job=each.job, neighbour=(), noise=Noise()))
        except ScenarioError as error:
            raise ScenarioError([problem.within(f"neighbour[{number}]") for problem in error.problems]) from None
        own = range(first, first + len(its.hosts) - each.shared)
        guests.append(Guest(each.name, its, (*range(each.shared), *own)))
        first = own.stop
    return tuple(guests)


def refuse_if_too_large(messages_at_once: float, records: float, workers: int, *, path: str) -> None:
    """ScenarioError with an estimate where a run would need more than half of this machine's memory."""
    needed = messages_at_once * _MESSAGE_BYTES + records * _RECORD_BYTES + workers * _WORKER_BYTES
    memory = _machine_memory()
    if needed > memory / 2:
        raise ScenarioError(
            f"{workers} workers would need about {show(needed, 'B', digits=2)} of memory for messages in flight; this "
            f"machine has {show(memory, 'B', digits=2)}. Fewer workers, or fewer slices, would do",
            path=path,
        )


def memory_limit_messages() -> float:
    """More messages than this at once are refused on this machine."""
    return _machine_memory() / 2 / _MESSAGE_BYTES


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
