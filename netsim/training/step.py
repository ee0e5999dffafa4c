"""What a worker computes in a step, and the closed forms and bounds of the step's length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, zip_longest

from netsim.collectives.rounds import Collective
from netsim.hardware import Link
from netsim.roofline import StepTimes
from netsim.training.buckets import Bucket

Part = tuple[str, str, float]  # "forward", "backward" or "encode"; of which layer or bucket; seconds


@dataclass(frozen=True)
class Computing(StepTimes):
    """Seconds that one worker computes in a step: each layer forward and backward, and the update.

    `micro_batches`: how often the passes are made before the update; gradients are exchanged in the last backward pass.
    `encode`: of each bucket, as soon as its gradients are there.
    """

    micro_batches: int = 1
    encode: tuple[float, ...] = ()

    @cached_property
    def passes(self) -> float:
        """Forward and backward of one micro-batch (s)."""
        return math.fsum(self.forward) + math.fsum(self.backward)

    @cached_property
    def lead(self) -> float:
        """Seconds from the beginning of the step to that of the backward pass in which gradients are exchanged."""
        return (self.micro_batches - 1) * self.passes + math.fsum(self.forward)

    @cached_property
    def until_update(self) -> float:
        """Seconds from the beginning of the step to the end of its last backward pass."""
        return self.lead + math.fsum(self.backward) + math.fsum(self.encode)

    @cached_property
    def total(self) -> float:
        return self.until_update + self.update

    def slowed(self, factor: float) -> Computing:
        """The same work on a worker that takes `factor` times as long."""
        if factor == 1.0:
            return self
        return replace(
            self,
            forward=tuple(seconds * factor for seconds in self.forward),
            backward=tuple(seconds * factor for seconds in self.backward),
            update=self.update * factor,
            encode=tuple(seconds * factor for seconds in self.encode),
        )

    def by_layer(self, factors: Sequence[float]) -> Computing:
        """The same work where each layer, forward and backward, takes its own factor as long."""
        return replace(
            self,
            forward=tuple(seconds * factor for seconds, factor in zip(self.forward, factors, strict=True)),
            backward=tuple(seconds * factor for seconds, factor in zip(self.backward, factors, strict=True)),
        )

    def backward_until(self, buckets: Sequence[Bucket]) -> tuple[float, ...]:
        """Seconds of the backward pass from one bucket's being there, encoded, to the next's; the last entry is what is
        left after the last bucket (layers without parameters at the bottom of the model)."""
        passed = list(accumulate(reversed(self.backward), initial=0.0))
        until = [passed[len(self.backward) - min(bucket.layers)] for bucket in buckets]
        gaps = [b - a for a, b in zip([0.0, *until], [*until, passed[-1]], strict=True)]
        return tuple(gap + encode for gap, encode in zip_longest(gaps, self.encode, fillvalue=0.0))

    def parts(self, layers: Sequence[str], buckets: Sequence[Bucket]) -> Iterator[Part]:
        """What the worker does from the beginning of the step to the end of its last backward pass, in order."""
        forward = [("forward", name, seconds) for name, seconds in zip(layers, self.forward, strict=True)]
        backward = [("backward", name, seconds) for name, seconds in zip(layers, self.backward, strict=True)][::-1]
        for _ in range(self.micro_batches - 1):
            yield from forward
            yield from backward
        yield from forward
        yield from self._encoding(backward, buckets)

    def _encoding(self, backward: Sequence[Part], buckets: Sequence[Bucket]) -> Iterator[Part]:
        done = 0
        for bucket, seconds in zip(buckets, self.encode, strict=False):
            until = len(self.backward) - min(bucket.layers)
            yield from backward[done:until]
            yield "encode", bucket.name, seconds
            done = max(done, until)
        yield from backward[done:]


def ready_times(computing: Computing, buckets: Sequence[Bucket], *, overlap: bool) -> tuple[float, ...]:
    """Seconds from the start of the step at which each bucket may be exchanged."""
    start, gaps = computing.lead, computing.backward_until(buckets)
    if not overlap:
        return (computing.until_update,) * len(buckets)
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
        lasts = collective.closed_form(ranks, nbytes, link, reduction_rate)
        if lasts is None:
            return None
        end = max(at, end) + lasts
    return max(end, max(ready, default=0.0))


def lower_bound(
    collective: Collective, ranks: int, sizes: Sequence[float], ready: Sequence[float], computing: Computing, link: Link
) -> float:
    """No step is shorter (s): computing takes its time, the last bucket cannot set out before it is ready, and all
    bytes cannot set out before the first is."""
    computed = computing.until_update
    if not sizes:
        return computing.total
    last = ready[-1] + collective.lower_bound(ranks, sizes[-1], link)
    all_of_them = ready[0] + collective.lower_bound(ranks, math.fsum(sizes), link)
    return max(computed, last, all_of_them) + computing.update
