"""Recurrent cells unrolled over a sequence: vanilla RNN, GRU, LSTM; one or both directions, projected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from netsim.layers.base import Count, Layer, Margin


@dataclass(frozen=True, kw_only=True)
class Rnn(Layer):
    """A vanilla cell, h' = tanh(W x + U h + b) at each step; `input_shape` is (steps, features), the output (steps,
    units).

    Parameters = g (H (I + H) + biases H) with I features, H units and g gates (1 here), MACs = steps g H (I + H).
    `biases`: 1 as in the papers and CNTK, 2 as in PyTorch (one for W x, one for U h), or none.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)
    gates: ClassVar[int] = 1

    units: Count
    bidirectional: bool = False
    biases: Margin = 1

    @property
    def directions(self) -> int:
        """1, or 2 if the sequence is read from both ends."""
        return 2 if self.bidirectional else 1

    @property
    def recurrent_features(self) -> int:
        """Features that one step hands to the next."""
        return self.units

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.input_shape[0], self.directions * self.recurrent_features)

    @property
    def _matrices(self) -> tuple[int, ...]:
        """Of one direction, W and U; each is used once a step."""
        gates = self.gates * self.units
        return gates * self.input_shape[1], gates * self.recurrent_features

    @property
    def tensors(self) -> tuple[int, ...]:
        return (*self._matrices, *(self.gates * self.units,) * self.biases) * self.directions

    @property
    def macs(self) -> int:
        return self.directions * self.input_shape[0] * sum(self._matrices)

    @property
    def elementwise(self) -> int:
        flop_a_gate = 10  # a sigmoid or tanh, and the products and sums around it
        return self.directions * self.input_shape[0] * self.units * self.gates * flop_a_gate

    @property
    def work(self) -> str:
        return "recurrent"

    @property
    def kernels(self) -> int:
        kernels_a_step = 2  # U h, then the gates; W x of all steps is one product before them
        return self.directions * (1 + kernels_a_step * self.input_shape[0])


@dataclass(frozen=True, kw_only=True)
class Gru(Rnn):
    """Gated recurrent units (Cho et al. 2014): 3 gates."""

    gates: ClassVar[int] = 3


@dataclass(frozen=True, kw_only=True)
class Lstm(Rnn):
    """Long short-term memory (Hochreiter, Schmidhuber 1997): 4 gates.

    `projection`: the output of each step is reduced to that many features before it is handed on (Sak et al. 2014).
    """

    gates: ClassVar[int] = 4

    projection: Count | None = None

    @property
    def recurrent_features(self) -> int:
        return self.projection or self.units

    @property
    def _matrices(self) -> tuple[int, ...]:
        projection = (self.units * self.projection,) if self.projection else ()
        return *super()._matrices, *projection
