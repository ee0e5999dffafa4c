"""What a worker computes in a step, and the closed forms and bounds of the step's length."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.collectives.rounds import Collective
from netsim.hardware import Link
from netsim.roofline import StepTimes
from netsim.training.buckets import Bucket


@dataclass(frozen=True)
class Computing(StepTimes):
    """Seconds that one worker computes in a step: each layer forward and backward, and the update."""

    def slowed(self, factor: float) -> Computing:
        """The same work on a worker that takes `factor` times as long."""
        if factor == 1.0:
            return self
        return Computing(
            tuple(seconds * factor for seconds in self.forward),
            tuple(seconds * factor for seconds in self.backward),
            self.update * factor,
        )

    def backward_until(self, buckets: Sequence[Bucket]) -> tuple[float, ...]:
        """Seconds of the backward pass from one bucket's being complete to the next's; the last entry is what is left
        after the last bucket (layers without parameters at the bottom of the model)."""
        passed = list(accumulate(reversed(self.backward), initial=0.0))
        until = [passed[len(self.backward) - min(bucket.layers)] for bucket in buckets]
        return tuple(b - a for a, b in zip([0.0, *until], [*until, passed[-1]], strict=True))


def ready_times(computing: Computing, buckets: Sequence[Bucket], *, overlap: bool) -> tuple[float, ...]:
    """Seconds from the start of the step at which each bucket may be exchanged."""
    start, gaps = sum(computing.forward), computing.backward_until(buckets)
    if not overlap:
        return (start + sum(computing.backward),) * len(buckets)
    return tuple(start + passed for passed in accumulate(gaps[:-1]))


def ideal_all_reduces(
    collective: Collective,
    ranks: int,
    sizes: Sequence[float],
    ready: Sequence[float],
    link: Link,
    reduction_rate: float | None,
) -> float | None:
    """Seconds at which the last bucket is in where all-reduces follow one another on one stream:
    end_b = max(ready_b, end_{b-1}) + ideal_time(bucket b). None where the collective has no closed form."""
    end = 0.0
    for nbytes, at in zip(sizes, ready, strict=True):
        lasts = collective.ideal_time(ranks, nbytes, link, reduction_rate)
        if lasts is None:
            return None
        end = max(at, end) + lasts
    return max(end, max(ready, default=0.0))


def lower_bound(
    collective: Collective, ranks: int, sizes: Sequence[float], ready: Sequence[float], computing: Computing, link: Link
) -> float:
    """No step is shorter (s): computing takes its time, the last bucket cannot set out before it is ready, and all
    bytes cannot set out before the first is."""
    computed = computing.total - computing.update
    if not sizes:
        return computing.total
    last = ready[-1] + collective.lower_bound(ranks, sizes[-1], link)
    all_of_them = ready[0] + collective.lower_bound(ranks, sum(sizes), link)
    return max(computed, last, all_of_them) + computing.update


def jitter(seed: int, workers: int, iterations: int, deviation: float) -> npt.NDArray[np.float64]:
    """Factors on computing times, [worker, iteration]: log-normal of median 1, from a stream of each worker's own, so
    that one worker's luck does not depend on how many others there are."""
    if deviation == 0:
        return np.ones((workers, iterations))
    streams = (np.random.SeedSequence([seed, zlib.crc32(b"jitter"), worker]) for worker in range(workers))
    drawn: list[Any] = [np.random.default_rng(stream).standard_normal(iterations) for stream in streams]
    return np.exp(deviation * np.asarray(drawn))
