"""Whether a step fits the memory of its device: a count of what a worker keeps, no allocator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netsim.errors import Problem
from netsim.hardware import ELEMENT_BYTES, Device
from netsim.models.base import Model
from netsim.scenario import STAGES, Scenario, Sharding
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
    model: Model,
    batch: int,
    device: Device,
    *,
    gradient_element: int = 4,
    sparse: bool = False,
    sharding: Sharding = "none",
    workers: int = 1,
) -> Memory:
    """What a step of `batch` samples keeps on a device, with SGD with momentum.

    parameters: 4 bytes each, and a copy in the device's precision where that is less; gradients: `gradient_element`
    bytes each, or of embeddings the rows looked up; optimiser: the momentum, 4 bytes each; activations: what each layer
    writes, kept until its backward pass, but for ReLUs and additions, which work in place. With `sharding` (Rajbhandari
    et al. 2020, section 5) a worker keeps its part of the optimiser's state from ZeRO-1 on, masters of a copy among it;
    of gradients from ZeRO-2 on; of parameters in ZeRO-3, beside those of the largest layer, whole while it is used. It
    is what there has to be: workspaces, an allocator's fragments and buffers of what is sent come on top.
    """
    stage, mixed = STAGES.index(sharding), device.element_bytes < _MASTER_BYTES
    state, gradients, parameters = (workers if stage >= least else 1 for least in (1, 2, 3))
    element = device.element_bytes if mixed else _MASTER_BYTES
    whole = element * max((layer.params for layer in model.layers), default=0) * (1 - 1 / parameters)
    masters = model.params * _MASTER_BYTES / state if mixed else 0
    return Memory(
        parameters=masters + model.params * element / parameters + whole,
        gradients=sum(model.gradient_sizes(gradient_element, batch if sparse else None)) / gradients,
        optimiser=model.params * _MASTER_BYTES / state,
        activations=model.kept_elements * batch * device.element_bytes,
    )


def memory_of_forward(model: Model, batch: int, device: Device) -> Memory:
    """What a forward pass alone keeps: parameters, and what goes into and comes out of the layer that has most."""
    most = max(layer.input_elements + layer.output_elements for layer in model.layers)
    element = device.element_bytes
    return Memory(parameters=model.params * element, gradients=0, optimiser=0, activations=most * batch * element)


def shortages(scenario: Scenario) -> Iterator[Problem]:
    """A problem for each device of a scenario whose memory a worker's step does not fit."""
    job = scenario.job
    for device in dict.fromkeys(group.device for group in scenario.cluster.groups):
        if device is not None:
            yield from shortage(_of_job(scenario, device), job.model, job.batch, device)


def _of_job(scenario: Scenario, device: Device) -> Memory:
    job = scenario.job
    if job.forward_only:
        return memory_of_forward(job.model, job.batch, device)
    return memory_needed(
        job.model,
        job.batch,
        device,
        gradient_element=ELEMENT_BYTES[job.gradient_precision],
        sparse=job.embedding_gradients == "sparse",
        sharding=job.sharding,
        workers=sum(group.count for group in scenario.cluster.groups),
    )


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
