"""What holds for every member of the family of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim import presets
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, kind_of, parameters
from netsim.layers.base import Composite, Layer
from netsim.roofline import layer_time

KINDS = FAMILIES["layers"].names()
SHAPES = [(), (24,), (24, 16), (8, 12, 12), (4, 6, 6, 6), (2, 2, 2, 2, 2)]


def smallest_fields(kind: str) -> Mapping[str, Any]:
    """A value for each field that has no default."""
    required = {
        name: each.annotation
        for name, each in parameters(FAMILIES["layers"].member(kind)).items()
        if each.default is each.empty and name != "input_shape"
    }
    return {name: (2,) if "tuple" in str(hint) and "int |" not in str(hint) else 2 for name, hint in required.items()}


def buildable(kind: str) -> list[Layer]:
    found = []
    for shape in SHAPES:
        for fields in (smallest_fields(kind), {**smallest_fields(kind), "kernel": 2}):
            try:
                found.append(FAMILIES["layers"].build({"kind": kind, "input_shape": shape, **fields}))
            except ScenarioError:
                continue
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_can_be_built_from_a_table_and_knows_its_kind(kind: str) -> None:
    layers = buildable(kind)
    assert layers
    assert {layer.kind for layer in layers} == {kind} == {kind_of(layer) for layer in layers}


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_whole_numbers_that_are_never_negative(kind: str) -> None:
    for layer in buildable(kind):
        counts = [layer.params, layer.macs, layer.elementwise, layer.kernels, layer.params_read, layer.gradient_bytes]
        assert all(isinstance(count, int) and count >= 0 for count in [*counts, *layer.output_shape])


@pytest.mark.parametrize("kind", KINDS)
def test_a_composition_is_the_sum_of_parts_that_are_none(kind: str) -> None:
    for layer in buildable(kind):
        assert sum(part.macs for part in layer.parts) == layer.macs
        assert sum(part.params for part in layer.parts) == layer.params
        assert not any(isinstance(part, Composite) for part in layer.parts)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_hold_every_parameter_and_none_is_empty(kind: str) -> None:
    for layer in buildable(kind):
        assert sum(layer.tensors) == layer.params
        assert all(isinstance(numbers, int) and numbers > 0 for numbers in layer.tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_takes_time_in_proportion_to_no_more_than_its_batch(kind: str) -> None:
    device = presets.device("v100")
    for layer in buildable(kind):
        one, many = layer_time(layer, 1, device), layer_time(layer, 16, device)
        assert 0 <= one.forward <= many.forward <= 16 * one.forward
        assert 0 <= one.backward <= many.backward <= 16 * one.backward


@given(
    kind=st.sampled_from(KINDS),
    shape=st.lists(st.integers(-2, 9), max_size=6).map(tuple),
    number=st.integers(-2, 9),
)
def test_a_layer_of_any_numbers_is_built_or_refused_with_a_problem(
    kind: str, shape: tuple[int, ...], number: int
) -> None:
    member = FAMILIES["layers"].member(kind)
    fields = {name: number if value == 2 else (number,) for name, value in smallest_fields(kind).items()}
    try:
        layer = member(input_shape=shape, **fields)
    except ScenarioError as refused:
        assert refused.problems
    else:
        assert min(layer.output_shape) >= 1
