"""MobileNet V3 (Howard et al. 2019, arXiv 1905.02244, table 1)."""

from __future__ import annotations

from netsim.layers.base import Count
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.pooling import GlobalPooling
from netsim.layers.squeeze import SqueezeExcitation
from netsim.models._blocks import RELU, convolution_norm, depthwise_norm, round_channels
from netsim.models.base import Model, Stack

_HARD_SWISH = 4  # flop an element

# Kernel, expanded channels, filters, squeeze-and-excitation, activation, stride.
_LARGE = (
    (3, 16, 16, False, RELU, 1), (3, 64, 24, False, RELU, 2), (3, 72, 24, False, RELU, 1),
    (5, 72, 40, True, RELU, 2), (5, 120, 40, True, RELU, 1), (5, 120, 40, True, RELU, 1),
    (3, 240, 80, False, _HARD_SWISH, 2), (3, 200, 80, False, _HARD_SWISH, 1), (3, 184, 80, False, _HARD_SWISH, 1),
    (3, 184, 80, False, _HARD_SWISH, 1), (3, 480, 112, True, _HARD_SWISH, 1), (3, 672, 112, True, _HARD_SWISH, 1),
    (5, 672, 160, True, _HARD_SWISH, 2), (5, 960, 160, True, _HARD_SWISH, 1), (5, 960, 160, True, _HARD_SWISH, 1),
)  # fmt: skip


def mobilenet_v3_large(resolution: Count = 224, classes: Count = 1000) -> Model:
    """MobileNet V3-Large: inverted residuals with squeeze-and-excitation and hard swish."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=16, kernel=3, stride=2, padding=1, activation=_HARD_SWISH)
    for number, block in enumerate(_LARGE, 1):
        _block(stack, f"block{number}", *block)
    convolution_norm(stack, "head", filters=960, kernel=1, activation=_HARD_SWISH)
    stack.add(GlobalPooling, "pool")
    stack.add(Dense, "hidden", units=1280)
    stack.add(Activation, "hidden.activation", flop=_HARD_SWISH)
    stack.add(Dropout, "dropout")
    stack.add(Dense, "classifier", units=classes)
    return Model("mobilenet_v3_large", {"resolution": resolution, "classes": classes}, stack.layers)


def _block(
    stack: Stack, name: str, kernel: int, expanded: int, filters: int, squeeze: bool, activation: int, stride: int
) -> None:
    inside = stack.shape[0]

    def body() -> None:
        if expanded != inside:
            convolution_norm(stack, f"{name}.expand", filters=expanded, kernel=1, activation=activation)
        depthwise_norm(stack, f"{name}.depthwise", kernel=kernel, stride=stride, activation=activation)
        if squeeze:
            stack.add(SqueezeExcitation, f"{name}.squeeze", squeezed=round_channels(expanded / 4))
        convolution_norm(stack, f"{name}.project", filters=filters, kernel=1, activation=0)

    if stride == 1 and inside == filters:
        stack.residual(f"{name}.add", body)
    else:
        body()
