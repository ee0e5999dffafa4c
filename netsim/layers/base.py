"""What every layer says about itself: parameters, multiply-accumulates, elementwise work and the data it touches.

All counts are for one sample and one forward pass; the batch is not in them. A shape has no batch axis:
(channels, height, width) of an image, (channels, length) of a signal, (steps, features) of a sequence, (steps,) of
tokens, (features,) of a vector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Annotated, Any, ClassVar, NamedTuple, get_type_hints

from annotated_types import Interval

from netsim.errors import Problem, ScenarioError
from netsim.families import snake_case

Count = Annotated[int, Interval(ge=1, le=2**31)]
Margin = Annotated[int, Interval(ge=0, le=2**31)]
Shape = tuple[Count, ...]


class Touched(NamedTuple):
    """What of a layer's parameters has a gradient: how many numbers, in how many rows that are sent with their index (0
    where the whole gradient is sent)."""

    numbers: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """One layer of a network. A subclass gives `output_shape`, and `tensors`, `macs`, ... where there are any."""

    axes: ClassVar[tuple[int, int]] = (1, 4)  # fewest and most that `input_shape` may have

    input_shape: Shape
    name: str = ""

    def __post_init__(self) -> None:
        problems = _out_of_bounds(self)
        fewest, most = self.axes
        if not fewest <= len(self.input_shape) <= most:
            need = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            problems.append(Problem("input_shape", f"{self.input_shape} must have {need} axes for a {self.kind}"))
        if not problems:
            problems = self.problems()
        if problems:
            raise ScenarioError(problems)

    def problems(self) -> list[Problem]:
        """What is wrong with the fields together; by default an output that has vanished."""
        if min(self.output_shape, default=1) < 1:
            what = f"{self.kind} turns {self.input_shape} into {self.output_shape}, which is empty"
            return [Problem("input_shape", what)]
        return []

    @property
    def kind(self) -> str:
        """The layer's name in its family: "batch_normalisation" of a BatchNormalisation."""
        return snake_case(type(self).__name__)

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """Shape of what one sample becomes."""

    @property
    def tensors(self) -> tuple[int, ...]:
        """Trained numbers of each variable, in the order in which frameworks make them: weights, then biases."""
        return ()

    @property
    def params(self) -> int:
        """Trained numbers."""
        return sum(self.tensors)

    @property
    def macs(self) -> int:
        """Multiply-accumulates; each is 2 flop."""
        return 0

    @property
    def elementwise(self) -> int:
        """flop that are no multiply-accumulates of a matrix product: activations, normalisation, pooling, gates."""
        return 0

    @property
    def work(self) -> str:
        """The entry of a device's `efficiency` that fits this layer's multiply-accumulates."""
        return "elementwise"

    @property
    def vector_work(self) -> str:
        """The entry of a device's `efficiency` that fits this layer's elementwise work."""
        return "elementwise"

    @property
    def kernels(self) -> int:
        """Kernels that one forward pass launches."""
        return 1

    @property
    def input_gradients(self) -> int:
        """Times the work of a forward pass that the gradient of the input costs."""
        return 1

    @property
    def weight_gradients(self) -> int:
        """Times the work of a forward pass that the gradient of the parameters costs."""
        return 1 if self.params else 0

    @property
    def input_elements(self) -> int:
        """Elements read."""
        return prod(self.input_shape)

    @property
    def output_elements(self) -> int:
        """Elements written."""
        return prod(self.output_shape)

    @property
    def kept_elements(self) -> int:
        """Elements that are kept for the backward pass; none where the layer works in place, on what is kept anyway."""
        return self.output_elements

    @property
    def params_read(self) -> int:
        """Parameters that a forward pass reads, once for the whole batch; an embedding reads a few rows only."""
        return self.params

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layers that this one is made of, where it is a composition; else itself."""
        return (self,)

    def touched(self, samples: int) -> Touched:
        """What has a gradient after so many samples: all parameters, or of a table the rows that they look up."""
        return Touched(self.params, rows=0)

    @property
    def gradient_bytes(self) -> int:
        """Bytes of this layer's whole gradient in fp32."""
        return 4 * self.params


@dataclass(frozen=True, kw_only=True)
class Composite(Layer):
    """A layer that is a chain of others: its counts are their sums."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Layer, ...]:
        """The layers of the chain, in order."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.parts[-1].output_shape

    @property
    def tensors(self) -> tuple[int, ...]:
        return tuple(numbers for part in self.parts for numbers in part.tensors)

    @property
    def macs(self) -> int:
        return sum(part.macs for part in self.parts)

    @property
    def elementwise(self) -> int:
        return sum(part.elementwise for part in self.parts)

    @property
    def kernels(self) -> int:
        return sum(part.kernels for part in self.parts)


@cache
def _intervals(cls: type) -> dict[str, Interval]:
    """Field -> the bounds that its annotation gives to it, or to its elements."""
    found: dict[str, Interval] = {}
    for field, hint in get_type_hints(cls, include_extras=True).items():
        for part in (hint, *getattr(hint, "__args__", ())):
            for mark in getattr(part, "__metadata__", ()):
                if isinstance(mark, Interval):
                    found[field] = mark
    return found


def _out_of_bounds(layer: Layer) -> list[Problem]:
    return [
        Problem(field, f"{getattr(layer, field)!r} is not from {interval.ge} to {interval.le}")
        for field, interval in _intervals(type(layer)).items()
        if not _within(getattr(layer, field), interval)
    ]


def _within(value: Any, interval: Interval) -> bool:
    if value is None:
        return True
    if isinstance(value, tuple):
        return all(_within(element, interval) for element in value)
    low: Any = interval.ge
    high: Any = interval.le
    return bool(low <= value <= high)
