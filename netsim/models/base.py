"""A model as the simulator sees it: its layers, in the order of the forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from netsim.errors import Problem, ScenarioError
from netsim.layers.base import Layer, Touched
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Add, Concatenation
from netsim.layers.embedding import Embedding

_INDEX_BYTES = 8  # of a row in a sparse gradient: PyTorch and TensorFlow write it as int64


@dataclass(frozen=True)
class Model:
    """A network: its name in the family of models, the options that it was made with, and its layers. `skipped` says
    what of the user's own was counted as nothing, `assumed` what its file does not say."""

    kind: str
    options: Mapping[str, Any]
    layers: tuple[Layer, ...]
    skipped: tuple[str, ...] = field(default=(), compare=False)
    assumed: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.layers:
            raise ScenarioError([Problem("layers", f"{self.kind} has no layers")])
        repeated = [name for name, times in Counter(layer.name for layer in self.layers).items() if times > 1]
        if repeated:
            raise ScenarioError([Problem("layers", f"several layers are named {name!r}") for name in repeated])

    @property
    def params(self) -> int:
        """Trained numbers."""
        return sum(layer.params for layer in self.layers)

    @cached_property
    def kept_elements(self) -> int:
        """Numbers that one sample's forward pass leaves for the backward pass."""
        return sum(part.kept_elements for layer in self.layers for part in layer.parts)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample's forward pass; each is 2 flop."""
        return sum(layer.macs for layer in self.layers)

    @property
    def training_macs(self) -> int:
        """Multiply-accumulates of one sample's forward and backward pass: three times the forward, less the first
        layer's input gradient, which nobody needs."""
        return 3 * self.macs - self.layers[0].macs

    @property
    def gradient_bytes(self) -> int:
        """Bytes of the gradient in fp32, 4 a parameter."""
        return sum(layer.gradient_bytes for layer in self.layers)

    def touched(self, samples: int | None = None) -> tuple[Touched, ...]:
        """What of each layer has a gradient: all of it, or, with `samples` given, of embeddings the rows that so many
        samples look up. A table that an output layer shares (tied weights) has a gradient everywhere."""
        if samples is None:
            return tuple(Touched(layer.params, rows=0) for layer in self.layers)
        tied = {
            (part.units, part.input_shape[-1])
            for layer in self.layers
            for part in layer.parts
            if isinstance(part, Dense) and part.tied
        }
        return tuple(
            Touched(layer.params, rows=0)
            if isinstance(layer, Embedding) and (layer.vocabulary, layer.features) in tied
            else layer.touched(samples)
            for layer in self.layers
        )

    def gradient_sizes(self, element_bytes: int, samples: int | None = None) -> tuple[int, ...]:
        """Bytes of each layer's gradient in numbers of `element_bytes`; with `samples` given, embeddings' are sparse:
        the rows that so many samples look up, each with its index."""
        return tuple(element_bytes * each.numbers + _INDEX_BYTES * each.rows for each in self.touched(samples))


class Stack:
    """Layers put one on the other while a model is written down: each takes the output shape of the one before.

    >>> from netsim.layers.dense import Dense
    >>> stack = Stack((784,))
    >>> stack.add(Dense, "hidden", units=300)
    (300,)
    >>> stack.add(Dense, "output", units=10)
    (10,)
    >>> sum(layer.params for layer in stack.layers)
    238510
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._layers: list[Layer] = []

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All that was added, in order."""
        return tuple(self._layers)

    def add(self, layer: type[Layer], name: str, /, **fields: Any) -> tuple[int, ...]:
        """Puts a layer on top, and gives the shape that it makes of the one before."""
        try:
            built = layer(input_shape=self.shape, name=name, **fields)
        except ScenarioError as error:
            raise ScenarioError([Problem("", f"layer {name}: {problem}") for problem in error.problems]) from None
        self._layers.append(built)
        self.shape = built.output_shape
        return self.shape

    def join(self, name: str, *branches: Callable[[], object]) -> tuple[int, ...]:
        """Branches that all start at this shape, laid one after the other along the channels."""
        entry, ends = self.shape, []
        for branch in branches:
            self.shape = entry
            branch()
            ends.append(self.shape)
        self.shape = ends[0]
        return self.add(Concatenation, name, channels=tuple(end[0] for end in ends[1:]))

    def residual(
        self, name: str, body: Callable[[], object], shortcut: Callable[[], object] | None = None
    ) -> tuple[int, ...]:
        """A body, and added to it what it started from, which went through the shortcut."""
        entry = self.shape
        body()
        end, self.shape = self.shape, entry
        if shortcut is not None:
            shortcut()
        if self.shape != end:
            raise ScenarioError([Problem("layers", f"{name} adds {end} to {self.shape}")])
        return self.add(Add, name)
