"""What each worker has to do in a step: its part of the samples, its computing, what it encodes and decodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from netsim.errors import ScenarioError
from netsim.hardware import Device
from netsim.roofline import step_times
from netsim.scenario import Group, Job, Scenario
from netsim.training.buckets import Bucket
from netsim.training.step import Computing


@dataclass(frozen=True)
class Work:
    """Of one worker: samples of a micro-batch; seconds of computing, of a step if it had nobody to exchange with, and
    of decoding a byte of what it gets."""

    samples: int
    computing: Computing
    alone: float
    decoding: float


def work_of(scenario: Scenario, buckets: Sequence[Bucket]) -> list[Work]:
    """Of every worker, in the order of the groups; `buckets` as they are before they are encoded."""
    groups = scenario.cluster.groups
    workers = sum(group.count for group in groups)
    samples = samples_of(scenario)
    works, first = list[Work](), 0
    for group in groups:
        known: dict[int, Work] = {}
        for share in samples[first : first + group.count]:
            if share not in known:
                known[share] = _work(scenario, group, share, buckets, workers)
            works.append(known[share])
        first += group.count
    return works


def samples_of(scenario: Scenario) -> list[int]:
    """Samples of each worker's micro-batch: the global batch dealt out by `job.shares`.

    "proportional": in proportion to the workers' speeds (samples/s) at the batch of equal shares, as the notes of this
    project have it: worker A gets A / (A + B + C). ScenarioError where a worker would get none."""
    job, groups = scenario.job, scenario.cluster.groups
    counts = [group.count for group in groups]
    workers = sum(counts)
    if job.shares == "equal":
        return [job.batch] * workers
    if job.shares == "proportional":
        weights = [1 / _work(scenario, group, job.batch, (), workers).alone for group in groups]
    else:
        weights = list(job.shares)
    if len(weights) != workers:
        weights = [weight for weight, count in zip(weights, counts, strict=True) for _ in range(count)]
    dealt = deal(job.batch * workers, weights)
    if 0 in dealt:
        told = f"leave worker {dealt.index(0)} without a sample of {job.batch * workers}; a larger batch would do"
        raise ScenarioError(told, path="job.shares")
    return dealt


def deal(total: int, weights: Sequence[float]) -> list[int]:
    """So many whole things in proportion to the weights, by largest remainders (Hamilton's method): none is lost.

    >>> deal(96, [2.0, 1.0, 1.0]), deal(10, [1.0, 1.0, 1.0])
    ([48, 24, 24], [4, 3, 3])
    """
    exact = [total * weight / math.fsum(weights) for weight in weights]
    dealt = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (dealt[i] - exact[i], i))
    for i in by_remainder[: total - sum(dealt)]:
        dealt[i] += 1
    return dealt


def encoded(buckets: Sequence[Bucket], job: Job, workers: int) -> tuple[Bucket, ...]:
    """Buckets with the bytes that are exchanged of them: of sparse ones those of all workers, which all gather."""
    compression = job.compression
    if compression is None:
        return tuple(buckets)
    factor = compression.ratio * (workers if compression.sparse else 1)
    return tuple(replace(bucket, nbytes=bucket.nbytes * factor) for bucket in buckets)


def _work(scenario: Scenario, group: Group, samples: int, buckets: Sequence[Bucket], workers: int) -> Work:
    job, device = scenario.job, group.device
    assert device  # the checks of a loaded scenario see to it
    sparse = job.embedding_gradients == "sparse"
    times = step_times(job.model, samples, device, sparse=sparse, profile=job.profile)
    if job.forward_only:
        times = replace(times, backward=(0.0,) * len(times.backward), update=0.0)
    encoding, decoding = _codec(job, device, samples, workers)
    alone = Computing(times.forward, times.backward, times.update, micro_batches=job.accumulate).slowed(group.slowdown)
    update = alone.update / workers if job.sharding != "none" else alone.update
    if scenario.cluster.server_device and workers > 1:  # the servers make the optimiser's step
        update = 0.0
    encode = tuple(bucket.nbytes * encoding * group.slowdown for bucket in buckets) if encoding else ()
    return Work(samples, replace(alone, update=update, encode=encode), alone.total, decoding * group.slowdown)


def _codec(job: Job, device: Device, samples: int, workers: int) -> tuple[float, float]:
    """Seconds to encode a byte of gradients, and to decode a byte of messages. On the device both are bound by its
    memory: gradients are read and messages written, and the other way round, once for all messages of a bucket."""
    compression = job.compression
    if compression is None:
        return 0.0, 0.0
    memory, ratio = device.reached_memory_rate(samples), compression.ratio
    messages = ratio * (workers if compression.sparse else 1)
    on_device = {"encode": (1 + ratio) / memory, "decode": (messages + 1) / messages / memory}

    def seconds(what: str) -> float:
        rate = getattr(compression, what)
        return on_device[what] if rate == "device" else 1 / rate if rate else 0.0

    return seconds("encode"), seconds("decode")
