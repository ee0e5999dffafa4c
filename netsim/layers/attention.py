"""Attention of every step to every other (Vaswani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from netsim.errors import Problem
from netsim.layers.base import Composite, Count, Layer
from netsim.layers.dense import Dense


@dataclass(frozen=True, kw_only=True)
class AttentionProduct(Layer):
    """softmax(Q K^T) V of given queries, keys and values: 2 T^2 E MACs with T steps of E features, no parameters.

    `input_shape` is that of the queries, (steps, features). The scores, T^2 a head, are written and read in full; a
    causal mask saves nothing, as in plain (not fused) implementations.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)

    heads: Count

    def problems(self) -> list[Problem]:
        if self.input_shape[-1] % self.heads:
            return [Problem("heads", f"{self.heads} must divide the {self.input_shape[-1]} features")]
        return super().problems()

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def scores(self) -> int:
        """Elements of Q K^T, of all heads."""
        return self.heads * self.input_shape[0] ** 2

    @property
    def macs(self) -> int:
        return 2 * self.input_shape[0] * prod(self.input_shape)

    @property
    def elementwise(self) -> int:
        return 6 * self.scores  # scale, and a softmax of 5 flop

    @property
    def input_elements(self) -> int:
        return 3 * prod(self.input_shape) + 2 * self.scores  # queries, keys, values; scores before and after softmax

    @property
    def output_elements(self) -> int:
        return prod(self.input_shape) + 2 * self.scores

    @property
    def kept_elements(self) -> int:
        return prod(self.input_shape) + self.scores

    @property
    def work(self) -> str:
        return "attention"

    @property
    def kernels(self) -> int:
        return 3  # Q K^T, softmax, product with V

    @property
    def input_gradients(self) -> int:
        return 2  # both operands of each product have a gradient


@dataclass(frozen=True, kw_only=True)
class MultiHeadAttention(Composite):
    """Queries, keys and values from one input, attention, and an output layer: 4 E (E + 1) parameters.

    MACs = 4 T E^2 + 2 T^2 E. `fused`: queries, keys and values are one matrix product (GPT-2, ViT) instead of three
    (BERT); the counts are the same.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)

    heads: Count
    bias: bool = True
    fused: bool = False

    @property
    def parts(self) -> tuple[Layer, ...]:
        features = self.input_shape[-1]
        names = {"qkv": 3 * features} if self.fused else dict.fromkeys(("query", "key", "value"), features)
        return (
            *(self._dense(name, units) for name, units in names.items()),
            AttentionProduct(input_shape=self.input_shape, name=f"{self.name}.product", heads=self.heads),
            self._dense("output", features),
        )

    def _dense(self, name: str, units: int) -> Dense:
        return Dense(input_shape=self.input_shape, name=f"{self.name}.{name}", units=units, bias=self.bias)
