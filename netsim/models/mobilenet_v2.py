"""MobileNet V2 (Sandler et al. 2018, arXiv 1801.04381, table 2)."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from netsim.layers.base import Count
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Dropout
from netsim.layers.pooling import GlobalPooling
from netsim.models._blocks import convolution_norm, depthwise_norm, round_channels
from netsim.models.base import Model, Stack

# Expansion, filters, repeats, stride of the first of them.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(
    width: Annotated[float, Interval(gt=0, le=16)] = 1.0, resolution: Count = 224, classes: Count = 1000
) -> Model:
    """MobileNet V2: inverted residuals around depthwise convolutions."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=round_channels(32 * width), kernel=3, stride=2, padding=1)
    number = 0
    for expansion, filters, repeats, first_stride in _STAGES:
        for repeat in range(repeats):
            number += 1
            stride = first_stride if repeat == 0 else 1
            _inverted_residual(stack, f"block{number}", expansion, round_channels(filters * width), stride)
    convolution_norm(stack, "head", filters=round_channels(1280 * max(1.0, width)), kernel=1)
    stack.add(GlobalPooling, "pool")
    stack.add(Dropout, "dropout")
    stack.add(Dense, "classifier", units=classes)
    return Model("mobilenet_v2", {"width": width, "resolution": resolution, "classes": classes}, stack.layers)


def _inverted_residual(stack: Stack, name: str, expansion: int, filters: int, stride: int) -> None:
    inside = stack.shape[0]

    def body() -> None:
        if expansion > 1:
            convolution_norm(stack, f"{name}.expand", filters=expansion * inside, kernel=1)
        depthwise_norm(stack, f"{name}.depthwise", stride=stride)
        convolution_norm(stack, f"{name}.project", filters=filters, kernel=1, activation=0)

    if stride == 1 and inside == filters:
        stack.residual(f"{name}.add", body)
    else:
        body()
