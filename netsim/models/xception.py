"""Xception (Chollet 2016, arXiv 1610.02357, figure 5): Inception with depthwise separable convolutions throughout."""

from __future__ import annotations

from functools import partial

from netsim.layers.base import Count
from netsim.layers.convolution import DepthwiseSeparableConvolution
from netsim.layers.elementwise import Activation
from netsim.layers.normalisation import BatchNormalisation
from netsim.layers.pooling import Pooling
from netsim.models._blocks import classifier, convolution_norm
from netsim.models.base import Model, Stack


def xception(resolution: Count = 299, classes: Count = 1000) -> Model:
    """Xception: 36 convolutional layers, 34 of them depthwise separable."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "conv1", filters=32, kernel=3, stride=2)
    convolution_norm(stack, "conv2", filters=64, kernel=3)
    for number, filters in enumerate((128, 256, 728), 1):
        _block(stack, f"entry{number}", (filters, filters))
    for name in (f"middle{number}" for number in range(1, 9)):
        stack.residual(f"{name}.add", partial(_separable, stack, name, (728, 728, 728)))
    _block(stack, "exit1", (728, 1024))
    _separable(stack, "exit2", (1536, 2048))
    classifier(stack, classes)
    return Model("xception", {"resolution": resolution, "classes": classes}, stack.layers)


def _block(stack: Stack, name: str, filters: tuple[int, ...]) -> None:
    """Separable convolutions and a pooling that halves the map, beside a 1 x 1 convolution that does so too."""

    def body() -> None:
        _separable(stack, name, filters)
        stack.add(Pooling, f"{name}.pool", kernel=3, stride=2, padding=1)

    def shortcut() -> None:
        convolution_norm(stack, f"{name}.shortcut", filters=filters[-1], kernel=1, stride=2, activation=0)

    stack.residual(f"{name}.add", body, shortcut)


def _separable(stack: Stack, name: str, filters: tuple[int, ...]) -> None:
    for number, count in enumerate(filters, 1):
        stack.add(Activation, f"{name}.relu{number}")
        stack.add(DepthwiseSeparableConvolution, f"{name}.conv{number}", filters=count, kernel=3, padding=1)
        stack.add(BatchNormalisation, f"{name}.norm{number}")
