"""Probabilities over classes: of given scores, or with the output layer that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from netsim.errors import Problem
from netsim.layers.base import Composite, Count, Layer
from netsim.layers.dense import Dense
from netsim.layers.embedding import table_side

_FLOP_A_CLASS = 5  # greatest, subtract, exponential, sum, divide


@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """Scores along the last axis to probabilities."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.input_shape

    @property
    def elementwise(self) -> int:
        return _FLOP_A_CLASS * self.input_elements


@dataclass(frozen=True, kw_only=True)
class FullSoftmax(Composite):
    """Every word of the vocabulary is scored: V (H + 1) parameters, V H MACs a step with H features."""

    vocabulary: Count
    bias: bool = True
    tied: bool = False

    @property
    def parts(self) -> tuple[Layer, ...]:
        scores = Dense(
            input_shape=self.input_shape,
            name=f"{self.name}.scores",
            units=self.vocabulary,
            bias=self.bias,
            tied=self.tied,
        )
        return scores, Softmax(input_shape=scores.output_shape, name=f"{self.name}.softmax")


@dataclass(frozen=True, kw_only=True)
class HierarchicalSoftmax(Layer):
    """A class first, then a word within it (Goodman 2001): C and V / C words are scored, not V.

    `classes` is ceil(sqrt V) by default, which is the cheapest. Parameters are those of V + C output vectors.
    """

    vocabulary: Count
    classes: Count | None = None
    bias: bool = True

    @property
    def _scored(self) -> tuple[int, int]:
        classes = self.classes or table_side(self.vocabulary)
        return classes, -(-self.vocabulary // classes)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self.input_shape[:-1], sum(self._scored))

    @property
    def tensors(self) -> tuple[int, ...]:
        vectors = self._scored[0], self.vocabulary
        return (*(number * self.input_shape[-1] for number in vectors), *vectors * self.bias)

    @property
    def params_read(self) -> int:
        return min(self.params, self.output_elements * (self.input_shape[-1] + self.bias))

    @property
    def macs(self) -> int:
        return self.output_elements * self.input_shape[-1]

    @property
    def elementwise(self) -> int:
        return _FLOP_A_CLASS * self.output_elements

    @property
    def work(self) -> str:
        return "dense"

    @property
    def kernels(self) -> int:
        return 4


@dataclass(frozen=True, kw_only=True)
class LightrnnSoftmax(Layer):
    """A word's row, then its column, each among n = ceil(sqrt V) (Li et al. 2016, eq. 2 and 3): 2 n are scored, not V.

    `two_step` (the paper): the input has two steps a word and each step's H features score one of the two:
    2 (n H + n) parameters, 2 n H MACs a word. `split`: one step a word; one half of its features scores the row, the
    other the column: n H + 2 n parameters, n H MACs a word.
    """

    axes: ClassVar[tuple[int, int]] = (2, 2)

    vocabulary: Count
    form: Literal["two_step", "split"] = "two_step"
    bias: bool = True

    def problems(self) -> list[Problem]:
        steps, features = self.input_shape
        if self.form == "two_step" and steps % 2:
            return [Problem("input_shape", f"{steps} steps are not two a word")]
        if self.form == "split" and features % 2:
            return [Problem("input_shape", f"{features} features cannot be split in two halves")]
        return super().problems()

    @property
    def _words(self) -> int:
        return self.input_shape[0] // 2 if self.form == "two_step" else self.input_shape[0]

    @property
    def _features(self) -> int:
        return self.input_shape[1] if self.form == "two_step" else self.input_shape[1] // 2

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self._words, 2 * table_side(self.vocabulary))

    @property
    def tensors(self) -> tuple[int, ...]:
        side = table_side(self.vocabulary)
        return (*(side * self._features,) * 2, *(side,) * (2 * self.bias))

    @property
    def macs(self) -> int:
        return self.output_elements * self._features

    @property
    def elementwise(self) -> int:
        return _FLOP_A_CLASS * self.output_elements

    @property
    def work(self) -> str:
        return "dense"

    @property
    def kernels(self) -> int:
        return 4  # scores and softmax, of row and column
