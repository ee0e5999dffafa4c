"""Gradients gathered into buckets, in the order in which the backward pass makes them; and the rules of frameworks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Annotated

from netsim.units import Count, Quantity

BucketSize = Annotated[float, Quantity("B", above=0, at_most=1e18)]
Limits = Iterator[float]  # bytes at which one bucket after the other is closed
MIB = 2**20


@dataclass(frozen=True)
class Bucket:
    """Gradients that are exchanged together: of `layers` (numbers in the model's order), `nbytes` in all.

    `share`: the part of these layers' gradients that it holds, where they are cut into slices.
    """

    name: str
    layers: tuple[int, ...]
    nbytes: float
    share: float = 1.0


class Rule(ABC):
    """How a framework gathers gradients."""

    @abstractmethod
    def limits(self) -> Limits:
        """Bytes at which one bucket after the other is closed."""


@dataclass(frozen=True, kw_only=True)
class Ddp(Rule):
    """PyTorch's DistributedDataParallel: a small first bucket, so that the exchange begins early, then larger ones.

    A bucket is closed once it holds its size, gradients being in the order in which the first step had them ready
    (reducer.cpp, rebuild_buckets; Li et al., VLDB 2020, section 3.2.3). Defaults: kDefaultFirstBucketBytes and
    kDefaultBucketBytesCap of reducer.hpp, v2.5. DDP counts tensors, of which a layer has one or two; here layers count.
    """

    first: BucketSize = 1.0 * MIB
    cap: BucketSize = 25.0 * MIB

    def limits(self) -> Limits:
        return chain([self.first], repeat(self.cap))


@dataclass(frozen=True, kw_only=True)
class Horovod(Rule):
    """Horovod's tensor fusion: every `cycle`, gradients that all workers have ready are all-reduced in fusion buffers
    of at most `threshold`; a larger one goes alone.

    Defaults: those of its versions up to 0.20; from 0.21 on they are 128 MiB and 1 ms (release notes, #2468).
    Negotiation itself is taken to cost nothing: its messages are small beside a cycle.
    """

    threshold: BucketSize = 64.0 * MIB
    cycle: Annotated[float, Quantity("s", above=0, at_most=1e3)] = 5e-3

    def limits(self) -> Limits:
        return repeat(0.0)

    def fuse(self, sizes: Sequence[float]) -> list[list[int]]:
        """Which of the gradients that are ready go together: the first, and whatever still fits of those after it
        (controller.cc, FuseResponses, which looks ahead in the same way)."""
        left, fused = list(range(len(sizes))), []
        while left:
            group, total = [left[0]], sizes[left[0]]
            for number in left[1:]:
                if total + sizes[number] <= self.threshold:
                    group.append(number)
                    total += sizes[number]
            fused.append(group)
            left = [number for number in left if number not in group]
        return fused


@dataclass(frozen=True, kw_only=True)
class Search(Rule):
    """The size with which a step is shortest, by simulation: "layer", sizes from `smallest` on, each twice the one
    before, and "all"; then, `refine` times, those half way (on a scale of ratios) to the best size's neighbours.

    Every size is tried in the same `steps` steps, with the same noise."""

    smallest: BucketSize = 0.5 * MIB
    refine: Annotated[int, Count("a number of refinements", at_least=0, at_most=10)] = 1
    steps: Annotated[int, Count("a number of steps", at_most=1000)] = 3

    def limits(self) -> Limits:
        raise AssertionError("a search is over before buckets are gathered")

    def sizes(self, total: float) -> list[float]:
        """The sizes that are tried first, for gradients of so many bytes."""
        doublings = math.ceil(math.log2(total / self.smallest)) if total > self.smallest else 0
        return [self.smallest * 2.0**power for power in range(doublings)]


def limits_of(rule: float | str | Rule) -> Limits:
    """Of "layer", each layer its own; of "all", one; of a size, buckets that hold as much; or a framework's."""
    if isinstance(rule, Rule):
        return rule.limits()
    return repeat({"layer": 0.0, "all": math.inf}[rule] if isinstance(rule, str) else rule)


def gather(gradient_bytes: Sequence[float], names: Sequence[str], rule: float | str | Rule) -> tuple[Bucket, ...]:
    """Buckets in the order in which they are ready, from the gradients of each layer in the model's order.

    A bucket is closed once it holds its limit (PyTorch DDP: Li et al., VLDB 2020, section 3.2.3), so that it may hold
    more."""
    limits, buckets = limits_of(rule), list[tuple[int, ...]]()
    limit, current, held = next(limits), list[int](), 0.0
    for layer in reversed(range(len(gradient_bytes))):
        if gradient_bytes[layer] > 0:
            current.append(layer)
            held += gradient_bytes[layer]
            if held >= limit:
                buckets.append(tuple(current))
                limit, current, held = next(limits), [], 0.0
    if current:
        buckets.append(tuple(current))
    return tuple(
        Bucket(_name(names, layers), layers, math.fsum(gradient_bytes[i] for i in layers)) for layers in buckets
    )


def cut(buckets: Iterable[Bucket], partition: float | None) -> tuple[Bucket, ...]:
    """Buckets that hold more than `partition` bytes as so many equal slices of at most that (None: as they are)."""
    if partition is None:
        return tuple(buckets)
    return tuple(part for bucket in buckets for part in _slices(bucket, math.ceil(bucket.nbytes / partition)))


def _slices(bucket: Bucket, count: int) -> Iterator[Bucket]:
    if count == 1:
        yield bucket
        return
    for number in range(1, count + 1):
        name = f"{bucket.name} {number}/{count}"
        yield replace(bucket, name=name, nbytes=bucket.nbytes / count, share=bucket.share / count)


def _name(names: Sequence[str], layers: Iterable[int]) -> str:
    first, *rest = (names[layer] for layer in layers)
    return f"{first}..{rest[-1]}" if rest else first
