"""What several models are built from."""

from __future__ import annotations

from typing import Any

from netsim.errors import ScenarioError
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation
from netsim.layers.normalisation import BatchNormalisation
from netsim.layers.pooling import GlobalPooling
from netsim.models.base import Stack

RELU = 1  # flop an element
SWISH = 8
GELU = 10
TANH = 8


def convolution_norm(stack: Stack, name: str, *, activation: int = RELU, **fields: Any) -> None:
    """A convolution without bias, batch normalisation, and an activation of that many flop (0 for none)."""
    stack.add(Convolution, name, bias=False, **fields)
    stack.add(BatchNormalisation, f"{name}.norm")
    if activation:
        stack.add(Activation, f"{name}.activation", flop=activation)


def depthwise_norm(stack: Stack, name: str, *, kernel: int = 3, **fields: Any) -> None:
    """A depthwise convolution that keeps the size (but for its stride), normalised and activated."""
    inside = stack.shape[0]
    convolution_norm(stack, name, filters=inside, kernel=kernel, padding=kernel // 2, groups=inside, **fields)


def classifier(stack: Stack, classes: int) -> None:
    """The mean of each channel, and a score for each class."""
    stack.add(GlobalPooling, "pool")
    stack.add(Dense, "classifier", units=classes)


def round_channels(filters: float) -> int:
    """Filters as a multiple of 8, as the MobileNet authors' code has them: never below 0.9 of what was asked.

    >>> round_channels(42 * 0.25)
    16
    """
    if not 0 < filters < 2**31:
        raise ScenarioError(f"makes {filters:g} filters of a layer", path="width")
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded
