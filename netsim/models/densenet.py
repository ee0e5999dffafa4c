"""DenseNet (Huang et al. 2016, arXiv 1608.06993, table 1)."""

from __future__ import annotations

from netsim.layers.base import Count
from netsim.layers.convolution import Convolution
from netsim.layers.elementwise import Activation, Concatenation
from netsim.layers.normalisation import BatchNormalisation
from netsim.layers.pooling import Pooling
from netsim.models._blocks import classifier, convolution_norm
from netsim.models.base import Model, Stack

_GROWTH = 32


def densenet121(resolution: Count = 224, classes: Count = 1000) -> Model:
    """DenseNet-121: each layer adds 32 channels to all that came before it in its block."""
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=64, kernel=7, stride=2, padding=3)
    stack.add(Pooling, "stem.pool", kernel=3, stride=2, padding=1)
    for block, layers in enumerate((6, 12, 24, 16), 1):
        for number in range(1, layers + 1):
            _dense_layer(stack, f"block{block}.layer{number}")
        if block < 4:
            _norm_convolution(stack, f"transition{block}", stack.shape[0] // 2, kernel=1)
            stack.add(Pooling, f"transition{block}.pool", kernel=2)
    stack.add(BatchNormalisation, "norm")
    stack.add(Activation, "relu")
    classifier(stack, classes)
    return Model("densenet121", {"resolution": resolution, "classes": classes}, stack.layers)


def _dense_layer(stack: Stack, name: str) -> None:
    before = stack.shape
    _norm_convolution(stack, f"{name}.narrow", 4 * _GROWTH, kernel=1)
    _norm_convolution(stack, f"{name}.conv", _GROWTH, kernel=3)
    stack.shape = before
    stack.add(Concatenation, f"{name}.join", channels=(_GROWTH,))


def _norm_convolution(stack: Stack, name: str, filters: int, kernel: int) -> None:
    stack.add(BatchNormalisation, f"{name}.norm")
    stack.add(Activation, f"{name}.relu")
    stack.add(Convolution, name, filters=filters, kernel=kernel, padding=kernel // 2, bias=False)
