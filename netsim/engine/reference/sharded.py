"""Workers that each keep a part of the optimiser's state, of gradients, or of parameters (ZeRO, FSDP), in SimPy.

ZeRO (Rajbhandari et al., SC 2020): gradients are reduce-scattered as they come; each worker updates its part; and
parameters are all-gathered, in stages 1 and 2 once all are updated, in stage 3 bucket by bucket before the forward and
again before the backward pass, some of them ahead. Stage 3 is FULL_SHARD of PyTorch's FSDP (Zhao et al., VLDB 2023),
whose backward prefetch also has the next bucket gathered before this one's gradients are scattered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from simpy.events import Event

from netsim.engine.messages import Sender
from netsim.engine.plan import Plan
from netsim.engine.record.causes import lasting
from netsim.engine.record.log import Log
from netsim.engine.reference.allreduces import Collectives
from netsim.engine.reference.exchange import Process
from netsim.engine.reference.play import Countdown, Steps
from netsim.training.step import Computing, Part

Progress = Callable[[int], None] | None


class Sharded(Collectives):
    """Collectives of one stream, which follow one another in the order in which workers ask for them."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        super().__init__(plan, network, log)
        self._steps = {
            "scatter": Steps(replace(plan.strategy, operation="reduce_scatter"), plan.workers),
            "gather": Steps(replace(plan.strategy, operation="all_gather"), plan.workers),
        }
        self._before: list[Event] = [Countdown(self.env, 0) for _ in range(plan.workers)]
        self._asked: list[dict[int, int]] = [{} for _ in range(plan.workers)]  # iteration -> collectives so far

    def ask(self, worker: int, iteration: int, bucket: int, what: str) -> Event:
        """A worker's part in scattering or gathering a bucket, which begins when all that it asked for before is done;
        the event happens when it is."""
        number = self._asked[worker].get(iteration, 0)
        self._asked[worker][iteration] = number + 1
        done, before = Event(self.env), self._before[worker]
        self._before[worker] = done
        self.env.process(self._take_part(worker, (iteration, number), bucket, what, before, done))
        return done

    def _take_part(
        self, worker: int, key: tuple[int, int], bucket: int, what: str, before: Event, done: Event
    ) -> Process:
        asked = self.env.now
        yield before
        label = key[0], f"{what} {self.plan.buckets[bucket].name}"
        nbytes = self.plan.buckets[bucket].nbytes
        yield self._join(worker, key, lambda: self._play(self._steps[what], nbytes, 0, label))
        self._times.setdefault((worker, key[0]), {})[key[1]] = asked, self.env.now
        done.succeed()

    def close(self, worker: int, iteration: int) -> None:
        super().close(worker, iteration)
        self._asked[worker].pop(iteration, None)


def worker_with_shards(exchange: Sharded, worker: int, progress: Progress) -> Process:
    """A worker's life in ZeRO-1 and 2: forward, backward, scattering buckets as they are ready; update its part; gather
    all parameters, those of the first layers first."""
    env, plan, log = exchange.env, exchange.plan, exchange.log
    overlap, buckets = plan.scenario.job.overlap, range(len(plan.buckets))
    for iteration in range(plan.scenario.iterations):
        start, computing, about = env.now, plan.step_of(worker, iteration), (worker, (iteration, None))
        yield lasting(env.timeout(computing.lead), "forward", *about)
        *gaps, rest = computing.backward_until(plan.buckets)
        scattered = []
        for bucket, backward in enumerate(gaps):
            yield lasting(env.timeout(backward), "backward", *about)
            if overlap:
                scattered.append(exchange.ask(worker, iteration, bucket, "scatter"))
        yield lasting(env.timeout(rest), "backward", *about)
        log.computed(worker, iteration, start, env.now, computing)
        scattered += [exchange.ask(worker, iteration, bucket, "scatter") for bucket in (() if overlap else buckets)]
        yield from _wait(exchange, worker, iteration, scattered)
        yield lasting(env.timeout(computing.update), "update", *about)
        log.did(worker, "update", "optimiser", iteration, env.now - computing.update, env.now)
        gathered = [exchange.ask(worker, iteration, bucket, "gather") for bucket in reversed(buckets)]
        yield from _wait(exchange, worker, iteration, gathered)
        exchange.close(worker, iteration)
        log.ended(worker, iteration, env.now, 0.0)
        if progress and worker == 0:
            progress(iteration)


def worker_without_parameters(exchange: Sharded, worker: int, progress: Progress) -> Process:
    """A worker's life in ZeRO-3: each bucket's layers when their parameters are gathered, `prefetch` buckets ahead;
    gradients are scattered behind them; update its part."""
    env, plan, log = exchange.env, exchange.plan, exchange.log
    ahead, overlap = plan.scenario.job.prefetch, plan.scenario.job.overlap
    for iteration in range(plan.scenario.iterations):
        start, computing = env.now, plan.step_of(worker, iteration)
        uses = list(_uses(plan, computing))
        gathered, scattered, late = list[Event](), list[Event](), list[int]()
        for number, (bucket, parts, last) in enumerate(uses):
            wanted = uses[len(gathered) : number + 1 + ahead]
            gathered += [exchange.ask(worker, iteration, use[0], "gather") for use in wanted]
            yield from _wait(exchange, worker, iteration, [gathered[number]])
            begun = env.now
            yield lasting(env.timeout(math.fsum(part[2] for part in parts)), parts[0][0], worker, (iteration, None))
            log.lay_out(worker, iteration, begun, parts)
            if last and overlap:
                scattered.append(exchange.ask(worker, iteration, bucket, "scatter"))
            elif last:
                late.append(bucket)
        scattered += [exchange.ask(worker, iteration, bucket, "scatter") for bucket in late]
        yield from _wait(exchange, worker, iteration, scattered)
        exchange.close(worker, iteration)
        yield lasting(env.timeout(computing.update), "update", worker, (iteration, None))
        log.pieces(worker, iteration, start, computing.total, computing.until_update)
        log.ended(worker, iteration, env.now, computing.update)
        if progress and worker == 0:
            progress(iteration)


def _wait(exchange: Sharded, worker: int, iteration: int, events: list[Event]) -> Process:
    """Wait until all have happened, and note for how long."""
    asked = exchange.env.now
    yield exchange.env.all_of(events)
    exchange.log.waited(worker, iteration, exchange.env.now - asked)


def _uses(plan: Plan, computing: Computing) -> Iterator[tuple[int, list[Part], bool]]:
    """What a step does with each bucket's parameters, in order: the bucket, what is computed with it, and whether its
    gradients are then complete. Layers without parameters go with the bucket before them; the very first ones with the
    first bucket."""
    layers = [("forward", name, seconds) for name, seconds in zip(plan.layers, computing.forward, strict=True)]
    behind = [("backward", name, seconds) for name, seconds in zip(plan.layers, computing.backward, strict=True)]
    firsts = [min(bucket.layers) for bucket in plan.buckets]
    spans = [
        (0 if bucket == len(firsts) - 1 else first, [len(layers), *firsts][bucket])
        for bucket, first in enumerate(firsts)
    ]
    for micro_batch in range(1, computing.micro_batches + 1):
        for bucket in reversed(range(len(spans))):
            begin, end = spans[bucket]
            yield bucket, layers[begin:end], False
        for bucket, (begin, end) in enumerate(spans):
            yield bucket, behind[begin:end][::-1], micro_batch == computing.micro_batches
