"""The parameter server as a strategy of training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from netsim.collectives import parameter_server as collective
from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.roofline import PARAM_BYTES, UPDATE_PASSES
from netsim.training.answers import AtOnce, Reads, Rule, Together
from netsim.units import Size

_BIG_ARRAY = 4e6  # bytes: MXNET_KVSTORE_BIGARRAY_BOUND is 1,000,000 numbers by default (docs/faq/env_var.md)
_SCATTER = 9973  # by which MXNet scatters small keys over servers (src/kvstore/kvstore_dist.h, EncodeDefaultKey)


_BOUND = 3  # iterations, of ssp
_ADDING_PASSES = 3  # over memory, of a gradient's bytes: read it, read the sum, write the sum


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a byte of a gradient costs a server, as rates (bytes/s); None is at no cost.

    handling: of its software, for each push and each answer. adding: to the sum. applying: the optimiser's step.
    """

    handling_rate: float | None = None
    adding_rate: float | None = None
    applying_rate: float | None = None

    @classmethod
    def of(
        cls,
        *,
        handling_rate: float | None,
        reduction_rate: float | None,
        memory_rate: float | None,
        element: int,
        at_once: bool,
    ) -> Costs:
        """memory_rate: that a server's device reaches, which then adds and steps; without it, what a server does with
        a gradient goes at `reduction_rate`, and workers make the step. Where each gradient is applied `at_once` there
        is no sum. element: bytes of a number that is exchanged."""
        if memory_rate is None:
            return cls(handling_rate=handling_rate, adding_rate=reduction_rate)
        step = UPDATE_PASSES * PARAM_BYTES / element  # bytes touched for a byte of gradient
        adding_rate = None if at_once else memory_rate / _ADDING_PASSES
        return cls(handling_rate=handling_rate, adding_rate=adding_rate, applying_rate=memory_rate / step)

    def handling(self, nbytes: float) -> float:
        """Seconds of the server's software for a message."""
        return nbytes / self.handling_rate if self.handling_rate else 0.0

    def adding(self, nbytes: float) -> float:
        """Seconds to add a gradient to the sum."""
        return nbytes / self.adding_rate if self.adding_rate else 0.0

    def applying(self, nbytes: float) -> float:
        """Seconds of the optimiser's step on a key."""
        return nbytes / self.applying_rate if self.applying_rate else 0.0


