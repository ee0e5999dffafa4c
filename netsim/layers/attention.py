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

    `input_shape` is that of the queries, (steps, features). `memory`: the steps of keys and values, M, where they are
    another sequence's: 2 T M E MACs. `kv_heads`: heads of keys and values that several heads of queries share (Ainslie
    et al. 2023). The scores, T M a head, are written and read in full; a causal mask saves nothing, as in plain (not
    fused) implementations.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)

    heads: Count
    memory: Count | None = None
    kv_heads: Count | None = None

    def problems(self) -> list[Problem]:
        return _indivisible(self.input_shape[-1], self.heads, self.kv_heads) or super().problems()

    @property
    def memory_steps(self) -> int:
        """Steps of the keys and values."""
        return self.memory or self.input_shape[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def scores(self) -> int:
        """Elements of Q K^T, of all heads."""
        return self.heads * self.input_shape[0] * self.memory_steps

    @property
    def macs(self) -> int:
        return 2 * self.memory_steps * prod(self.input_shape)

    @property
    def elementwise(self) -> int:
        return 6 * self.scores  # scale, and a softmax of 5 flop

    @property
    def input_elements(self) -> int:
        keys = self.memory_steps * self.input_shape[1] * (self.kv_heads or self.heads) // self.heads  # and values
        return prod(self.input_shape) + 2 * keys + 2 * self.scores  # which are read before and after softmax

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

    MACs = 4 T E^2 + 2 T^2 E. `memory`: keys and values come from another sequence of so many steps, M, as in a decoder
    (MACs = 2 T E^2 + 2 M E^2 + 2 T M E), whose features are `memory_features` where they are not E. `kv_heads`: as many
    heads of keys and values, which several of queries share. `fused`: what has one input is one matrix product (GPT-2,
    ViT) instead of one each (BERT); the counts are the same.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)

    heads: Count
    memory: Count | None = None
    memory_features: Count | None = None
    kv_heads: Count | None = None
    bias: bool = True
    fused: bool = False

    def problems(self) -> list[Problem]:
        if self.memory_features and not self.memory:
            return [Problem("memory_features", "are those of another sequence; give its steps as memory, too")]
        return _indivisible(self.input_shape[-1], self.heads, self.kv_heads) or super().problems()

    @property
    def parts(self) -> tuple[Layer, ...]:
        product = AttentionProduct(
            input_shape=self.input_shape,
            name=f"{self.name}.product",
            heads=self.heads,
            memory=self.memory,
            kv_heads=self.kv_heads,
        )
        return *self._projections(), product, self._dense("output", self.input_shape, self.input_shape[-1])

    def _projections(self) -> tuple[Dense, ...]:
        steps, features = self.input_shape
        keys = features * (self.kv_heads or self.heads) // self.heads
        other = (self.memory or steps, self.memory_features or features)
        if self.fused and not self.memory:
            return (self._dense("qkv", self.input_shape, features + 2 * keys),)
        pair = {"key_value": 2 * keys} if self.fused else {"key": keys, "value": keys}
        query = self._dense("query", self.input_shape, features)
        return query, *(self._dense(name, other, units) for name, units in pair.items())

    def _dense(self, name: str, shape: tuple[int, ...], units: int) -> Dense:
        return Dense(input_shape=shape, name=f"{self.name}.{name}", units=units, bias=self.bias)


def _indivisible(features: int, heads: int, kv_heads: int | None) -> list[Problem]:
    """What keeps heads from being equal parts of the features, and groups of heads from being equal."""
    found = [] if features % heads == 0 else [Problem("heads", f"{heads} must divide the {features} features")]
    if kv_heads and heads % kv_heads:
        found.append(Problem("kv_heads", f"{kv_heads} must divide the {heads} heads"))
    return found
