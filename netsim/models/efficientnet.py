"""EfficientNet (Tan, Le 2019, arXiv 1905.11946, table 1)."""

from __future__ import annotations

from netsim.layers.base import Count
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Dropout
from netsim.layers.pooling import GlobalPooling
from netsim.layers.squeeze import SqueezeExcitation
from netsim.models._blocks import SWISH, convolution_norm, depthwise_norm
from netsim.models.base import Model, Stack

# Expansion, kernel, filters, repeats, stride of the first of them.
_STAGES = (
    (1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1),
)  # fmt: skip


def efficientnet_b0(resolution: Count = 224, classes: Count = 1000) -> Model:
    """EfficientNet-B0: inverted residuals with squeeze-and-excitation and swish."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=32, kernel=3, stride=2, padding=1, activation=SWISH)
    number = 0
    for expansion, kernel, filters, repeats, first_stride in _STAGES:
        for repeat in range(repeats):
            number += 1
            _block(stack, f"block{number}", expansion, kernel, filters, first_stride if repeat == 0 else 1)
    convolution_norm(stack, "head", filters=1280, kernel=1, activation=SWISH)
    stack.add(GlobalPooling, "pool")
    stack.add(Dropout, "dropout")
    stack.add(Dense, "classifier", units=classes)
    return Model("efficientnet_b0", {"resolution": resolution, "classes": classes}, stack.layers)


def _block(stack: Stack, name: str, expansion: int, kernel: int, filters: int, stride: int) -> None:
    inside = stack.shape[0]

    def body() -> None:
        if expansion > 1:
            convolution_norm(stack, f"{name}.expand", filters=expansion * inside, kernel=1, activation=SWISH)
        depthwise_norm(stack, f"{name}.depthwise", kernel=kernel, stride=stride, activation=SWISH)
        stack.add(SqueezeExcitation, f"{name}.squeeze", squeezed=inside // 4)
        convolution_norm(stack, f"{name}.project", filters=filters, kernel=1, activation=0)

    if stride == 1 and inside == filters:
        stack.residual(f"{name}.add", body)
    else:
        body()
