"""Fully connected layers."""

from __future__ import annotations

from dataclasses import dataclass

from netsim.layers.base import Count, Layer


@dataclass(frozen=True, kw_only=True)
class Dense(Layer):
    """Every output from every input feature; the last axis of `input_shape` is the features, axes before it are kept.

    `tied`: the weights are an earlier layer's (an output layer that shares the embedding), so it has no gradient of its
    own to exchange; a bias it still has.
    """

    units: Count
    bias: bool = True
    tied: bool = False

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self.input_shape[:-1], self.units)

    @property
    def tensors(self) -> tuple[int, ...]:
        return (*(self.input_shape[-1] * self.units,) * (not self.tied), *(self.units,) * self.bias)

    @property
    def macs(self) -> int:
        return self.input_elements * self.units

    @property
    def work(self) -> str:
        return "dense"

    @property
    def weight_gradients(self) -> int:
        return 1

    @property
    def params_read(self) -> int:
        return self.input_shape[-1] * self.units + self.units * self.bias
