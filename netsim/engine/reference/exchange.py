"""How gradients get from worker to worker: what all ways have in common, in SimPy."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from simpy.events import Event

from netsim.engine.messages import Sender
from netsim.engine.plan import Plan
from netsim.engine.record.causes import lasting
from netsim.engine.record.clock import Timer
from netsim.engine.record.log import Log
from netsim.engine.reference.play import Adder, Countdown
from netsim.engine.reference.stops import Gate

Process = Generator[Event, Any, None]


class Exchange:
    """Workers offer buckets as they are ready, and wait until all are in."""

    def __init__(self, plan: Plan, network: Sender, log: Log) -> None:
        self.env, self.plan, self.network, self.log = network.env, plan, network, log
        self.adders = [Adder(self.env, plan.scenario.cluster.reduction_rate) for _ in plan.hosts]
        if isinstance(network, Gate):
            network.leave, network.join = self.leave, self.join
        self._decoders = [Adder(self.env, 1 / each if each else None) for each in plan.decoding]
        self._in: dict[tuple[int, int, int], Countdown] = {}
        self._all_in: dict[tuple[int, int], Countdown] = {}
        self._times: dict[tuple[int, int], dict[int, tuple[float, float]]] = {}

    def iterations(self, worker: int) -> Iterable[int]:
        """The iterations that a worker takes part in, one after another."""
        return range(self.plan.scenario.iterations)

    def living(self, host: int, life: Process, *, works: bool = True) -> Process:
        """The life of a worker, or of what else lives on a host, which may stop and return."""
        return self.network.living(host, life, works=works) if isinstance(self.network, Gate) else life

    def leave(self, worker: int) -> None:
        """The others go on without a worker."""

    def join(self, worker: int) -> None:
        """A worker takes part again."""

    def offer(self, worker: int, iteration: int, bucket: int) -> None:
        """The worker has this bucket's gradients ready."""
        self._times.setdefault((worker, iteration), {})[bucket] = self.env.now, self.env.now
        self._begin(worker, iteration, bucket)

    def all_in(self, worker: int, iteration: int) -> Countdown:
        """Happens when the worker has the sums of all its buckets."""
        key = worker, iteration
        if key not in self._all_in:
            self._all_in[key] = Countdown(self.env, len(self.plan.buckets))
        return self._all_in[key]

    def waits(self) -> Iterator[tuple[int, int, int | str]]:
        """Who waits for whom, and with which bucket, as far as this way of exchanging knows."""
        return iter(())

    def is_in(self, worker: int, iteration: int, bucket: int) -> Countdown:
        """Happens when the worker has the sum of this bucket."""
        return self._in.setdefault((worker, iteration, bucket), Countdown(self.env, 1))

    def _begin(self, worker: int, iteration: int, bucket: int) -> None:
        raise NotImplementedError

    def _is_in(self, worker: int, iteration: int, bucket: int) -> None:
        """The worker has got this bucket, and has the sum when it has decoded it."""
        decoding = self._decoders[worker].add(self.plan.buckets[bucket].nbytes)
        if decoding > 0:
            timer = Timer(self.env, decoding, lambda _: self._has_sum(worker, iteration, bucket), None)
            lasting(timer, "decode", worker, (iteration, bucket))
        else:
            self._has_sum(worker, iteration, bucket)

    def _has_sum(self, worker: int, iteration: int, bucket: int) -> None:
        times = self._times[worker, iteration]
        times[bucket] = times[bucket][0], self.env.now
        self.all_in(worker, iteration).tick()
        if self.plan.scenario.job.by_layer:
            self.is_in(worker, iteration, bucket).tick()

    def ended(self) -> None:
        """The run is over; what is known of all of it is noted."""

    def close(self, worker: int, iteration: int) -> None:
        """The worker goes on; what was kept of this exchange is noted and forgotten."""
        self.log.exchanged(worker, iteration, list(self._times.pop((worker, iteration), {}).values()))
        self._all_in.pop((worker, iteration), None)
        for bucket in range(len(self.plan.buckets)):
            self._in.pop((worker, iteration, bucket), None)
