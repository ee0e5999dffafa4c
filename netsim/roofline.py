"""How long a layer takes on a device: a roofline (Williams et al. 2009) with an efficiency for each kind of work.

forward = max(2 MACs batch / (peak efficiency) + elementwise batch / (vector peak efficiency),
              bytes touched / (memory rate efficiency)) + kernels * overhead
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from netsim.hardware import Device
from netsim.layers.base import Layer
from netsim.models.base import Model
from netsim.profiles import Profile, times_on

Bound = Literal["compute", "memory", "overhead"]

_FLOP_A_MAC = 2
PARAM_BYTES = 4
# SGD with momentum reads parameter, gradient and momentum, and writes parameter and momentum, all in fp32.
UPDATE_PASSES = 5


@dataclass(frozen=True)
class LayerTime:
    """Seconds of one layer for a whole batch, and what holds its forward pass back most."""

    forward: float
    backward: float
    bound: Bound


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a model for a whole batch: of each layer, in forward order, and of the optimiser's step."""

    forward: tuple[float, ...]
    backward: tuple[float, ...]
    update: float

    @property
    def total(self) -> float:
        """Seconds of one step of one worker that has nobody to exchange gradients with."""
        return math.fsum(self.forward) + math.fsum(self.backward) + self.update


@dataclass(frozen=True)
class _Legs:
    compute: float
    memory: float
    overhead: float

    @property
    def total(self) -> float:
        return max(self.compute, self.memory) + self.overhead

    @property
    def bound(self) -> Bound:
        if self.overhead > max(self.compute, self.memory):
            return "overhead"
        return "compute" if self.compute >= self.memory else "memory"


def layer_time(layer: Layer, batch: int, device: Device, *, first: bool = False) -> LayerTime:
    """Seconds of a layer, forward and backward. The `first` layer of a model has no input gradient to compute.

    Backward: the gradient of the input and that of the weights each cost one forward. A layer that is a composition
    takes the sum of its parts.
    """
    legs = [_legs(part, batch, device) for part in layer.parts]
    passes = [
        part.weight_gradients + (0 if first and index == 0 else part.input_gradients)
        for index, part in enumerate(layer.parts)
    ]
    return LayerTime(
        forward=math.fsum(leg.total for leg in legs),
        backward=math.fsum(times * leg.total for times, leg in zip(passes, legs, strict=True)),
        bound=max(legs, key=lambda leg: leg.total).bound,
    )


def step_times(model: Model, batch: int, device: Device, *, sparse: bool = False, profile: Profile = ()) -> StepTimes:
    """Seconds of each layer of a model, forward and backward, and of the update of all parameters; where the gradients
    of embeddings are `sparse`, of the rows only that the batch looks up. What was measured (`profile`) stands in for
    the formula."""
    return _step_times(_Same(model), batch, device, sparse, _Same(profile))


class _Same:
    """A key that is equal to that of the very same object only, which has parts that cannot be hashed, or too many."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


@lru_cache(maxsize=64)
def _step_times(the_model: _Same, batch: int, device: Device, sparse: bool, the_profile: _Same) -> StepTimes:
    model, profile = the_model.value, the_profile.value
    updated = sum(each.numbers for each in model.touched(batch if sparse else None))
    times = [layer_time(layer, batch, device, first=index == 0) for index, layer in enumerate(model.layers)]
    measured = times_on(profile, device)
    known = [measured.get(layer.name, time) for layer, time in zip(model.layers, times, strict=True)]
    return StepTimes(
        forward=tuple(time.forward for time in known),
        backward=tuple(time.backward for time in known),
        update=UPDATE_PASSES * PARAM_BYTES * updated / device.reached_memory_rate(batch),
    )


def bytes_touched(layer: Layer, batch: int, device: Device) -> float:
    """Bytes that a forward pass reads and writes: activations in and out for every sample, weights once."""
    activations = batch * (layer.input_elements + layer.output_elements)
    return (activations + layer.params_read) * device.element_bytes


def _legs(layer: Layer, batch: int, device: Device) -> _Legs:
    products = _FLOP_A_MAC * layer.macs * batch / device.rate(layer.work, batch)
    rest = layer.elementwise * batch / device.rate(layer.vector_work, batch)
    return _Legs(
        compute=products + rest,
        memory=bytes_touched(layer, batch, device) / device.reached_memory_rate(batch),
        overhead=layer.kernels * device.kernel_overhead,
    )
