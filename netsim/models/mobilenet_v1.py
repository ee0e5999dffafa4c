"""MobileNet (Howard et al. 2017, arXiv 1704.04861, table 1), and its twin with standard convolutions."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from netsim.layers.base import Count
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation
from netsim.layers.normalisation import BatchNormalisation
from netsim.layers.pooling import GlobalPooling
from netsim.models.base import Model, Stack

Width = Annotated[float, Interval(gt=0, le=16)]

# Filters and stride of the 13 blocks after the first convolution.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet_v1(width: Width = 1.0, resolution: Count = 224, classes: Count = 1000) -> Model:
    """MobileNet V1: depthwise separable convolutions; `width` scales the channels, `resolution` is the image's side."""
    stack = Stack((3, resolution, resolution))
    _convolution(stack, "stem", filters=channels(32, width), kernel=3, stride=2, padding=1)
    for number, (filters, stride) in enumerate(BLOCKS, 1):
        inside = stack.shape[0]
        _convolution(
            stack, f"block{number}.depthwise", filters=inside, kernel=3, stride=stride, padding=1, groups=inside
        )
        _convolution(stack, f"block{number}.pointwise", filters=channels(filters, width), kernel=1)
    _classifier(stack, classes)
    return Model("mobilenet_v1", {"width": width, "resolution": resolution, "classes": classes}, stack.layers)


def mobilenet_conv(width: Width = 1.0, resolution: Count = 224, classes: Count = 1000) -> Model:
    """The body of MobileNet V1 with standard 3 x 3 convolutions: what the separable ones save is the difference."""
    stack = Stack((3, resolution, resolution))
    _convolution(stack, "stem", filters=channels(32, width), kernel=3, stride=2, padding=1)
    for number, (filters, stride) in enumerate(BLOCKS, 1):
        _convolution(stack, f"block{number}", filters=channels(filters, width), kernel=3, stride=stride, padding=1)
    _classifier(stack, classes)
    return Model("mobilenet_conv", {"width": width, "resolution": resolution, "classes": classes}, stack.layers)


def channels(filters: int, width: float) -> int:
    """Filters scaled by the width and rounded to a multiple of 8, as the authors' code does: never below 0.9 of it."""
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _convolution(stack: Stack, name: str, **fields: int) -> None:
    stack.add(Convolution, name, bias=False, **fields)
    stack.add(BatchNormalisation, f"{name}.norm")
    stack.add(Activation, f"{name}.relu")


def _classifier(stack: Stack, classes: int) -> None:
    stack.add(GlobalPooling, "pool")
    stack.add(Dense, "classifier", units=classes)
