"""Identities of convolutions, and the worked example of the notes that netsim grew from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.errors import ScenarioError
from netsim.layers.convolution import (
    Convolution,
    DepthwiseSeparableConvolution,
    SpatiallySeparableConvolution,
    TransposedConvolution,
)

ODD = st.sampled_from([1, 3, 5, 7])
FEW = st.integers(1, 32)


def same(channels: int, size: int, filters: int, kernel: int, **fields: int) -> Convolution:
    """A standard convolution that keeps the size of the map."""
    padding = fields.get("dilation", 1) * (kernel // 2)
    return Convolution(
        input_shape=(channels, size, size), filters=filters, kernel=kernel, padding=padding, bias=False, **fields
    )


@given(size=FEW, channels=FEW, filters=FEW, kernel=ODD)
def test_a_standard_convolution_costs_n_m_d_s_k_squared(size: int, channels: int, filters: int, kernel: int) -> None:
    layer = same(channels, size, filters, kernel)
    assert layer.output_shape == (filters, size, size)
    assert layer.macs == size * size * channels * filters * kernel**2
    assert layer.params == kernel**2 * channels * filters


def test_the_worked_example_of_the_notes_has_its_standard_figure() -> None:
    assert same(3, 1024, 12, 5).macs == 943_718_400  # "9 * 10^8"


def test_the_worked_example_of_the_notes_dropped_a_factor_in_its_depthwise_figure() -> None:
    n, d, s, k = 1024, 3, 12, 5
    layer = DepthwiseSeparableConvolution(input_shape=(d, n, n), filters=s, kernel=k, padding=k // 2)
    assert layer.macs == n * n * (k**2 * d + d * s) == 116_391_936
    assert n * n * (d * s + k**2) == 63_963_136  # "6 * 10^7", without the factor D on the depthwise term


@given(size=FEW, channels=FEW, filters=FEW, kernel=ODD)
def test_depthwise_separable_over_standard_is_1_over_s_plus_1_over_k_squared(
    size: int, channels: int, filters: int, kernel: int
) -> None:
    pair = DepthwiseSeparableConvolution(
        input_shape=(channels, size, size), filters=filters, kernel=kernel, padding=kernel // 2
    )
    standard = same(channels, size, filters, kernel)
    assert pair.output_shape == standard.output_shape
    assert pair.macs / standard.macs == pytest.approx(1 / filters + 1 / kernel**2)
    assert pair.params / standard.params == pytest.approx(1 / filters + 1 / kernel**2)


@given(size=FEW, channels=FEW, kernel=ODD)
def test_k_by_1_after_1_by_k_costs_two_over_k_of_k_by_k_at_equal_channels(
    size: int, channels: int, kernel: int
) -> None:
    pair = SpatiallySeparableConvolution(
        input_shape=(channels, size, size), filters=channels, kernel=kernel, padding=kernel // 2
    )
    standard = same(channels, size, channels, kernel)
    assert pair.output_shape == standard.output_shape
    assert pair.macs * kernel == 2 * standard.macs
    assert pair.params * kernel == 2 * standard.params


@given(size=FEW, channels=FEW, middle=FEW, filters=FEW, kernel=ODD)
def test_a_spatially_separable_convolution_costs_n_m_times_k_d_c_plus_k_c_s(
    size: int, channels: int, middle: int, filters: int, kernel: int
) -> None:
    layer = SpatiallySeparableConvolution(
        input_shape=(channels, size, size), filters=filters, kernel=kernel, middle=middle, padding=kernel // 2
    )
    assert layer.params == kernel * channels * middle + kernel * middle * filters
    assert layer.macs == size * size * layer.params


def test_with_one_channel_a_spatially_separable_convolution_costs_2_k_n_m() -> None:
    layer = SpatiallySeparableConvolution(input_shape=(1, 50, 40), filters=1, kernel=9, padding=4)
    assert layer.macs == 2 * 9 * 50 * 40


@given(size=FEW, channels=FEW, kernel=ODD)
def test_grouped_with_groups_equal_to_channels_is_the_depthwise_half(size: int, channels: int, kernel: int) -> None:
    grouped = same(channels, size, channels, kernel, groups=channels)
    depthwise, _ = DepthwiseSeparableConvolution(
        input_shape=(channels, size, size), filters=7, kernel=kernel, padding=kernel // 2
    ).parts
    assert (grouped.macs, grouped.params) == (depthwise.macs, depthwise.params)


@given(groups=st.sampled_from([1, 2, 4, 8]), kernel=ODD)
def test_groups_divide_macs_and_weights(groups: int, kernel: int) -> None:
    grouped, whole = same(16, 9, 24, kernel, groups=groups), same(16, 9, 24, kernel)
    assert (grouped.macs * groups, grouped.params * groups) == (whole.macs, whole.params)


@given(size=st.integers(16, 32), dilation=st.integers(1, 4))
def test_dilation_changes_the_reach_but_not_the_cost(size: int, dilation: int) -> None:
    dilated, plain = same(8, size, 8, 3, dilation=dilation), same(8, size, 8, 3)
    assert (dilated.output_shape, dilated.macs, dilated.params) == (plain.output_shape, plain.macs, plain.params)


def test_dilation_without_padding_shrinks_the_map_as_a_wider_kernel_does() -> None:
    dilated = Convolution(input_shape=(8, 20, 20), filters=8, kernel=3, dilation=3)
    wide = Convolution(input_shape=(8, 20, 20), filters=8, kernel=7)
    assert dilated.output_shape == wide.output_shape


def test_a_stride_of_two_quarters_the_macs_of_an_even_map() -> None:
    assert 4 * same(8, 32, 8, 3, stride=2).macs == same(8, 32, 8, 3).macs


def test_a_rectangular_kernel_costs_its_area() -> None:
    layer = Convolution(input_shape=(4, 10, 12), filters=6, kernel=(3, 5), padding=(1, 2), bias=False)
    assert layer.output_shape == (6, 10, 12)
    assert layer.macs == 10 * 12 * 4 * 6 * 15


def test_a_convolution_in_one_dimension_costs_length_times_kernel() -> None:
    layer = Convolution(input_shape=(4, 100), filters=6, kernel=5, padding=2)
    assert layer.output_shape == (6, 100)
    assert (layer.macs, layer.params) == (100 * 4 * 6 * 5, 4 * 6 * 5 + 6)


@given(size=st.integers(4, 20), kernel=ODD, stride=st.integers(1, 3))
def test_a_transposed_convolution_undoes_the_shape_of_the_convolution_with_the_same_macs(
    size: int, kernel: int, stride: int
) -> None:
    grown = TransposedConvolution(input_shape=(8, size, size), filters=4, kernel=kernel, stride=stride, bias=False)
    back = Convolution(input_shape=grown.output_shape, filters=8, kernel=kernel, stride=stride, bias=False)
    assert back.output_shape == grown.input_shape
    assert (back.macs, back.params) == (grown.macs, grown.params)


def test_output_padding_adds_to_the_axis_that_it_is_given_for() -> None:
    fields = {"input_shape": (8, 5, 6), "filters": 4, "kernel": 3, "stride": 2}
    plain, both, one = (
        TransposedConvolution(**fields, output_padding=padding).output_shape  # type: ignore[arg-type]
        for padding in (0, 1, (0, 1))
    )
    assert (plain, both, one) == ((4, 11, 13), (4, 12, 14), (4, 11, 14))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"filters": 0, "kernel": 3}, "filters: 0 is not from 1"),
        ({"filters": 8, "kernel": (3, 0)}, "kernel: .* is not from 1"),
        ({"filters": 8, "kernel": 3, "stride": 0}, "stride: 0"),
        ({"filters": 8, "kernel": 9}, "input_shape: convolution turns .* which is empty"),
        ({"filters": 8, "kernel": 3, "groups": 3}, "groups: 3 must divide the 4 channels"),
        ({"filters": 8, "kernel": (3, 3, 3)}, "kernel: .* has 3 axes, the map 2"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused_with_its_field(fields: dict[str, int], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        Convolution(input_shape=(4, 6, 6), **fields)  # type: ignore[arg-type]


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ScenarioError) as refused:
        Convolution(input_shape=(4, 6, 6), filters=0, kernel=-1, stride=0)
    assert [problem.path for problem in refused.value.problems] == ["filters", "kernel", "stride"]
