"""VGG networks (Simonyan, Zisserman 2014, arXiv 1409.1556, table 1, D and E)."""

from __future__ import annotations

from netsim.layers.base import Count
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.pooling import Pooling
from netsim.layers.reshaping import Flatten
from netsim.models.base import Model, Stack


def vgg16(resolution: Count = 224, classes: Count = 1000) -> Model:
    """VGG-16: 13 convolutions and 3 dense layers, of which the first has 411 MB of gradient."""
    return _vgg("vgg16", (2, 2, 3, 3, 3), resolution, classes)


def vgg19(resolution: Count = 224, classes: Count = 1000) -> Model:
    """VGG-19: 16 convolutions and 3 dense layers."""
    return _vgg("vgg19", (2, 2, 4, 4, 4), resolution, classes)


def _vgg(kind: str, repeats: tuple[int, ...], resolution: int, classes: int) -> Model:
    stack = Stack((3, resolution, resolution))
    for stage, (convolutions, filters) in enumerate(zip(repeats, (64, 128, 256, 512, 512), strict=True), 1):
        for number in range(1, convolutions + 1):
            stack.add(Convolution, f"conv{stage}_{number}", filters=filters, kernel=3, padding=1)
            stack.add(Activation, f"relu{stage}_{number}")
        stack.add(Pooling, f"pool{stage}", kernel=2)
    stack.add(Flatten, "flatten")
    for name in ("fc6", "fc7"):
        stack.add(Dense, name, units=4096)
        stack.add(Activation, f"{name}.relu")
        stack.add(Dropout, f"{name}.dropout")
    stack.add(Dense, "fc8", units=classes)
    return Model(kind, {"resolution": resolution, "classes": classes}, stack.layers)
