"""Whether a step fits the memory of its device: a count of what a worker keeps, no allocator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netsim.errors import Problem
from netsim.hardware import ELEMENT_BYTES, Device
from netsim.models.base import Model
from netsim.scenario import Scenario
from netsim.units import show

_MASTER_BYTES = 4  # parameters and momentum are kept in fp32 (Micikevicius et al. 2018, section 3.1)


@dataclass(frozen=True)
class Memory:
    """Bytes that a worker keeps at the end of its forward pass, when most is kept."""

    parameters: float
    gradients: float
    optimiser: float
    activations: float

    @property
    def total(self) -> float:
        return self.parameters + self.gradients + self.optimiser + self.activations


def memory_needed(
    model: Model, batch: int, device: Device, *, gradient_element: int = 4, sparse: bool = False
) -> Memory:
    """What a step of `batch` samples keeps on a device, with SGD with momentum.

    parameters: 4 bytes each, and a copy in the device's precision where that is less; gradients: `gradient_element`
    bytes each, or of embeddings the rows looked up; optimiser: the momentum, 4 bytes each; activations: what each layer
    writes, kept until its backward pass, but for ReLUs and additions, which work in place. It is what there has to be:
    workspaces, an allocator's fragments and buffers of what is sent come on top.
    """
    copy = device.element_bytes if device.element_bytes < _MASTER_BYTES else 0
    return Memory(
        parameters=model.params * (_MASTER_BYTES + copy),
        gradients=sum(model.gradient_sizes(gradient_element, batch if sparse else None)),
        optimiser=model.params * _MASTER_BYTES,
        activations=model.kept_elements * batch * device.element_bytes,
    )


def shortages(scenario: Scenario) -> Iterator[Problem]:
    """A problem for each device of a scenario whose memory a worker's step does not fit."""
    job = scenario.job
    for device in dict.fromkeys(group.device for group in scenario.cluster.groups):
        if device is not None:
            element, sparse = ELEMENT_BYTES[job.gradient_precision], job.embedding_gradients == "sparse"
            needed = memory_needed(job.model, job.batch, device, gradient_element=element, sparse=sparse)
            yield from shortage(needed, job.model, job.batch, device)


def shortage_of(model: Model, batch: int, device: Device) -> Iterator[Problem]:
    """The problem of a batch of a model on a device, with whole gradients in fp32."""
    return shortage(memory_needed(model, batch, device), model, batch, device)


def shortage(needed: Memory, model: Model, batch: int, device: Device) -> Iterator[Problem]:
    """The problem, if the device has less memory than is needed; none for a device whose memory is not known."""
    if device.memory_size is None or needed.total <= device.memory_size:
        return
    left = device.memory_size - (needed.total - needed.activations)
    fits = int(left * batch / needed.activations) if needed.activations and left > 0 else 0
    samples = "1 sample needs" if batch == 1 else f"{batch:,} samples need"
    would_do = f"{fits:,} would fit" if fits else "not even one fits"
    yield Problem(
        "job.batch",
        f"{samples} about {show(needed.total, 'B', digits=3)} with {model.kind}, and {device.name} has "
        f"{show(device.memory_size, 'B', digits=3)} of memory; {would_do}",
    )
