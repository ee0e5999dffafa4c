"""Models as lists of layers: how they are stacked, and what is refused."""

from __future__ import annotations

import pytest

from netsim.errors import ScenarioError
from netsim.layers.convolution import Convolution
from netsim.layers.dense import Dense
from netsim.models.base import Model, Stack
from netsim.models.inception_v3 import inception_v3
from netsim.models.lightrnn import lightrnn
from netsim.models.mobilenet_v1 import mobilenet_v1


def test_each_layer_takes_the_shape_of_the_one_before() -> None:
    stack = Stack((3, 8, 8))
    assert stack.add(Convolution, "a", filters=4, kernel=3) == (4, 6, 6)
    assert stack.add(Convolution, "b", filters=2, kernel=3) == (2, 4, 4)
    assert [layer.input_shape for layer in stack.layers] == [(3, 8, 8), (4, 6, 6)]


def test_branches_start_at_the_same_shape_and_lie_side_by_side() -> None:
    stack = Stack((3, 8, 8))
    shape = stack.join(
        "join",
        lambda: stack.add(Convolution, "a", filters=4, kernel=1),
        lambda: stack.add(Convolution, "b", filters=5, kernel=3, padding=1),
    )
    assert shape == (9, 8, 8)
    assert [layer.input_shape[0] for layer in stack.layers] == [3, 3, 4]


def test_a_residual_whose_branches_differ_in_shape_is_refused() -> None:
    stack = Stack((3, 8, 8))
    with pytest.raises(ScenarioError, match=r"add adds \(4, 8, 8\) to \(3, 8, 8\)"):
        stack.residual("add", lambda: stack.add(Convolution, "a", filters=4, kernel=1))


def test_a_model_needs_layers_with_names_of_their_own() -> None:
    twin = Dense(input_shape=(4,), units=4, name="twin")
    with pytest.raises(ScenarioError, match="nothing has no layers"):
        Model("nothing", {}, ())
    with pytest.raises(ScenarioError, match="several layers are named 'twin'"):
        Model("twins", {}, (twin, twin))


def test_an_image_that_is_too_small_is_refused_with_the_layer_that_empties_it() -> None:
    with pytest.raises(ScenarioError, match=r"layer conv2a: input_shape: convolution turns .* which is empty"):
        inception_v3(resolution=5)


def test_an_option_that_no_layer_can_take_is_refused_with_the_layer() -> None:
    with pytest.raises(ScenarioError, match="layer embedding: features: 3 cannot be split in two halves"):
        lightrnn(embedding=3, form="split")


@pytest.mark.parametrize("width", [0.0, -1.0, float("nan"), float("inf")])
def test_a_width_that_makes_no_channels_is_refused(width: float) -> None:
    with pytest.raises(ScenarioError, match=r"width: makes .* filters"):
        mobilenet_v1(width)
