"""AlexNet, in the four sizes that go by this name."""

from __future__ import annotations

from typing import Literal, NamedTuple

from netsim.layers.base import Count
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.pooling import Pooling
from netsim.layers.reshaping import Flatten
from netsim.models.base import Model, Stack


class _Variant(NamedTuple):
    resolution: int
    padding: int  # of the first convolution
    filters: tuple[int, int, int, int, int]
    groups: int = 1  # of the second, fourth and fifth convolution


_VARIANTS = {
    "owt": _Variant(224, 2, (64, 192, 384, 256, 256)),
    "2012": _Variant(227, 0, (96, 256, 384, 384, 256), groups=2),
    "tf": _Variant(227, 0, (64, 192, 384, 384, 256)),
    "mxnet": _Variant(224, 0, (96, 256, 384, 384, 256)),
}


def alexnet(variant: Literal["owt", "2012", "tf", "mxnet"] = "owt", classes: Count = 1000) -> Model:
    """AlexNet. "owt": one weird trick (Krizhevsky 2014), as in torchvision.

    "2012": the first (Krizhevsky et al. 2012), on two GPUs (groups of 2), as Caffe shaped it.
    "tf": of tf_cnn_benchmarks. "mxnet": of MXNet's examples.
    """
    shape = _VARIANTS[variant]
    groups = (1, shape.groups, 1, shape.groups, shape.groups)
    kernels = ((11, 4, shape.padding), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
    stack = Stack((3, shape.resolution, shape.resolution))
    for number, (filters, (kernel, stride, padding)) in enumerate(zip(shape.filters, kernels, strict=True), 1):
        fields = {"kernel": kernel, "stride": stride, "padding": padding, "groups": groups[number - 1]}
        stack.add(Convolution, f"conv{number}", filters=filters, **fields)
        stack.add(Activation, f"relu{number}")
        if number in (1, 2, 5):
            stack.add(Pooling, f"pool{number}", kernel=3, stride=2)
    stack.add(Flatten, "flatten")
    for name in ("fc6", "fc7"):
        stack.add(Dropout, f"{name}.dropout")
        stack.add(Dense, name, units=4096)
        stack.add(Activation, f"{name}.relu")
    stack.add(Dense, "fc8", units=classes)
    return Model("alexnet", {"variant": variant, "classes": classes}, stack.layers)
