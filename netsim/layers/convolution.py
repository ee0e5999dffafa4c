"""Convolutions: standard, grouped, depthwise, pointwise, dilated, rectangular, transposed; in one or two dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from netsim.errors import Problem
from netsim.layers.base import Composite, Count, Layer, Margin

_WINOGRAD_CHANNELS = 16

Sizes = Count | tuple[Count, ...]  # one number for every axis, or one an axis
Margins = Margin | tuple[Margin, ...]


def wrong_axes(layer: Layer, *fields: str) -> list[Problem]:
    """Fields that have a number for each axis, but not for as many as the map has."""
    spatial = len(layer.input_shape) - 1
    values = {field: getattr(layer, field) for field in fields}
    return [
        Problem(field, f"{value} has {len(value)} axes, the map {spatial}")
        for field, value in values.items()
        if isinstance(value, tuple) and len(value) != spatial
    ]


@dataclass(frozen=True, kw_only=True)
class Convolution(Layer):
    """A kernel that slides over an image or a signal.

    MACs = N M D S K^2 / groups, parameters = K^2 D S / groups (+ S), with an N x M map of S filters from D channels and
    a K x K kernel. `groups` = channels makes it depthwise, a kernel of 1 pointwise. `input_shape` is (channels, height,
    width), or (channels, length) for a convolution in one dimension.
    """

    axes: ClassVar[tuple[int, int]] = (2, 4)

    filters: Count
    kernel: Sizes
    stride: Sizes = 1
    padding: Margins = 0
    dilation: Sizes = 1
    groups: Count = 1
    bias: bool = True

    def problems(self) -> list[Problem]:
        found = wrong_axes(self, "kernel", "stride", "padding", "dilation")
        for what, number in (("channels", self.channels), ("filters", self.filters)):
            if number % self.groups:
                found.append(Problem("groups", f"{self.groups} must divide the {number} {what}"))
        return found or super().problems()

    @property
    def channels(self) -> int:
        """Input channels, D."""
        return self.input_shape[0]

    @property
    def _spatial(self) -> tuple[int, ...]:
        return self.input_shape[1:]

    def _axes(self, value: Sizes | Margins) -> tuple[int, ...]:
        return value if isinstance(value, tuple) else (value,) * len(self._spatial)

    @property
    def kernel_size(self) -> int:
        """Positions of the kernel, K^2."""
        return prod(self._axes(self.kernel))

    @property
    def _sliding(self) -> Iterator[tuple[int, ...]]:
        """Size, kernel, stride, padding and dilation of each axis."""
        given = self.kernel, self.stride, self.padding, self.dilation
        return zip(self._spatial, *map(self._axes, given), strict=True)

    @property
    def output_shape(self) -> tuple[int, ...]:
        windows = ((n + 2 * pad - hole * (k - 1) - 1) // step + 1 for n, k, step, pad, hole in self._sliding)
        return (self.filters, *windows)

    @property
    def tensors(self) -> tuple[int, ...]:
        kernel = self.kernel_size * self.channels * self.filters // self.groups
        return (kernel, *(self.filters,) * self.bias)

    @property
    def macs(self) -> int:
        return self.output_elements * self.kernel_size * self.channels // self.groups

    @property
    def work(self) -> str:
        if self.groups > 1:
            return "depthwise" if self.groups == self.channels else "grouped"
        if self.kernel_size == 1:
            return "pointwise"
        return "winograd" if self._fits_winograd else "convolution"

    @property
    def _fits_winograd(self) -> bool:
        """Whether a 3 x 3 kernel that moves by 1 meets channels enough to pay for the transforms."""
        dense_steps = {*self._axes(self.stride), *self._axes(self.dilation)} == {1}
        return self._axes(self.kernel) == (3, 3) and dense_steps and self.channels >= _WINOGRAD_CHANNELS


@dataclass(frozen=True, kw_only=True)
class TransposedConvolution(Convolution):
    """A convolution run backwards, so that the map grows: each input element spreads over K x K outputs.

    MACs = N M D S K^2 / groups with an N x M *input* map.
    """

    output_padding: Margins = 0

    def problems(self) -> list[Problem]:
        return wrong_axes(self, "output_padding") or super().problems()

    @property
    def output_shape(self) -> tuple[int, ...]:
        grown = ((n - 1) * step - 2 * pad + hole * (k - 1) + 1 for n, k, step, pad, hole in self._sliding)
        return (self.filters, *map(sum, zip(grown, self._axes(self.output_padding), strict=True)))

    @property
    def macs(self) -> int:
        return self.input_elements * self.kernel_size * self.filters // self.groups

    @property
    def work(self) -> str:
        return "grouped" if self.groups > 1 else "convolution"


@dataclass(frozen=True, kw_only=True)
class SpatiallySeparableConvolution(Composite):
    """K x 1, then 1 x K, in place of K x K.

    MACs = N M (K D C + K C S), parameters = K D C + K C S, with C channels in between (`middle`; as many as filters by
    default). With one channel: 2 K N M instead of K^2 N M.
    """

    axes: ClassVar[tuple[int, int]] = (3, 3)

    filters: Count
    kernel: Count
    middle: Count | None = None
    stride: Count = 1
    padding: Margin = 0
    bias: bool = False

    @property
    def parts(self) -> tuple[Layer, ...]:
        column = Convolution(
            input_shape=self.input_shape,
            name=f"{self.name}.column",
            filters=self.middle or self.filters,
            kernel=(self.kernel, 1),
            stride=(self.stride, 1),
            padding=(self.padding, 0),
            bias=self.bias,
        )
        row = Convolution(
            input_shape=column.output_shape,
            name=f"{self.name}.row",
            filters=self.filters,
            kernel=(1, self.kernel),
            stride=(1, self.stride),
            padding=(0, self.padding),
            bias=self.bias,
        )
        return column, row


@dataclass(frozen=True, kw_only=True)
class DepthwiseSeparableConvolution(Composite):
    """K x K on every channel alone, then 1 x 1 across channels (Howard et al. 2017, MobileNets, section 3.1).

    MACs = N M (K^2 D + D S), parameters = K^2 D + D S: 1/S + 1/K^2 of a standard convolution.
    """

    axes: ClassVar[tuple[int, int]] = (2, 4)

    filters: Count
    kernel: Count
    stride: Count = 1
    padding: Margin = 0
    bias: bool = False

    @property
    def parts(self) -> tuple[Layer, ...]:
        depthwise = Convolution(
            input_shape=self.input_shape,
            name=f"{self.name}.depthwise",
            filters=self.input_shape[0],
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            groups=self.input_shape[0],
            bias=self.bias,
        )
        pointwise = Convolution(
            input_shape=depthwise.output_shape,
            name=f"{self.name}.pointwise",
            filters=self.filters,
            kernel=1,
            bias=self.bias,
        )
        return depthwise, pointwise
