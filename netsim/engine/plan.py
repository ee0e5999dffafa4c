"""From a scenario to what an engine plays: hosts and their network, what each worker computes, buckets, and bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective
from netsim.engine.health import Health, healths
from netsim.errors import Problem, ScenarioError
from netsim.hardware import ELEMENT_BYTES, Link
from netsim.noise import Noise
from netsim.scenario import Scenario
from netsim.topologies.base import Host, Topology
from netsim.training.buckets import Bucket, Horovod, cut, gather
from netsim.training.parameter_server import Costs, ParameterServer
from netsim.training.step import Computing, ideal_all_reduces, lower_bound, ready_times
from netsim.training.work import encoded, work_of


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
    samples: tuple[int, ...]  # of each worker's micro-batch
    decoding: tuple[float, ...]  # seconds that each worker takes to decode a byte
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

    @cached_property
    def strategy(self) -> Collective:
        """Of buckets; messages that cannot be added on their way are gathered instead."""
        strategy: Collective = self.scenario.job.strategy
        compression = self.scenario.job.compression
        return replace(strategy, operation="all_gather") if compression and compression.sparse else strategy

    @cached_property
    def topology(self) -> Topology:
        return self.scenario.cluster.network([*self.machines, *self.strangers], seed=self.scenario.seed)

    @property
    def all_hosts(self) -> tuple[str, ...]:
        """The job's, and those of its neighbours."""
        return (*self.hosts, *(host.name for host in self.strangers))

    @property
    def undisturbed(self) -> bool:
        """Whether the job has the network to itself, whole."""
        return not (self.guests or self.scenario.cluster.fault or self.scenario.cluster.traffic)

    def healths(self) -> dict[int, Health]:
        """Of each link, by its number, that fails or slows down."""
        topology = self.topology
        return healths(self.scenario.cluster.fault, zip(topology.names, topology.ends, strict=True), self.scenario.seed)

    @cached_property
    def factors(self) -> npt.NDArray[np.float64]:
        """What noise multiplies each worker's computing time with: [worker, iteration]."""
        scenario = self.scenario
        return scenario.noise.factors(scenario.seed, self.workers, scenario.iterations)

    def step_of(self, worker: int, iteration: int) -> Computing:
        """What a worker computes in a step, with all noise."""
        scenario = self.scenario
        computing = self.computing[worker].slowed(self.factor(worker, iteration))
        if not self.exchanges(iteration):
            computing = replace(computing, encode=())
        layers = scenario.noise.layer_factors(scenario.seed, worker, iteration, len(self.layers))
        return computing if layers is None else computing.by_layer(layers.tolist())

    def factor(self, worker: int, iteration: int) -> float:
        """What noise multiplies a worker's computing time with, in any step that it may come to: one that waits for
        nobody makes more steps than others do."""
        scenario, factors = self.scenario, self.factors[worker]
        if iteration >= len(factors):
            factors = self._more_factors.get(worker, factors)
        if iteration >= len(factors):
            factors = scenario.noise.factors_of(scenario.seed, worker, 2 * (iteration + 1))
            self._more_factors[worker] = factors
        return float(factors[iteration])

    @cached_property
    def _more_factors(self) -> dict[int, npt.NDArray[np.float64]]:
        return {}

    def named(self, what: int | str) -> str:
        """A bucket by its number, or what has a name already."""
        return what if isinstance(what, str) else self.buckets[what].name

    @cached_property
    def sent(self) -> list[tuple[Bucket, float]]:
        """Each bucket with the bytes that are exchanged for a byte of its layers' gradients."""
        return [
            (each, each.nbytes / math.fsum(self.gradient_bytes[layer] for layer in each.layers))
            for each in self.buckets
        ]

    @cached_property
    def owned(self) -> tuple[tuple[float, ...], ...]:
        """Bytes of each layer's gradient that each server owns: [layer][server]."""
        assert isinstance(self.strategy, ParameterServer)
        layers = zip(self.scenario.job.model.layers, self.gradient_bytes, strict=True)
        tensors = [[nbytes / layer.params * numbers for numbers in layer.tensors] for layer, nbytes in layers]
        return self.strategy.owned(tensors, self.workers)

    @cached_property
    def owned_of_buckets(self) -> list[list[float]]:
        """Bytes of each bucket's gradients that each server owns: [bucket][server]."""
        owned = ([self.owned[layer] for layer in bucket.layers] for bucket in self.buckets)
        return [[math.fsum(of_server) for of_server in zip(*of_layers, strict=True)] for of_layers in owned]

    @cached_property
    def buckets_of(self) -> list[list[int]]:
        """The buckets that hold gradients of each layer."""
        found: list[list[int]] = [[] for _ in self.layers]
        for number, bucket in enumerate(self.buckets):
            for layer in bucket.layers:
                found[layer].append(number)
        return found

    @cached_property
    def priorities(self) -> list[int | None]:
        """Of each bucket, the first layer whose gradients it holds: the one that the next forward pass needs first goes
        first. None where all go in the order in which they are ready."""
        urgent = self.scenario.job.schedule == "priority"
        return [min(bucket.layers) if urgent else None for bucket in self.buckets]

    def exchanges(self, iteration: int) -> bool:
        """Whether gradients are exchanged in this step: in every h-th of local SGD."""
        return (iteration + 1) % self.scenario.job.local_steps == 0

    @property
    def at_once(self) -> bool:
        """Whether workers have iterations of their own."""
        return isinstance(self.strategy, ParameterServer) and self.strategy.at_once

    @property
    def stops(self) -> bool:
        """Whether hosts may stop, or workers save what they have."""
        return bool(self.scenario.cluster.stop) or self.scenario.job.recovery.checkpoint_every is not None

    @property
    def needed(self) -> int:
        """How many workers' gradients an iteration takes."""
        return self.workers - (self.strategy.backup if isinstance(self.strategy, ParameterServer) else 0)

    @property
    def ways(self) -> dict[str, Any]:
        """What a summary has to know of how workers go from step to step."""
        costs = bool(self.scenario.cluster.server_rate or self.scenario.cluster.server_device)
        return {"at_once": self.at_once, "needed": self.needed, "stops": self.stops, "serving_costs": costs}

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
        sizes = (bucket.nbytes for bucket in self.buckets)
        return sum(self.strategy.messages_of(nbytes, self.workers, enough=enough) for nbytes in sizes)

    @cached_property
    def regular(self) -> bool:
        """Whether every step is the same, its buckets are all-reduced or pushed in the order in which they are ready,
        and the next one begins when all are in."""
        job = self.scenario.job
        plain = job.sharding == "none" and job.local_steps == 1 and job.schedule == "fifo" and not job.by_layer
        return plain and not job.forward_only and self.scenario.noise.none and len(set(self.computing)) == 1

    @cached_property
    def unforeseen(self) -> str | None:
        """What is decided only while the run goes on, or goes on beside all-reduces of whole buckets; else None."""
        job = self.scenario.job
        if self.scenario.noise.layer_jitter:
            return "every layer has noise of its own"
        reasons = {
            "buckets are made as gradients come": isinstance(job.bucket, Horovod),
            "parts of parameters are gathered": job.sharding != "none",
            "messages are decoded while others come": any(self.decoding),
            "gradients are exchanged in some steps only": job.local_steps > 1,
            "weights are pulled, and no gradients pushed": job.forward_only,
        }
        return next((reason for reason, holds in reasons.items() if holds), None) if self.buckets else None

    @cached_property
    def closed_form(self) -> float | None:
        """The step's length (s) in closed form, for equal workers on one stream without noise; else None. It has all
        workers begin each step together, so that a tree, whose leaves end early, may do better from step to step."""
        scenario = self.scenario
        plain = self.undisturbed and self.topology.ideal and len(set(self.links)) == 1 and self.links[0].plain
        costly = scenario.cluster.server_rate or scenario.cluster.server_device
        plain &= not (self.strategy.announced and scenario.cluster.sharing == "fifo")  # words wait behind messages
        if self.stops or not self.regular or not plain or costly or self.unforeseen or scenario.job.streams > 1:
            return None
        computing, (sizes, ready) = self.computing[0], self._sizes_and_ready(self.computing[0])
        arguments = self.workers, sizes, ready, self.links[0], scenario.cluster.reduction_rate
        if isinstance(self.strategy, ParameterServer):
            exchanged = self.strategy.ideal_exchange(*arguments)
        else:
            exchanged = ideal_all_reduces(self.strategy, *arguments)
        if exchanged is None:
            return None
        return max(exchanged, computing.until_update) + computing.update

    @property
    def exchanged_bytes(self) -> float:
        """Of all buckets in a step, as if they were all-reduced, on the mean: ZeRO's third stage gathers parameters for
        every forward and backward pass, and so moves 1.5 times as much (Rajbhandari et al. 2020, section 7.2); weights
        that are pulled go one of the two ways."""
        job = self.scenario.job
        times = job.accumulate + 0.5 if job.sharding == "zero3" else 0.5 if job.forward_only else 1.0
        return math.fsum(bucket.nbytes for bucket in self.buckets) * times / job.local_steps

    def lower_bound(self, steps: int) -> float:
        """No step is shorter on the mean (s), however it is scheduled, where no worker did more than so many. Equal
        workers begin it together; among unequal or irregular ones some may run ahead, so that only their computing and
        the ports' bytes bound it."""
        fastest = self.topology.fastest_port
        if self.scenario.job.recovery.workers == "drop":  # nobody knows who is left
            return min(each.total for each in self.computing) * float(self._drawn(steps).min())
        ports = self.strategy.lower_bound(self.workers, self.exchanged_bytes, replace(fastest, latency=0.0))
        if self.at_once or self.needed < self.workers:  # a worker beside its server may do most of the work
            return max(self._least_computing(steps), ports if self.strategy.helpers(self.workers) else 0.0)
        if self.regular:
            computing = self.computing[0]
            return lower_bound(self.strategy, self.workers, *self._sizes_and_ready(computing), computing, fastest)
        return max(*map(self._mean_computing, range(self.workers)), ports)

    def _mean_computing(self, worker: int) -> float:
        """Seconds that a worker computes in a step, on the mean over all."""
        steps = range(self.scenario.iterations)
        if self.scenario.noise.layer_jitter or self.scenario.job.local_steps > 1:
            return math.fsum(self.step_of(worker, step).total for step in steps) / len(steps)
        return self.computing[worker].total * float(self.factors[worker].mean())

    def _drawn(self, steps: int) -> npt.NDArray[np.float64]:
        """The factors of so many steps, and at least of those that are asked for: [worker, step]."""
        scenario = self.scenario
        return scenario.noise.factors(scenario.seed, self.workers, max(steps, scenario.iterations))

    def _least_computing(self, steps: int) -> float:
        """Seconds of an iteration in which nobody waits: n workers at the sum of their paces, as fast as they were on
        the mean over any number of first iterations; or, of those that an iteration takes, the slowest."""
        alone = np.asarray([each.total for each in self.computing])
        if self.at_once:
            luck = self._drawn(steps)
            best = (np.cumsum(luck, axis=1) / np.arange(1, luck.shape[1] + 1)).min(axis=1)
            return len(alone) / float((1 / (alone * best)).sum())
        return float(np.sort(alone[:, None] * self.factors, axis=0)[self.needed - 1].mean())

    def _sizes_and_ready(self, computing: Computing) -> tuple[list[float], tuple[float, ...]]:
        ready = ready_times(computing, self.buckets, overlap=self.scenario.job.overlap)
        return [bucket.nbytes for bucket in self.buckets], ready


