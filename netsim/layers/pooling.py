"""Pooling: the greatest or the mean of a window."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from netsim.errors import Problem
from netsim.layers.base import Layer, Margin
from netsim.layers.convolution import Margins, Sizes, wrong_axes


@dataclass(frozen=True, kw_only=True)
class Pooling(Layer):
    """A window that slides over each channel; `stride` is the window's size where it is not given.

    `ceiling`: a last window that hangs over the edge counts (Caffe, GoogLeNet). Greatest and mean cost the same.
    """

    axes: ClassVar[tuple[int, int]] = (2, 4)

    kernel: Sizes
    stride: Sizes | None = None
    padding: Margins = 0
    ceiling: bool = False

    def problems(self) -> list[Problem]:
        return wrong_axes(self, "kernel", "stride", "padding") or super().problems()

    def _axes(self, value: Sizes | Margins) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * (len(self.input_shape) - 1)

    @property
    def output_shape(self) -> tuple[int, ...]:
        steps = self._axes(self.stride or self.kernel)
        axes = zip(self.input_shape[1:], self._axes(self.kernel), steps, self._axes(self.padding), strict=True)
        return (self.input_shape[0], *(self._windows(*axis) for axis in axes))

    def _windows(self, size: int, window: int, step: int, padding: int) -> int:
        room = size + 2 * padding - window
        if not self.ceiling:
            return room // step + 1
        count = -(-room // step) + 1
        starts_inside = (count - 1) * step < size + padding
        return count if starts_inside else count - 1

    @property
    def elementwise(self) -> int:
        return self.output_elements * prod(self._axes(self.kernel))


@dataclass(frozen=True, kw_only=True)
class GlobalPooling(Layer):
    """The mean of each channel, as a map of `size` (1 x 1 by default, which leaves a vector of channels)."""

    axes: ClassVar[tuple[int, int]] = (2, 4)

    size: Margin = 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        channels, *axes = self.input_shape
        return (channels, *(self.size for _ in axes)) if self.size else (channels,)

    @property
    def elementwise(self) -> int:
        return self.input_elements
