"""A worker whose next forward pass begins layer by layer, as their gradients come back, in SimPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from netsim.engine.record.causes import lasting
from netsim.engine.reference.exchange import Exchange, Process


@dataclass
class _Step:
    """What a worker has done so far in a step: computing, and waiting (s)."""

    computed: float = 0.0
    waited: float = 0.0


def worker_by_layer(exchange: Exchange, worker: int, progress: Callable[[int], None] | None) -> Process:
    """A worker's life: each layer forward when it has the layer's sums of the step before and has updated it; backward,
    offering buckets as they are ready. A step ends with its backward pass, the last one when all is updated."""
    env, plan, log = exchange.env, exchange.plan, exchange.log
    last = plan.scenario.iterations - 1
    for iteration in range(last + 1):
        start, computing, step = env.now, plan.step_of(worker, iteration), _Step()
        for layer, (name, seconds) in enumerate(zip(plan.layers, computing.forward, strict=True)):
            if iteration > 0:
                yield from _take_over(exchange, worker, iteration - 1, layer, step)
            yield lasting(env.timeout(seconds), "forward", worker, (iteration, None))
            log.did(worker, "forward", name, iteration, env.now - seconds, env.now)
        yield from _rest(exchange, worker, iteration)
        if iteration == last:
            for layer in range(len(plan.layers)):
                yield from _take_over(exchange, worker, iteration, layer, step)
        log.pieces(worker, iteration, start, computing.until_update + step.computed, computing.until_update)
        log.waited(worker, iteration, step.waited)
        log.ended(worker, iteration, env.now, 0.0)
        if progress and worker == 0:
            progress(iteration)


def _rest(exchange: Exchange, worker: int, iteration: int) -> Process:
    """The step after its first forward pass: micro-batches, and the backward pass in which buckets are offered."""
    env, plan, log = exchange.env, exchange.plan, exchange.log
    computing, overlap = plan.step_of(worker, iteration), plan.scenario.job.overlap
    buckets = range(len(plan.buckets)) if plan.exchanges(iteration) else range(0)
    log.lay_out(worker, iteration, env.now, list(computing.parts(plan.layers, plan.buckets))[len(plan.layers) :])
    *gaps, rest = computing.backward_until(plan.buckets)
    yield lasting(env.timeout(computing.lead - math.fsum(computing.forward)), "forward", worker, (iteration, None))
    for bucket, backward in enumerate(gaps):
        yield lasting(env.timeout(backward), "backward", worker, (iteration, None))
        if overlap and bucket in buckets:
            exchange.offer(worker, iteration, bucket)
    yield lasting(env.timeout(rest), "backward", worker, (iteration, None))
    for bucket in () if overlap else buckets:
        exchange.offer(worker, iteration, bucket)


def _take_over(exchange: Exchange, worker: int, iteration: int, layer: int, step: _Step) -> Process:
    """Wait until a layer's sums of an iteration are in, and update the layer."""
    env, plan = exchange.env, exchange.plan
    if plan.exchanges(iteration):
        asked = env.now
        for bucket in plan.buckets_of[layer]:
            yield exchange.is_in(worker, iteration, bucket)
        step.waited += env.now - asked
        if layer == len(plan.layers) - 1:
            exchange.close(worker, iteration)
    seconds = plan.step_of(worker, iteration).update * plan.gradient_bytes[layer] / math.fsum(plan.gradient_bytes)
    yield lasting(env.timeout(seconds), "update", worker, (iteration, None))
    exchange.log.did(worker, "update", plan.layers[layer], iteration, env.now - seconds, env.now)
    step.computed += seconds