def plan(scenario: Scenario) -> Plan:
    """The plan of a scenario; ScenarioError where its parts do not go together."""
    cluster, job = scenario.cluster, scenario.job
    workers = sum(group.count for group in cluster.groups)
    try:
        job.strategy.fit(workers)
    except ScenarioError as error:
        raise ScenarioError([Problem(f"job.strategy.{p.path}", p.message) for p in error.problems]) from None
    machines = cluster.hosts(job.strategy.helpers(workers))
    names = tuple(layer.name for layer in job.model.layers)
    nbytes = tuple(map(float, job.gradient_sizes(workers)))
    buckets = cut(gather(nbytes, names, job.bucket), job.partition) if workers > 1 else ()
    if job.forward_only:  # what servers have, in the order in which it is needed
        buckets = buckets[::-1] if isinstance(job.strategy, ParameterServer) else ()
    works = work_of(scenario, buckets)
    strangers = [host for each in scenario.neighbour for host in each.own_hosts(cluster)]
    return Plan(
        scenario,
        tuple(work.computing for work in works),
        tuple(machines),
        encoded(buckets, job, workers),
        names,
        nbytes,
        tuple(work.alone for work in works),
        tuple(work.samples for work in works),
        tuple(work.decoding for work in works),
        _guests(scenario, len(machines)),
        tuple(strangers),
    )


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