@dataclass(frozen=True, kw_only=True)
class ParameterServer(collective.ParameterServer):
    """Workers push each bucket to the servers that own its gradients, and get the weights in answer.

    mode: "sync" answers when all workers' gradients have come, or all but `backup` of them: those that come later are
    thrown away (Chen et al. 2016). "async" applies each gradient and answers at once. "ssp" does so as long as the
    worker is at most `staleness` (3) iterations ahead of the slowest (Ho et al. 2013).
    keys: "split" spreads every bucket evenly over the servers; "whole" gives each tensor (weights, biases) to one
    server, in turn (as TensorFlow's replica_device_setter places variables), so that one large tensor makes one busy
    server; "balanced" to the one that has the fewest bytes so far (its GreedyLoadBalancingStrategy with
    byte_size_load_fn); "by_size" leaves tensors below `whole_below` (bytes) whole and splits the others (as MXNet's
    KVStore).
    pull: "overlapped" answers for a key while others are still pushed, "after_push" when all keys have been.
    """

    keys: Literal["split", "whole", "balanced", "by_size"] = "split"
    whole_below: Size = _BIG_ARRAY
    mode: Literal["sync", "async", "ssp"] = "sync"
    staleness: Annotated[int, Interval(ge=0, le=1_000_000_000)] | None = None
    backup: Annotated[int, Interval(ge=0, le=1_000_000)] = 0
    pull: Literal["overlapped", "after_push"] = "overlapped"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shares is not None or self.element is not None:
            raise ValueError("shares and element are of collectives; among servers of a job, keys say who owns what")
        if self.in_flight is not None:
            raise ValueError("in_flight is of collectives; servers of a job answer for each slice as it comes")
        if self.rendezvous or self.library == "gloo":
            raise ValueError("words of receivers are of collectives; servers of a job take what they are pushed")
        if self.staggered != "both":
            raise ValueError("staggered is of collectives; in a job, hosts begin with another one each")
        if self.whole_below != _BIG_ARRAY and self.keys != "by_size":
            raise ValueError('whole_below is for keys = "by_size"')
        if self.staleness is not None and self.mode != "ssp":
            raise ValueError('staleness is the bound of mode = "ssp"; the other modes have none')
        if self.backup and self.mode != "sync":
            raise ValueError('backup workers are for mode = "sync"; the other modes wait for nobody')

    @property
    def at_once(self) -> bool:
        """Whether each gradient is applied by itself, so that workers have iterations of their own."""
        return self.mode != "sync"

    @property
    def steady(self) -> bool:
        """Whether all workers go from iteration to iteration together, none ahead and none left out."""
        return not self.at_once and not self.backup

    @property
    def bound(self) -> float:
        """How many iterations a worker may be ahead of the slowest, where each gradient is applied by itself."""
        if self.mode == "async":
            return math.inf
        return _BOUND if self.staleness is None else self.staleness

    def fit(self, ranks: int) -> None:
        super().fit(ranks)
        if self.backup >= ranks:
            told = f"{self.backup} of {ranks} workers cannot be backup; at least one gradient must count"
            raise ScenarioError(told, path="backup")

    def rule(self, workers: Iterable[int], *, forward_only: bool) -> Rule:
        """How a server treats a key that these workers share."""
        if forward_only:
            return Reads(workers)
        if not self.at_once:
            return Together(workers, backup=self.backup)
        return AtOnce(workers, bound=self.bound)

    def owned(self, tensors: Sequence[Sequence[float]], ranks: int) -> tuple[tuple[float, ...], ...]:
        """Bytes of each layer's gradient that each server owns: [layer][server]. `tensors`: bytes of each layer's
        tensors, which are keys, layers in the model's order."""
        servers = self.shards(ranks)
        if self.keys == "split":
            return tuple((math.fsum(layer) / servers,) * servers for layer in tensors)
        owned, loads = [[0.0] * servers for _ in tensors], [0.0] * servers
        sizes = ((layer, nbytes) for layer, its in enumerate(tensors) for nbytes in its)
        for key, (layer, nbytes) in enumerate(sizes):
            owners = self._owners(key, nbytes, loads)
            for server in owners:
                owned[layer][server] += nbytes / len(owners)
                loads[server] += nbytes / len(owners)
        return tuple(map(tuple, owned))

    def _owners(self, key: int, nbytes: float, loads: Sequence[float]) -> Sequence[int]:
        """The servers that share a key, whose bytes so far are `loads`."""
        if self.keys == "balanced":
            return (loads.index(min(loads)),)
        if self.keys == "by_size" and nbytes >= self.whole_below:
            return range(len(loads))
        return ((key * _SCATTER if self.keys == "by_size" else key) % len(loads),)

    def ideal_exchange(
        self, ranks: int, sizes: Sequence[float], ready: Sequence[float], link: Link, reduction_rate: float | None
    ) -> float | None:
        """Seconds at which the last bucket is in, on a star of equal links that carries nothing else; `ready` (s) says
        when every worker has each bucket. Pushes follow one another and so do answers, each pair in a pipeline:
        pushed_b = max(ready_b, pushed_{b-1}) + t_b, answered_b = max(pushed_b + a, answered_{b-1}) + t_b, then a.
        None where keys are not split, slices are used, adding takes time, answers share ports with later pushes, or
        workers do not go from iteration to iteration together."""
        if ranks == 1:
            return max(ready, default=0.0)
        sliced, shared = self.slices > 1 or self.slice is not None, self.placement == "colocated" and len(sizes) > 1
        loose = not self.steady or self.pull == "after_push"
        if self.keys != "split" or sliced or shared or loose or reduction_rate is not None:
            return None
        pushed = answered = 0.0
        for nbytes, at in zip(sizes, ready, strict=True):
            each_way = (self.ideal_time(ranks, nbytes, link) or 0.0) / 2 - link.latency
            pushed = max(at, pushed) + each_way
            answered = max(pushed + link.latency, answered) + each_way
        return answered + link.latency
