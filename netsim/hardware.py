"""What computes and what connects, in SI numbers: what a row of the presets or a table of a scenario becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from netsim.errors import ScenarioError
from netsim.units import Duration, FlopRate, Rate, Size

Precision = Literal["fp32", "tf32", "fp16", "bf16"]
Share = Annotated[float, Interval(gt=0, le=1)]

_VECTOR_WORK = frozenset({"depthwise", "elementwise"})
ELEMENT_BYTES: dict[str, int] = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class Link:
    """How a host is connected: full duplex at `rate` (bytes/s) each way.

    `latency` (s) is end to end, from host to host through a switch with such a link on both sides; each of the two
    hops has half of it.
    """

    rate: Rate
    latency: Duration


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The fastest that a device multiplies and adds, in flop/s of each precision; None where it has no such unit."""

    fp32: FlopRate | None = None
    tf32: FlopRate | None = None
    fp16: FlopRate | None = None
    bf16: FlopRate | None = None


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """The share of its peak that a device reaches, for each kind of work; and of its memory rate.

    The defaults come from measurements of single kernels, never from the training rates of whole models, so that a
    predicted rate may be compared with a published one. [D] is DeepBench (baidu-research/DeepBench README @106e5236,
    training kernels, flop/s over the card's fp32 peak), [S] stas00/ml-engineering (compute/accelerator/README.md
    @744d01e1, best bf16 matrix product of any shape).

    `dense`: [D] 0.50 on P100 to 0.77 on P100 and 0.70 on 1080 Ti; [S] 0.87 of an A100, 0.80 of an H100, at best.
    `convolution`: [D] 0.55 and 0.59 for 5 x 20 and 5 x 5 kernels, 0.40 for 3 input channels.
    `winograd`: 3 x 3 with stride 1 in fp32, 2.25 times fewer products (Lavin, Gray 2016): [D] 0.68 and 0.88 of the peak
    in the products of the plain form. In other precisions such a layer counts as `convolution`.
    `pointwise`: a matrix product with few rows, taken as `convolution`. `grouped`: half of that, as tiles are smaller.
    `depthwise`: K * K products an element, no reuse across channels; a share of the vector units' peak, as matrix units
    cannot be used. The memory rate mostly bounds it first. An assumption.
    `recurrent`: [D] 0.11 at batch 16, 0.28 and 0.37 at 32, 0.43 at 128.
    `attention`: many small matrix products, one for each head; taken as `recurrent`. An assumption.
    `elementwise`: activations, normalisation, pooling, on the vector units, which memory bounds first. An assumption.
    `memory`: what a streaming copy reaches of the datasheet's rate; 0.8. An assumption.
    """

    convolution: Share = 0.6
    winograd: Share = 0.8
    pointwise: Share = 0.6
    grouped: Share = 0.3
    depthwise: Share = 0.25
    dense: Share = 0.7
    recurrent: Share = 0.4
    attention: Share = 0.4
    elementwise: Share = 0.5
    memory: Share = 0.8


@dataclass(frozen=True, kw_only=True)
class Device:
    """What computes: peak rates, memory, and how much of them a kind of work reaches.

    `precision` is the one in which layers multiply and keep their activations. `kernel_overhead` (s) is paid by every
    kernel that a layer launches; 5 us is an assumption, of the order of what launching one costs.
    """

    name: str = "device"
    peak: Peak
    memory_rate: Rate
    memory_size: Size | None = None
    precision: Precision = "fp32"
    efficiency: Efficiency = Efficiency()
    kernel_overhead: Duration = 5e-6

    def __post_init__(self) -> None:
        if getattr(self.peak, self.precision) is None:
            raise ScenarioError(
                f"{self.name} has no {self.precision} peak; there are: {', '.join(self.precisions) or 'none'}",
                path="precision",
            )

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that this device has a peak for."""
        return tuple(name for name in ELEMENT_BYTES if getattr(self.peak, name) is not None)

    @property
    def peak_rate(self) -> float:
        """flop/s in this device's precision."""
        rate: float = getattr(self.peak, self.precision)
        return rate

    @property
    def vector_rate(self) -> float:
        """flop/s of work that is no matrix product: the fp32 peak, or the only one that is known."""
        return self.peak.fp32 or self.peak_rate

    def rate(self, work: str) -> float:
        """flop/s that this device reaches on a kind of work, an entry of its `efficiency`."""
        if work == "winograd" and self.precision != "fp32":
            work = "convolution"
        share: float = getattr(self.efficiency, work)
        return share * (self.vector_rate if work in _VECTOR_WORK else self.peak_rate)

    @property
    def element_bytes(self) -> int:
        """Bytes of one activation in this device's precision."""
        return ELEMENT_BYTES[self.precision]
