"""GoogLeNet (Szegedy et al. 2014, arXiv 1409.4842, table 1), as torchvision builds it."""

from __future__ import annotations

from netsim.layers.base import Count
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Dropout
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.models._blocks import convolution_norm
from netsim.models.base import Model, Stack

# Filters of the 1 x 1 branch; of the second (1 x 1, then 3 x 3); of the third; after pooling.
_MODULES = (
    ("3a", 64, (96, 128), (16, 32), 32), ("3b", 128, (128, 192), (32, 96), 64),
    ("4a", 192, (96, 208), (16, 48), 64), ("4b", 160, (112, 224), (24, 64), 64), ("4c", 128, (128, 256), (24, 64), 64),
    ("4d", 112, (144, 288), (32, 64), 64), ("4e", 256, (160, 320), (32, 128), 128),
    ("5a", 256, (160, 320), (32, 128), 128), ("5b", 384, (192, 384), (48, 128), 128),
)  # fmt: skip


def googlenet(resolution: Count = 224, classes: Count = 1000) -> Model:
    """GoogLeNet with batch normalisation, without its auxiliary heads.

    The third branch has a 3 x 3 where the paper has a 5 x 5, as torchvision's and TensorFlow's models do.
    """
    stack = Stack((3, resolution, resolution))
    convolution_norm(stack, "conv1", filters=64, kernel=7, stride=2, padding=3)
    stack.add(Pooling, "pool1", kernel=3, stride=2, ceiling=True)
    convolution_norm(stack, "conv2", filters=64, kernel=1)
    convolution_norm(stack, "conv3", filters=192, kernel=3, padding=1)
    stack.add(Pooling, "pool2", kernel=3, stride=2, ceiling=True)
    for name, single, second, third, pooled in _MODULES:
        if name == "4a":
            stack.add(Pooling, "pool3", kernel=3, stride=2, ceiling=True)
        if name == "5a":
            stack.add(Pooling, "pool4", kernel=2, stride=2, ceiling=True)
        _inception(stack, f"inception{name}", single, second, third, pooled)
    stack.add(GlobalPooling, "pool")
    stack.add(Dropout, "dropout")
    stack.add(Dense, "classifier", units=classes)
    return Model("googlenet", {"resolution": resolution, "classes": classes}, stack.layers)


def _inception(
    stack: Stack, name: str, single: int, second: tuple[int, int], third: tuple[int, int], pooled: int
) -> None:
    def narrow_then_wide(branch: str, filters: tuple[int, int]) -> None:
        convolution_norm(stack, f"{name}.{branch}.reduce", filters=filters[0], kernel=1)
        convolution_norm(stack, f"{name}.{branch}.conv", filters=filters[1], kernel=3, padding=1)

    def pool() -> None:
        stack.add(Pooling, f"{name}.pool", kernel=3, stride=1, padding=1, ceiling=True)
        convolution_norm(stack, f"{name}.pool.conv", filters=pooled, kernel=1)

    stack.join(
        f"{name}.join",
        lambda: convolution_norm(stack, f"{name}.single", filters=single, kernel=1),
        lambda: narrow_then_wide("second", second),
        lambda: narrow_then_wide("third", third),
        pool,
    )
