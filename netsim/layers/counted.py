"""A layer of which only the counts are known."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Annotated, Literal

from annotated_types import Interval

from netsim.layers.base import Layer, Shape

Amount = Annotated[int, Interval(ge=0, le=2**62)]
Work = Literal[
    "convolution", "pointwise", "grouped", "depthwise", "dense", "recurrent", "attention", "elementwise"
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Counted(Layer):
    """What no other layer describes, by its own counts for one sample: parameters, MACs, elementwise flop, shapes.

    `work` is the entry of the device's efficiencies that fits its MACs; `reads` the elements that it reads, where they
    are not those of `input_shape`; `input_gradients` is 2 for a product of two activations.
    """

    output_shape: Shape = (1,)
    params: Amount = 0
    macs: Amount = 0
    elementwise: Amount = 0
    work: Work = "elementwise"
    kernels: Amount = 1
    reads: Amount | None = None
    input_gradients: Amount = 1

    @property
    def tensors(self) -> tuple[int, ...]:
        return (self.params,) if self.params else ()

    @property
    def input_elements(self) -> int:
        return prod(self.input_shape) if self.reads is None else self.reads
