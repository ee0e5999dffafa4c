"""What events need to know of a step in which the next forward pass goes on layer by layer, and what is noted of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.engine.plan import Plan
from netsim.engine.record.log import Log

Times = npt.NDArray[np.float64]  # s
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Layers:
    """Seconds of each layer, forward and in the update, [row, host, layer]; and the buckets that hold its gradients:
    those of layer n from `first_of[n]` to `first_of[n + 1]` in `bucket_of`."""

    forward: Times
    update: Times
    first_of: Numbers
    bucket_of: Numbers

    @classmethod
    def none(cls) -> Layers:
        """Where the next forward pass waits for all buckets."""
        nothing = np.zeros(0, dtype=np.int32)
        return cls(np.zeros((1, 0, 0)), np.zeros((1, 0, 0)), nothing, nothing)

    @classmethod
    def of(cls, plan: Plan, luck: Times) -> Layers:
        """As a plan has it; `luck` is what noise multiplies computing with, [row, host]."""
        if not plan.scenario.job.by_layer:
            return cls.none()
        forward = np.asarray([computing.forward for computing in plan.computing])
        update = np.asarray([computing.update for computing in plan.computing])
        each = update[:, None] * np.asarray(plan.gradient_bytes) / math.fsum(plan.gradient_bytes)
        buckets = plan.buckets_of
        first = np.cumsum([0, *map(len, buckets)]).astype(np.int32)
        all_of_them = np.asarray([bucket for of_layer in buckets for bucket in of_layer], dtype=np.int32)
        return cls(forward * luck[:, :, None], each * luck[:, :, None], first, all_of_them)

    def __len__(self) -> int:
        return int(self.forward.shape[2])

    def leads(self, plan: Plan, luck: Times) -> Times:
        """Seconds of each step from the end of the last layer's forward pass to the backward pass in which gradients
        are exchanged: those of micro-batches before it, [row, host]."""
        leads = [computing.lead - math.fsum(computing.forward) for computing in plan.computing]
        return np.asarray(leads) * luck

    def arrays(self, recorded: range) -> dict[str, Any]:
        """For the kernel, with room for when each layer has ended."""
        kept = len(recorded) * self.forward[0].size
        return {
            "forward_of": self.forward.ravel(), "update_of": self.update.ravel(),
            "first_of": self.first_of, "bucket_of": self.bucket_of,
            "forward_end": np.zeros(kept), "update_end": np.zeros(kept),
        }  # fmt: skip

    def note(self, plan: Plan, log: Log, found: Mapping[str, Any], recorded: range) -> None:
        """Steps, and what workers did in those that were recorded."""
        shape = plan.scenario.iterations, plan.workers
        names = ("start", "waited", "exchanging", "end")
        log.layered_steps(*(found[name].reshape(shape) for name in names))
        for iteration, worker, forward, update in self._recorded(plan, found, recorded):
            spans = [*self._spans("forward", plan, worker, iteration, forward, self.forward)]
            spans += self._spans("update", plan, worker, iteration, update, self.update)
            for phase, name, start, end in spans:
                log.did(worker, phase, name, iteration, start, end)
            parts = [*plan.step_of(worker, iteration).parts(plan.layers, plan.buckets)]
            log.lay_out(worker, iteration, forward[-1], parts[len(plan.layers) :])

    def _recorded(
        self, plan: Plan, found: Mapping[str, Any], recorded: range
    ) -> Iterator[tuple[int, int, list[float], list[float]]]:
        shape = len(recorded), plan.workers, len(self)
        forward, update = (found[name].reshape(shape).tolist() for name in ("forward_end", "update_end"))
        for row, iteration in enumerate(recorded):
            for worker in range(plan.workers):
                yield iteration, worker, forward[row][worker], update[row][worker]

    def _spans(
        self, phase: str, plan: Plan, worker: int, iteration: int, ends: list[float], seconds: Times
    ) -> Iterator[tuple[str, str, float, float]]:
        """Of a step's layers: phase, layer, start, end."""
        took = seconds[iteration if len(seconds) > 1 else 0, worker].tolist()
        for name, end, lasted in zip(plan.layers, ends, took, strict=True):
            yield phase, name, end - lasted, end
