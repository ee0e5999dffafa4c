"""The optimisation, carried out in the order of a simulated run: each gradient on the weights that its worker held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from netsim.learning.problems import Data, Floats, Network, digits
from netsim.noise import stream
from netsim.scenario import Scenario
from netsim.trace import Columns, Update, WorkerStep
from netsim.training.work import deal

_MOST_POINTS = 200  # of a curve


@dataclass(frozen=True)
class Point:
    """How good the weights are at a time of the run."""

    time: float  # s
    updates: int
    loss: float  # mean cross-entropy over all training data (nats)
    accuracy: float  # share of the test data that is told right


def updates_of_steps(steps: Columns[WorkerStep]) -> list[Update]:
    """The updates of workers that exchange gradients in step: all gradients of an iteration, computed on the weights of
    the one before, make the next weights, once the last worker has them."""
    ends: dict[int, float] = defaultdict(float)
    for step in steps:
        ends[step.iteration] = max(ends[step.iteration], step.end)
    return [Update(ends[s.iteration], s.worker, s.iteration, s.iteration, s.iteration + 1) for s in steps]


def curve(scenario: Scenario, samples: Sequence[int], updates: Sequence[Update]) -> list[Point]:
    """Loss and accuracy against simulated time. `samples`: of each worker's batch, in proportion to which the
    optimisation's own batch is dealt out and gradients are averaged."""
    statistics = scenario.job.statistics
    assert statistics is not None
    train, test = digits()
    network = Network(train.features.shape[1], statistics.hidden)
    learner = _Learner(scenario, network, train, samples)
    versions = learner.local_sgd(updates) if scenario.job.local_steps > 1 else learner.versions(updates)
    total = len({update.version for update in updates if update.version > 0}) + 1
    every = max(1, -(-total // _MOST_POINTS))
    points = [
        Point(time, number, network.loss(weights, train), network.accuracy(weights, test))
        for number, (time, weights) in enumerate(versions)
        if number % every == 0 or number == total - 1
    ]
    return points


class _Learner:
    """Draws each worker's batches, from a stream of each step's own, and computes gradients on them."""

    def __init__(self, scenario: Scenario, network: Network, train: Data, samples: Sequence[int]) -> None:
        statistics = scenario.job.statistics
        assert statistics is not None
        self._seed, self._rate, self._h = scenario.seed, statistics.rate, scenario.job.local_steps
        self._network, self._train = network, train
        self._batches = [max(1, size) for size in deal(statistics.batch * len(samples), samples)]

    def versions(self, updates: Sequence[Update]) -> Iterator[tuple[float, Floats]]:
        """When each version of the weights was made, and the weights: those before them, less the rate times the mean
        of the gradients of all workers; where fewer gradients make a version, each counts for its part of the workers,
        so that an epoch of asynchronous updates moves weights as far as one of synchronous ones."""
        made: dict[int, list[Update]] = defaultdict(list)
        wanted: dict[int, int] = defaultdict(int)  # the last version for which these weights are needed
        for update in updates:
            if update.version > 0:
                made[update.version].append(update)
                wanted[update.held] = max(wanted[update.held], update.version)
        kept = {0: self._network.start(self._seed)}
        yield 0.0, kept[0]
        for number in sorted(made):
            each = made[number]
            share = [self._batches[update.worker] for update in each]
            whole = sum(self._batches) if len(each) == 1 else sum(share)
            step = sum(part * self._gradient(kept[u.held], u) for part, u in zip(share, each, strict=True)) / whole
            kept[number] = kept[number - 1] - self._rate * step
            for old in [old for old in kept if old < number and wanted[old] <= number]:
                del kept[old]
            yield max(update.time for update in each), kept[number]

    def local_sgd(self, updates: Sequence[Update]) -> Iterator[tuple[float, Floats]]:
        """Each worker goes its own way for h steps, after which weights are averaged; the average is what is judged."""
        start = self._network.start(self._seed)
        own = [start for _ in self._batches]
        yield 0.0, start
        for step in sorted({update.iteration for update in updates}):
            now = [update for update in updates if update.iteration == step]
            for update in now:
                own[update.worker] = own[update.worker] - self._rate * self._gradient(own[update.worker], update)
            mean: Floats = np.average(own, axis=0, weights=self._batches)
            if (step + 1) % self._h == 0:
                own = [mean for _ in own]
            yield max(update.time for update in now), mean

    def _gradient(self, weights: Floats, update: Update) -> Floats:
        """On a batch that depends on the worker and its step alone: other strategies see the same samples."""
        draws = stream(self._seed, "samples", update.worker, update.iteration)
        chosen = draws.integers(len(self._train.labels), size=self._batches[update.worker])
        return self._network.gradient(weights, Data(self._train.features[chosen], self._train.labels[chosen]))


def in_figures(points: Sequence[Point], target: float | None) -> dict[str, float | None]:
    """What a summary says of a curve; `time_to_target_s`: of the first point whose loss is no more than the target."""
    last = points[-1]
    found: dict[str, float | None] = {"final_loss": last.loss, "final_accuracy": last.accuracy}
    if target is not None:
        found["time_to_target_s"] = next((point.time for point in points if point.loss <= target), None)
    return found
