"""Normalisation over the batch, the features, or groups of channels: a scale and a shift for each channel."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from netsim.errors import Problem
from netsim.layers.base import Count, Layer

_FLOP_AN_ELEMENT = 8  # mean, variance, subtract, divide, scale and shift: one to two flop each


@dataclass(frozen=True, kw_only=True)
class _Normalisation(Layer):
    """Keeps the shape; its time is elementwise work of its own efficiency."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def vector_work(self) -> str:
        return "normalisation"


@dataclass(frozen=True, kw_only=True)
class BatchNormalisation(_Normalisation):
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe, Szegedy 2015).

    2 parameters a channel; running mean and variance are no parameters, as they have no gradient. `scale`: with the
    factor, without which there is 1 parameter a channel.
    """

    scale: bool = True

    @property
    def tensors(self) -> tuple[int, ...]:
        return (self.input_shape[0],) * (1 + self.scale)

    @property
    def input_elements(self) -> int:
        return 2 * prod(self.input_shape)  # read for the statistics, and again to be normalised

    @property
    def elementwise(self) -> int:
        return _FLOP_AN_ELEMENT * self.output_elements

    @property
    def kernels(self) -> int:
        return 2  # statistics, then the normalisation itself


@dataclass(frozen=True, kw_only=True)
class LayerNormalisation(_Normalisation):
    """Each sample's features (the last axis) to mean 0 and variance 1, then scaled and shifted (Ba et al. 2016)."""

    bias: bool = True

    @property
    def tensors(self) -> tuple[int, ...]:
        return (self.input_shape[-1],) * (1 + self.bias)

    @property
    def elementwise(self) -> int:
        return _FLOP_AN_ELEMENT * self.input_elements


@dataclass(frozen=True, kw_only=True)
class GroupNormalisation(_Normalisation):
    """Groups of channels of each sample to mean 0 and variance 1, then scaled and shifted (Wu, He 2018)."""

    groups: Count

    def problems(self) -> list[Problem]:
        if self.input_shape[0] % self.groups:
            return [Problem("groups", f"{self.groups} must divide the {self.input_shape[0]} channels")]
        return super().problems()

    @property
    def tensors(self) -> tuple[int, ...]:
        return (self.input_shape[0],) * 2

    @property
    def elementwise(self) -> int:
        return _FLOP_AN_ELEMENT * self.input_elements
