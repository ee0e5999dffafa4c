"""Embeddings: rows of a table, looked up. No multiply-accumulates, much memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod
from typing import ClassVar, Literal

from netsim.errors import Problem
from netsim.layers.base import Count, Layer, Touched


def table_side(vocabulary: int) -> int:
    """Rows, and columns, of LightRNN's square table of words: ceil(sqrt V) (Li et al. 2016, section 3).

    >>> table_side(793_471)
    891
    """
    return isqrt(vocabulary - 1) + 1


@dataclass(frozen=True, kw_only=True)
class Embedding(Layer):
    """One row of a table for each token; `input_shape` is (steps,), the output (steps, features): V K parameters."""

    axes: ClassVar[tuple[int, int]] = (1, 1)

    vocabulary: Count
    features: Count

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self.input_shape, self.features)

    @property
    def tensors(self) -> tuple[int, ...]:
        return (self.vocabulary * self.features,)

    @property
    def params_read(self) -> int:
        return 0  # the rows that are looked up are as many as are written, and are counted in `input_elements`

    @property
    def input_elements(self) -> int:
        return self.output_elements

    def touched(self, samples: int) -> Touched:
        """The rows of all tokens, as if no two were alike: as many as there can be, and no more than the table has."""
        rows = min(samples * prod(self.input_shape), self.vocabulary)
        return Touched(rows * self.features, rows)

    @property
    def input_gradients(self) -> int:
        return 0  # tokens have no gradient


@dataclass(frozen=True, kw_only=True)
class EmbeddingBag(Embedding):
    """The sum of the rows of all tokens of a sample: the output is (features,)."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.features,)

    @property
    def input_elements(self) -> int:
        return prod(self.input_shape) * self.features

    @property
    def elementwise(self) -> int:
        return self.input_elements


@dataclass(frozen=True, kw_only=True)
class LightrnnEmbedding(Layer):
    """A word as the vectors of its row and its column in a square table of words (Li et al. 2016): 2 ceil(sqrt V).

    `two_step` (the paper): each vector has all the features and is a step of its own, so the output has two steps a
    word and there are 2 n K parameters, n = ceil(sqrt V). `split`: each has half of them and both are concatenated
    into one step a word, n K parameters.
    """

    axes: ClassVar[tuple[int, int]] = (1, 1)

    vocabulary: Count
    features: Count
    form: Literal["two_step", "split"] = "two_step"

    def problems(self) -> list[Problem]:
        if self.form == "split" and self.features % 2:
            return [Problem("features", f"{self.features} cannot be split in two halves")]
        return super().problems()

    def touched(self, samples: int) -> Touched:
        rows = 2 * min(samples * self.input_shape[0], table_side(self.vocabulary))
        return Touched(rows * self.features * self._steps_a_word // 2, rows)

    @property
    def _steps_a_word(self) -> int:
        return 2 if self.form == "two_step" else 1

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.input_shape[0] * self._steps_a_word, self.features)

    @property
    def tensors(self) -> tuple[int, ...]:
        return (table_side(self.vocabulary) * self.features * self._steps_a_word // 2,) * 2

    @property
    def params_read(self) -> int:
        return 0

    @property
    def input_elements(self) -> int:
        return self.output_elements

    @property
    def input_gradients(self) -> int:
        return 0

    @property
    def kernels(self) -> int:
        return 2
