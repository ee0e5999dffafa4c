"""SqueezeNet 1.0 (Iandola et al. 2016, arXiv 1602.07360, table 1)."""

from __future__ import annotations

from netsim.layers.base import Count
from netsim.layers.convolution import Convolution
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.models.base import Model, Stack

# Squeezed filters, then filters of the 1 x 1 and of the 3 x 3 convolutions, of the fire modules between the poolings.
_STAGES = (((16, 64), (16, 64), (32, 128)), ((32, 128), (48, 192), (48, 192), (64, 256)), ((64, 256),))


def squeezenet(resolution: Count = 224, classes: Count = 1000) -> Model:
    """SqueezeNet 1.0: fire modules squeeze with 1 x 1 and expand with 1 x 1 beside 3 x 3; 5 MB of gradient."""
    stack = Stack((3, resolution, resolution))
    _convolution(stack, "conv1", filters=96, kernel=7, stride=2)
    number = 1
    for stage, modules in enumerate(_STAGES, 1):
        stack.add(Pooling, f"pool{stage}", kernel=3, stride=2, ceiling=True)
        for squeezed, expanded in modules:
            number += 1
            _fire(stack, f"fire{number}", squeezed, expanded)
    stack.add(Dropout, "dropout")
    _convolution(stack, "conv10", filters=classes, kernel=1)
    stack.add(GlobalPooling, "pool")
    return Model("squeezenet", {"resolution": resolution, "classes": classes}, stack.layers)


def _fire(stack: Stack, name: str, squeezed: int, expanded: int) -> None:
    _convolution(stack, f"{name}.squeeze", filters=squeezed, kernel=1)
    stack.join(
        f"{name}.join",
        lambda: _convolution(stack, f"{name}.expand1", filters=expanded, kernel=1),
        lambda: _convolution(stack, f"{name}.expand3", filters=expanded, kernel=3, padding=1),
    )


def _convolution(stack: Stack, name: str, **fields: int) -> None:
    stack.add(Convolution, name, **fields)
    stack.add(Activation, f"{name}.relu")
