"""What is noted down while a run goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from netsim.engine.messages import Message
from netsim.engine.plan import Plan
from netsim.engine.record.causes import Causal
from netsim.engine.record.clock import Clock
from netsim.engine.record.story import Story
from netsim.trace import Columns, Outage, ServerUse, Span, Transfer, Update, WorkerStep
from netsim.training.step import Computing, Part

Times = npt.NDArray[np.float64]  # of each worker, s


class Log:
    """Times of every step, and spans and transfers of the iterations that are to be recorded."""

    def __init__(self, plan: Plan, detail: str) -> None:
        self._plan = plan
        last = plan.scenario.iterations - 1
        every = range(sys.maxsize if plan.at_once else last + 1)
        self._recorded = {"summary": range(0), "last": range(last, last + 1), "full": every}[detail]
        shape = plan.workers, plan.scenario.iterations
        self._start, self._end, self._compute, self._computing = (np.full(shape, np.nan) for _ in range(4))
        self._waited, self._exchanging = (np.zeros(shape) for _ in range(2))
        self._held: dict[tuple[int, int], float] = {}
        self.collectives: int | None = None  # in which buckets were exchanged, where these are not known beforehand
        self.spans: list[Span] = []
        self.transfers: list[Transfer] = []
        self._idle: dict[int, float] = {}
        self.outages: list[Outage] = []
        self.updates: list[Update] = []
        self._all_updates: Columns[Update] | None = None
        self.servers: list[ServerUse] = []
        self.causes: Causal | None = None  # of the reference, which notes them as it goes
        self.story: Story | None = None  # of the fast engine, as far as it follows them

    def clock(self) -> simpy.Environment:
        """An environment for the run, which keeps the causes of what is recorded."""
        if not self._recorded:
            return Clock() if self._plan.stops or not self._plan.undisturbed else simpy.Environment()
        self.causes = Causal(self._recorded, [bucket.name for bucket in self._plan.buckets])
        return self.causes

    def records(self, iteration: int) -> bool:
        """Whether spans and transfers of this iteration are wanted."""
        return iteration in self._recorded

    def whole_step(
        self, iteration: int, start: Times, computed: Times, exchanged: Times, exchanging: Times, end: Times
    ) -> None:
        """A step of all workers at once: when each began, ended its backward pass, had all sums, and was done."""
        luck, waited = self._plan.factors[:, iteration], exchanged - computed
        self._enter(np.s_[:, iteration], luck, start, waited, exchanging, end)
        if iteration in self._recorded:
            for worker in range(self._plan.workers):
                self._lay_out_step(worker, iteration, float(start[worker]), float(end[worker]))

    def own_steps(
        self,
        luck: Times,
        start: Times,
        computed: Times,
        exchanged: Times,
        exchanging: Times,
        end: Times,
        held_back: Times,
    ) -> None:
        """All steps of workers that have iterations of their own, [worker, iteration], NaN where a worker made none;
        `luck` has what noise multiplies their computing with."""
        while self._end.shape[1] < end.shape[1]:
            self._grow()
        self._enter(np.s_[:, : end.shape[1]], luck.T, start.T, (exchanged - computed).T, exchanging.T, end.T)
        self._held.update({(w, i): float(held_back[w, i]) for w, i in np.argwhere(held_back > 0).tolist()})
        recorded = range(self._recorded.start, min(self._recorded.stop, end.shape[1]))
        for worker, iteration in np.argwhere(np.isfinite(end[:, recorded])).tolist():
            at = worker, recorded[iteration]
            self._lay_out_step(*at, float(start[at]), float(end[at]))

    def layered_steps(self, start: Times, waited: Times, exchanging: Times, end: Times) -> None:
        """All steps of workers that pause between layers, [iteration, worker]: each updates layers of the step before,
        the last one those of its own, too."""
        luck, (total, until_update) = self._plan.factors, self._alone
        self._enter(np.s_[:, :], luck.T, start, waited, exchanging, end)
        updating = luck * (total - until_update)[:, None]
        self._compute = luck * until_update[:, None]
        self._compute[:, 1:] += updating[:, :-1]
        self._compute[:, -1] += updating[:, -1]

    def _enter(self, steps: Any, luck: Times, start: Times, waited: Times, exchanging: Times, end: Times) -> None:
        """Steps of all workers; columns are workers."""
        total, until_update = self._alone
        whole = self._start, self._compute, self._computing, self._waited, self._exchanging, self._end
        parts = start, luck * total, luck * until_update, np.nan_to_num(waited), np.nan_to_num(exchanging), end
        for column, part in zip(whole, parts, strict=True):
            column[steps] = part.T

    @cached_property
    def _alone(self) -> Times:
        """Seconds that each worker computes in a step without noise: in all, and until its update."""
        return np.asarray([(each.total, each.until_update) for each in self._plan.computing]).T

    def _lay_out_step(self, worker: int, iteration: int, start: float, end: float) -> None:
        computing = self._plan.step_of(worker, iteration)
        self.lay_out(worker, iteration, start, computing.parts(self._plan.layers, self._plan.buckets))
        self.did(worker, "update", "optimiser", iteration, end - computing.update, end)

    def computed(self, worker: int, iteration: int, start: float, now: float, computing: Computing) -> None:
        """A worker has ended its backward pass; from the start of the step it computed without a pause."""
        if iteration >= self._end.shape[1]:
            self._grow()
        self.pieces(worker, iteration, start, computing.total, computing.until_update)
        if iteration in self._recorded:
            begun = now - computing.until_update if self._plan.stops else start
            self.lay_out(worker, iteration, begun, computing.parts(self._plan.layers, self._plan.buckets))

    def pieces(self, worker: int, iteration: int, start: float, compute: float, until_update: float) -> None:
        """A step in which the worker paused between layers: when it began, and for how long it computed in all."""
        self._start[worker, iteration], self._compute[worker, iteration] = start, compute
        self._computing[worker, iteration] = until_update

    def lay_out(self, worker: int, iteration: int, start: float, parts: Iterable[Part]) -> None:
        """What a worker does from `start` on without a pause."""
        for phase, name, seconds in parts:
            start = self.did(worker, phase, name, iteration, start, start + seconds)

    def did(self, host: int, phase: str, name: str, iteration: int, start: float, end: float) -> float:
        """A host has done something that takes time; gives the end of it."""
        if iteration in self._recorded and end > start:
            self.spans.append(Span(host, phase, name, iteration, start, end))
        return end

    def waited(self, worker: int, iteration: int, seconds: float) -> None:
        """A worker has waited in this step for what others were to send."""
        self._waited[worker, iteration] += seconds - self._idle.pop(worker, 0.0)

    def exchanged(self, worker: int, iteration: int, times: list[tuple[float, float]]) -> None:
        """All buckets are in; `times` has from when to when each was on its way for this worker."""
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
        self.did(worker, "update", "optimiser", iteration, now - update, now)

    def added(self, host: int, iteration: int, name: str, start: float, end: float, *, phase: str = "reduce") -> None:
        """A host has added what it received to its own, or done something else with it."""
        self.did(host, phase, name, iteration, start, end)

    def idle(self, worker: int, seconds: float) -> None:
        """A worker that waits for an exchange has stood still for so long, which is no waiting."""
        self._idle[worker] = self._idle.get(worker, 0.0) + seconds

    def stopped(self, host: int, iteration: int, start: float, end: float, lost: float) -> None:
        """A host is away, and has lost so many seconds of work."""
        self.outages.append(Outage(host, start, end, lost))
        if iteration in self._recorded and end > start and np.isfinite(end):
            self.spans.append(Span(host, "stopped", "", iteration, start, end))

    def updated(self, now: float, worker: int, iteration: int, held: int, version: int) -> None:
        """A gradient has become part of the weights, or been thrown away."""
        self.updates.append(Update(now, worker, iteration, held, version))

    def all_updated(self, now: Times, *columns: npt.NDArray[np.int64]) -> None:
        """The same of all gradients of a run, column by column."""
        self._all_updates = Columns.of(Update, now, *columns)

    def held(self, worker: int, iteration: int, seconds: float) -> None:
        """How long the last answer to a worker was held back for slower workers."""
        self._held[worker, iteration] = seconds

    def delivered(self, message: Message, now: float) -> None:
        """A message has arrived; its label is (iteration, bucket), or (iteration, name) of what is no bucket."""
        iteration, what = message.label
        if iteration in self._recorded:
            name = self._plan.named(what)
            times = message.sent, message.start, now
            self.transfers.append(Transfer(message.src, message.dst, message.nbytes, name, iteration, *times))
        if self.causes:
            rate = min(message.cap, *(link.full for link in message.links))
            self.causes.ends(
                "message", message.src, message.label, message.sent, now, cause=message.cause, to=message.dst,
                nbytes=message.nbytes, begin=message.start, latency=message.latency, overhead=message.overhead,
                wire=message.nbytes / rate, route=self.causes.route([link.name for link in message.links]),
            )  # fmt: skip

    @property
    def of_servers(self) -> dict[str, Any]:
        """What was noted of updates, of servers and of hosts that stopped."""
        servers = Columns(ServerUse, self.servers)
        updates = Columns(Update, self.updates) if self._all_updates is None else self._all_updates
        return {"updates": updates, "servers": servers, "outages": Columns(Outage, self.outages)}

    @property
    def followed(self) -> dict[str, Any]:
        """Activities with their causes, and the routes that they name; none where nobody followed them."""
        book = self.causes or self.story
        return {"activities": book.activities, "routes": book.routes} if book else {}

    @property
    def end(self) -> float:
        """When the last step was over (s)."""
        return float(np.nanmax(self._end))

    @property
    def reached(self) -> int:
        """How many steps the worker that came furthest has ended."""
        return int(np.flatnonzero(~np.isnan(self._end).all(axis=0)).max(initial=-1)) + 1

    def steps(self) -> Columns[WorkerStep]:
        """Each worker's steps with what they were made of."""
        stopped = np.zeros_like(self._waited)
        if self._plan.stops:
            stopped = self._end - self._start - self._compute - self._waited
            stopped[stopped <= 1e-12 * self._end] = 0.0  # dust of subtracting
        waited = np.minimum(self._for_others(self._computing + stopped), self._waited)
        exposed = self._waited - waited
        parts = self._start, self._end, self._compute, self._exchanging, waited, exposed, stopped
        iteration, worker = np.nonzero(~np.isnan(self._end.T))
        return Columns.of(WorkerStep, iteration, worker, *(part[worker, iteration] for part in parts))

    def _for_others(self, busy: Times) -> Times:
        """Seconds of waiting that slower workers explain, if so much was waited: for how much longer than a worker the
        slowest was `busy` computing, or stood still, among those that an update waits for; or, of workers with
        iterations of their own, what held them back."""
        if self._plan.at_once:
            held = np.zeros(self._end.shape)
            for place, seconds in self._held.items():
                held[place] = seconds
            return held
        there = (~np.isnan(busy)).sum(axis=0)
        last = np.maximum(0, np.minimum(self._plan.needed, there) - 1)
        slowest = np.take_along_axis(np.sort(busy, axis=0), last[None, :], axis=0)
        longer: Times = np.maximum(0.0, slowest - busy)
        return longer

    def _grow(self) -> None:
        """Room for twice as many iterations."""
        for names, empty in ((("_start", "_end", "_compute", "_computing"), np.nan), (("_waited", "_exchanging"), 0.0)):
            for name in names:
                array = getattr(self, name)
                setattr(self, name, np.pad(array, ((0, 0), (0, array.shape[1])), constant_values=empty))
