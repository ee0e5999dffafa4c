"""Layers without a matrix product: activation, dropout, residual addition, concatenation."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from netsim.layers.base import Count, Layer, Margin


@dataclass(frozen=True, kw_only=True)
class Activation(Layer):
    """A function of each element alone. `flop` an element: 1 for ReLU, some 10 for GELU, sigmoid, tanh or swish."""

    flop: Count = 1

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def elementwise(self) -> int:
        return self.flop * self.input_elements

    @property
    def kept_elements(self) -> int:
        return 0 if self.flop == 1 else self.output_elements  # a ReLU's gradient needs its output alone


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """Elements dropped at random in training: a random number, a comparison and a product each."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def elementwise(self) -> int:
        return 3 * self.input_elements


@dataclass(frozen=True, kw_only=True)
class Add(Layer):
    """A residual connection: two tensors of the same shape, element by element.

    Its backward pass costs as much: where the two branches parted, their gradients are added.
    """

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def elementwise(self) -> int:
        return self.output_elements

    @property
    def kept_elements(self) -> int:
        return 0

    @property
    def input_elements(self) -> int:
        return 2 * prod(self.input_shape)


@dataclass(frozen=True, kw_only=True)
class Scale(Layer):
    """Each channel of a map times a factor that was computed for it."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def elementwise(self) -> int:
        return self.input_elements


@dataclass(frozen=True, kw_only=True)
class Concatenation(Layer):
    """Tensors laid one after the other along the channels: `input_shape` is the first's, `channels` the others'."""

    channels: tuple[Count, ...]

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.input_shape[0] + sum(self.channels), *self.input_shape[1:])

    @property
    def input_elements(self) -> int:
        return self.output_elements


@dataclass(frozen=True, kw_only=True)
class LearnedOffset(Layer):
    """Learned positions added to every step, and `tokens` learned steps (a class token) put before them.

    Parameters = (steps + tokens) features for the positions, and tokens features for the tokens themselves.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)

    tokens: Margin = 0

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.input_shape[0] + self.tokens, *self.input_shape[1:])

    @property
    def tensors(self) -> tuple[int, ...]:
        tokens = self.tokens * prod(self.input_shape[1:])
        return (*(tokens,) * bool(tokens), self.output_elements)

    @property
    def elementwise(self) -> int:
        return self.output_elements
