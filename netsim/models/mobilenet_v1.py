"""MobileNet (Howard et al. 2017, arXiv 1704.04861, table 1), and its twin with standard convolutions."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from netsim.layers.base import Count
from netsim.models._blocks import classifier, convolution_norm, depthwise_norm, round_channels
from netsim.models.base import Model, Stack

Width = Annotated[float, Interval(gt=0, le=16)]

# Filters and stride of the 13 blocks after the first convolution.
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def mobilenet_v1(width: Width = 1.0, resolution: Count = 224, classes: Count = 1000) -> Model:
    """MobileNet V1: depthwise separable convolutions; `width` scales the channels, `resolution` is the image's side."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=round_channels(32 * width), kernel=3, stride=2, padding=1)
    for number, (filters, stride) in enumerate(_BLOCKS, 1):
        depthwise_norm(stack, f"block{number}.depthwise", stride=stride)
        convolution_norm(stack, f"block{number}.pointwise", filters=round_channels(filters * width), kernel=1)
    classifier(stack, classes)
    return Model("mobilenet_v1", {"width": width, "resolution": resolution, "classes": classes}, stack.layers)


def mobilenet_conv(width: Width = 1.0, resolution: Count = 224, classes: Count = 1000) -> Model:
    """The body of MobileNet V1 with standard 3 x 3 convolutions: what the separable ones save is the difference."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=round_channels(32 * width), kernel=3, stride=2, padding=1)
    for number, (filters, stride) in enumerate(_BLOCKS, 1):
        filters = round_channels(filters * width)
        convolution_norm(stack, f"block{number}", filters=filters, kernel=3, stride=stride, padding=1)
    classifier(stack, classes)
    return Model("mobilenet_conv", {"width": width, "resolution": resolution, "classes": classes}, stack.layers)
