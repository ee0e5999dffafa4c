"""Residual networks (He et al. 2015, arXiv 1512.03385, table 1)."""

from __future__ import annotations

from typing import Literal

from netsim.layers.base import Count
from netsim.layers.elementwise import Activation
from netsim.layers.pooling import Pooling
from netsim.models._blocks import RELU, classifier, convolution_norm
from netsim.models.base import Model, Stack

Version = Literal["v1", "v1.5"]


def resnet18(resolution: Count = 224, classes: Count = 1000) -> Model:
    """ResNet-18: 8 blocks of two 3 x 3 convolutions."""
    return _basic("resnet18", (2, 2, 2, 2), resolution, classes)


def resnet34(resolution: Count = 224, classes: Count = 1000) -> Model:
    """ResNet-34: 16 blocks of two 3 x 3 convolutions."""
    return _basic("resnet34", (3, 4, 6, 3), resolution, classes)


def resnet50(version: Version = "v1.5", resolution: Count = 224, classes: Count = 1000) -> Model:
    """ResNet-50: 16 bottlenecks.

    `version`: "v1" (the paper) has the stride in the first 1 x 1 of a bottleneck, "v1.5" (torchvision) in its 3 x 3.
    """
    return _bottlenecks("resnet50", (3, 4, 6, 3), version, resolution, classes)


def resnet101(version: Version = "v1.5", resolution: Count = 224, classes: Count = 1000) -> Model:
    """ResNet-101: 33 bottlenecks; `version` as in ResNet-50."""
    return _bottlenecks("resnet101", (3, 4, 23, 3), version, resolution, classes)


def resnet152(version: Version = "v1.5", resolution: Count = 224, classes: Count = 1000) -> Model:
    """ResNet-152: 50 bottlenecks; `version` as in ResNet-50."""
    return _bottlenecks("resnet152", (3, 8, 36, 3), version, resolution, classes)


def _basic(kind: str, repeats: tuple[int, ...], resolution: int, classes: int) -> Model:
    stack = _stem(resolution)
    for name, filters, stride in _blocks(repeats):
        _block(stack, name, ((filters, 3, stride), (filters, 3, 1)), stride)
    classifier(stack, classes)
    return Model(kind, {"resolution": resolution, "classes": classes}, stack.layers)


def _bottlenecks(kind: str, repeats: tuple[int, ...], version: str, resolution: int, classes: int) -> Model:
    stack = _stem(resolution)
    for name, filters, stride in _blocks(repeats):
        first, second = (stride, 1) if version == "v1" else (1, stride)
        _block(stack, name, ((filters, 1, first), (filters, 3, second), (4 * filters, 1, 1)), stride)
    classifier(stack, classes)
    return Model(kind, {"version": version, "resolution": resolution, "classes": classes}, stack.layers)


def _stem(resolution: int) -> Stack:
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "stem", filters=64, kernel=7, stride=2, padding=3)
    stack.add(Pooling, "stem.pool", kernel=3, stride=2, padding=1)
    return stack


def _blocks(repeats: tuple[int, ...]) -> list[tuple[str, int, int]]:
    """Name, filters and stride of each block: every stage but the first begins with a stride of 2."""
    return [
        (f"stage{stage + 1}.block{block + 1}", 64 * 2**stage, 2 if stage > 0 and block == 0 else 1)
        for stage, blocks in enumerate(repeats)
        for block in range(blocks)
    ]


def _block(stack: Stack, name: str, convolutions: tuple[tuple[int, int, int], ...], stride: int) -> None:
    entry, last = stack.shape[0], convolutions[-1][0]

    def body() -> None:
        for number, (filters, kernel, step) in enumerate(convolutions, 1):
            convolution_norm(
                stack,
                f"{name}.conv{number}",
                filters=filters,
                kernel=kernel,
                stride=step,
                padding=kernel // 2,
                activation=RELU if number < len(convolutions) else 0,
            )

    def shortcut() -> None:
        convolution_norm(stack, f"{name}.shortcut", filters=last, kernel=1, stride=stride, activation=0)

    stack.residual(f"{name}.add", body, shortcut if stride > 1 or entry != last else None)
    stack.add(Activation, f"{name}.relu")
