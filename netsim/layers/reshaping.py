"""Layers that only say how the same numbers are seen."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from netsim.layers.base import Layer


@dataclass(frozen=True, kw_only=True)
class _View(Layer):
    """The same numbers, or some of them, seen in another shape: nothing is computed or moved."""

    @property
    def input_elements(self) -> int:
        return 0

    @property
    def output_elements(self) -> int:
        return 0

    @property
    def kernels(self) -> int:
        return 0


@dataclass(frozen=True, kw_only=True)
class FirstStep(_View):
    """The features of a sequence's first step alone, where a class token stands; nothing is computed."""

    axes: ClassVar[tuple[int, int]] = (2, 2)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape[1:]


@dataclass(frozen=True, kw_only=True)
class Sequence(Layer):
    """A map as a sequence: (channels, height, width) becomes (height * width, channels)."""

    axes: ClassVar[tuple[int, int]] = (2, 4)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (prod(self.input_shape[1:]), self.input_shape[0])


@dataclass(frozen=True, kw_only=True)
class Flatten(_View):
    """The same numbers as one vector; nothing is computed or moved."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (prod(self.input_shape),)
