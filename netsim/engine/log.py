"""What is noted down while a run goes on."""

from __future__ import annotations

import sys
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import simpy

from netsim.engine.causes import Causal
from netsim.engine.clock import Clock
from netsim.engine.messages import Message
from netsim.engine.plan import Plan
from netsim.trace import Columns, ServerUse, Span, Transfer, Update, WorkerStep
from netsim.training.step import Computing

Times = npt.NDArray[np.float64]  # of each worker, s


class Log:
    """Times of every step, and spans and transfers of the iterations that are to be recorded."""

    def __init__(self, plan: Plan, detail: str) -> None:
        self._plan = plan
        last = plan.scenario.iterations - 1
        every = range(sys.maxsize if plan.at_once else last + 1)
        self._recorded = {"summary": range(0), "last": range(last, last + 1), "full": every}[detail]
        shape = plan.workers, plan.scenario.iterations
        self._start, self._computed, self._end, self._compute = (np.full(shape, np.nan) for _ in range(4))
        self._computing, self._waited, self._exchanging = (np.full(shape, np.nan) for _ in range(3))
        self._held: dict[tuple[int, int], float] = {}
        self.spans: list[Span] = []
        self.transfers: list[Transfer] = []
        self.updates: list[Update] = []
        self.servers: list[ServerUse] = []
        self.causes: Causal | None = None  # of the engine that knows them

    def clock(self) -> simpy.Environment:
        """An environment for the run, which keeps the causes of what is recorded."""
        if not self._recorded:
            return simpy.Environment() if self._plan.undisturbed else Clock()
        self.causes = Causal(self._recorded, [bucket.name for bucket in self._plan.buckets])
        return self.causes

    def records(self, iteration: int) -> bool:
        """Whether spans and transfers of this iteration are wanted."""
        return iteration in self._recorded

    def whole_step(
        self, iteration: int, start: Times, computed: Times, exchanged: Times, exchanging: Times, end: Times
    ) -> None:
        """A step of all workers at once: when each began, ended its backward pass, had all sums, and was done."""
        for worker in range(self._plan.workers):
            computing = self._plan.computing[worker].slowed(float(self._plan.factors[worker, iteration]))
            self.computed(worker, iteration, float(start[worker]), float(computed[worker]), computing)
            self.ended(worker, iteration, float(end[worker]), computing.update)
        self._waited[:, iteration], self._exchanging[:, iteration] = exchanged - computed, exchanging

    def computed(self, worker: int, iteration: int, start: float, now: float, computing: Computing) -> None:
        """A worker has ended its backward pass; from the start of the step it computed without a pause."""
        if iteration >= self._end.shape[1]:
            self._grow()
        self._start[worker, iteration], self._computed[worker, iteration] = start, now
        self._compute[worker, iteration] = computing.total
        self._computing[worker, iteration] = computing.total - computing.update
        if iteration in self._recorded:
            names, backward = self._plan.layers, computing.backward[::-1]
            half = start + sum(computing.forward)
            self._lay_out(worker, "forward", names, iteration, start, computing.forward)
            self._lay_out(worker, "backward", names[::-1], iteration, half, backward)

    def exchanged(self, worker: int, iteration: int, now: float, times: list[tuple[float, float]]) -> None:
        """All buckets are in; `times` has from when to when each was on its way for this worker."""
        self._waited[worker, iteration] = now - self._computed[worker, iteration]
        until = total = 0.0
        for begin, end in sorted(times):
            total += max(0.0, end - max(begin, until))
            until = max(until, end)
        self._exchanging[worker, iteration] = total

    def ended(self, worker: int, iteration: int, now: float, update: float) -> None:
        """The worker's step is over, the update done."""
        self._end[worker, iteration] = now
        if self.causes:
            self.causes.ends("end", worker, (iteration, None), now, now, cause=self.causes.cause)
        if iteration in self._recorded and update > 0:
            self.spans.append(Span(worker, "update", "optimiser", iteration, now - update, now))

    def added(self, host: int, iteration: int, name: str, start: float, end: float, *, phase: str = "reduce") -> None:
        """A host has added what it received to its own, or done something else with it."""
        if iteration in self._recorded and end > start:
            self.spans.append(Span(host, phase, name, iteration, start, end))

    def updated(self, now: float, worker: int, iteration: int, held: int, version: int) -> None:
        """A gradient has become part of the weights, or been thrown away."""
        self.updates.append(Update(now, worker, iteration, held, version))

    def held(self, worker: int, iteration: int, seconds: float) -> None:
        """How long the last answer to a worker was held back for slower workers."""
        self._held[worker, iteration] = seconds

    def delivered(self, message: Message, now: float) -> None:
        """A message has arrived; its label is (iteration, bucket)."""
        iteration, bucket = message.label
        if iteration in self._recorded:
            name, times = self._plan.buckets[bucket].name, (message.sent, message.start, now)
            self.transfers.append(Transfer(message.src, message.dst, message.nbytes, name, iteration, *times))
        if self.causes:
            rate = min(message.cap, *(link.full for link in message.links))
            self.causes.ends(
                "message", message.src, message.label, message.sent, now, cause=message.cause, to=message.dst,
                nbytes=message.nbytes, begin=message.start, latency=message.latency, overhead=message.overhead,
                wire=message.nbytes / rate, route=self.causes.route([link.name for link in message.links]),
            )  # fmt: skip

    def steps(self) -> Columns[WorkerStep]:
        """Each worker's steps with what they were made of."""
        waited = np.minimum(self._for_others(), self._waited)
        exposed = self._waited - waited
        parts = self._start, self._end, self._compute, self._exchanging, waited, exposed
        workers, iterations = self._start.shape
        return Columns(
            WorkerStep,
            [
                WorkerStep(iteration, worker, *(float(part[worker, iteration]) for part in parts))
                for iteration in range(iterations)
                for worker in range(workers)
                if not np.isnan(self._end[worker, iteration])
            ],
        )

    def _for_others(self) -> Times:
        """Seconds of waiting that slower workers explain, if so much was waited: the slowest one's longer computing,
        among those that an update waits for; or, of workers with iterations of their own, what held them back."""
        if self._plan.at_once:
            held = np.zeros(self._end.shape)
            for place, seconds in self._held.items():
                held[place] = seconds
            return held
        slowest = np.sort(self._computing, axis=0)[self._plan.needed - 1]  # of those that are not there last
        longer: Times = np.maximum(0.0, slowest - self._computing)
        return longer

    def _grow(self) -> None:
        """Room for twice as many iterations."""
        for name in ("_start", "_computed", "_end", "_compute", "_computing", "_waited", "_exchanging"):
            array = getattr(self, name)
            setattr(self, name, np.pad(array, ((0, 0), (0, array.shape[1])), constant_values=np.nan))

    def _lay_out(
        self, host: int, phase: str, names: tuple[str, ...], iteration: int, start: float, lasts: tuple[float, ...]
    ) -> None:
        ends = list(accumulate(lasts, initial=start))
        self.spans += [
            Span(host, phase, name, iteration, begin, end)
            for name, begin, end in zip(names, ends, ends[1:], strict=False)
            if end > begin
        ]
