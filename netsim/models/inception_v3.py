"""Inception V3 (Szegedy et al. 2015, arXiv 1512.00567); its 1 x 7 and 7 x 1 pairs are spatially separable."""

from __future__ import annotations

from collections.abc import Callable

from netsim.layers.base import Count
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Dropout
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.models._blocks import convolution_norm
from netsim.models.base import Model, Stack

Kernel = int | tuple[int, int]
Branch = Callable[[], None]


def inception_v3(auxiliary: bool = False, resolution: Count = 299, classes: Count = 1000) -> Model:
    """Inception V3. `auxiliary`: with the second head in the middle, which runs in training only."""
    stack = Stack((3, resolution, resolution))
    _stem(stack)
    for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        _module_a(stack, f"mixed{name}", pooled)
    _reduction_a(stack, "mixed6a")
    for name, inside in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        _module_b(stack, f"mixed{name}", inside)
    if auxiliary:
        _auxiliary_head(stack, classes)
    _reduction_b(stack, "mixed7a")
    for name in ("7b", "7c"):
        _module_c(stack, f"mixed{name}")
    stack.add(GlobalPooling, "pool")
    stack.add(Dropout, "dropout")
    stack.add(Dense, "classifier", units=classes)
    options = {"auxiliary": auxiliary, "resolution": resolution, "classes": classes}
    return Model("inception_v3", options, stack.layers)


def _stem(stack: Stack) -> None:
    convolution_norm(stack, "conv1a", filters=32, kernel=3, stride=2)
    convolution_norm(stack, "conv2a", filters=32, kernel=3)
    convolution_norm(stack, "conv2b", filters=64, kernel=3, padding=1)
    stack.add(Pooling, "pool1", kernel=3, stride=2)
    convolution_norm(stack, "conv3b", filters=80, kernel=1)
    convolution_norm(stack, "conv4a", filters=192, kernel=3)
    stack.add(Pooling, "pool2", kernel=3, stride=2)


def _chain(stack: Stack, name: str, *convolutions: tuple[int, Kernel], reduce: bool = False) -> Branch:
    """A branch of convolutions (filters, kernel) that keep the size; with `reduce` the last halves it."""

    def branch() -> None:
        for number, (filters, kernel) in enumerate(convolutions, 1):
            last = reduce and number == len(convolutions)
            padding = tuple(axis // 2 for axis in kernel) if isinstance(kernel, tuple) else kernel // 2
            fields = {"stride": 2} if last else {"padding": padding}
            convolution_norm(stack, f"{name}.conv{number}", filters=filters, kernel=kernel, **fields)

    return branch


def _pooled(stack: Stack, name: str, filters: int) -> Branch:
    def branch() -> None:
        stack.add(Pooling, f"{name}.pool", kernel=3, stride=1, padding=1)
        convolution_norm(stack, f"{name}.pool.conv", filters=filters, kernel=1)

    return branch


def _module_a(stack: Stack, name: str, pooled: int) -> None:
    stack.join(
        f"{name}.join",
        _chain(stack, f"{name}.single", (64, 1)),
        _chain(stack, f"{name}.five", (48, 1), (64, 5)),
        _chain(stack, f"{name}.double", (64, 1), (96, 3), (96, 3)),
        _pooled(stack, name, pooled),
    )


def _reduction_a(stack: Stack, name: str) -> None:
    stack.join(
        f"{name}.join",
        _chain(stack, f"{name}.three", (384, 3), reduce=True),
        _chain(stack, f"{name}.double", (64, 1), (96, 3), (96, 3), reduce=True),
        lambda: _halved(stack, name),
    )


def _module_b(stack: Stack, name: str, inside: int) -> None:
    row, column = (1, 7), (7, 1)
    stack.join(
        f"{name}.join",
        _chain(stack, f"{name}.single", (192, 1)),
        _chain(stack, f"{name}.seven", (inside, 1), (inside, row), (192, column)),
        _chain(stack, f"{name}.double", (inside, 1), (inside, column), (inside, row), (inside, column), (192, row)),
        _pooled(stack, name, 192),
    )


def _reduction_b(stack: Stack, name: str) -> None:
    stack.join(
        f"{name}.join",
        _chain(stack, f"{name}.three", (192, 1), (320, 3), reduce=True),
        _chain(stack, f"{name}.seven", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), reduce=True),
        lambda: _halved(stack, name),
    )


def _module_c(stack: Stack, name: str) -> None:
    def fork(branch: str, *convolutions: tuple[int, Kernel]) -> Branch:
        def build() -> None:
            _chain(stack, f"{name}.{branch}", *convolutions)()
            stack.join(
                f"{name}.{branch}.join",
                _chain(stack, f"{name}.{branch}.row", (384, (1, 3))),
                _chain(stack, f"{name}.{branch}.column", (384, (3, 1))),
            )

        return build

    stack.join(
        f"{name}.join",
        _chain(stack, f"{name}.single", (320, 1)),
        fork("three", (384, 1)),
        fork("double", (448, 1), (384, 3)),
        _pooled(stack, name, 192),
    )


def _halved(stack: Stack, name: str) -> None:
    stack.add(Pooling, f"{name}.pool", kernel=3, stride=2)


def _auxiliary_head(stack: Stack, classes: int) -> None:
    main = stack.shape
    stack.add(Pooling, "auxiliary.pool", kernel=5, stride=3)
    convolution_norm(stack, "auxiliary.conv1", filters=128, kernel=1)
    convolution_norm(stack, "auxiliary.conv2", filters=768, kernel=5)
    stack.add(GlobalPooling, "auxiliary.mean")
    stack.add(Dense, "auxiliary.classifier", units=classes)
    stack.shape = main
