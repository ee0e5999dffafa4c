"""The time of a layer: the roofline's two legs, the overhead, the backward pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netsim import presets
from netsim.hardware import Device, Efficiency, Peak
from netsim.layers.convolution import Convolution, DepthwiseSeparableConvolution
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation
from netsim.layers.embedding import Embedding
from netsim.layers.normalisation import BatchNormalisation
from netsim.models.mobilenet_v1 import mobilenet_v1
from netsim.roofline import bytes_touched, layer_time, step_times

PLAIN = Device(
    name="plain",
    peak=Peak(fp32=1e12, fp16=4e12),
    memory_rate=1e11,
    efficiency=Efficiency(dense=0.5, elementwise=1.0, memory=1.0),
    kernel_overhead=0.0,
)
SQUARE = Dense(input_shape=(1000,), units=1000, bias=False)


def test_a_large_matrix_product_takes_its_flop_over_the_share_of_the_peak() -> None:
    batch = 4096
    time = layer_time(SQUARE, batch, PLAIN)
    assert time.bound == "compute"
    assert time.forward == pytest.approx(2 * SQUARE.macs * batch / (1e12 * 0.5))


def test_a_matrix_product_for_one_sample_takes_the_reading_of_its_weights() -> None:
    time = layer_time(SQUARE, 1, PLAIN)
    assert time.bound == "memory"
    assert time.forward == pytest.approx((1_000_000 + 1000 + 1000) * 4 / 1e11)


def test_the_overhead_is_paid_once_a_kernel() -> None:
    slow_start = replace(PLAIN, kernel_overhead=1.0)
    pair = DepthwiseSeparableConvolution(input_shape=(8, 4, 4), filters=8, kernel=3, padding=1)
    assert layer_time(pair, 1, slow_start).forward == pytest.approx(2.0, rel=1e-3)
    assert layer_time(pair, 1, slow_start).bound == "overhead"


def test_backward_costs_a_forward_for_the_weights_and_one_for_the_input() -> None:
    time = layer_time(SQUARE, 64, PLAIN)
    assert time.backward == pytest.approx(2 * time.forward)


def test_the_first_layer_of_a_model_has_no_input_gradient() -> None:
    time = layer_time(SQUARE, 64, PLAIN, first=True)
    assert time.backward == pytest.approx(time.forward)


def test_a_layer_without_parameters_has_an_input_gradient_only() -> None:
    time = layer_time(Activation(input_shape=(1000,)), 64, PLAIN)
    assert time.backward == pytest.approx(time.forward)


def test_an_embedding_at_the_front_still_has_its_weights_gradient() -> None:
    time = layer_time(Embedding(input_shape=(32,), vocabulary=1000, features=64), 8, PLAIN, first=True)
    assert time.backward == pytest.approx(time.forward)


def test_an_embedding_takes_the_same_time_whatever_its_vocabulary() -> None:
    small, large = (Embedding(input_shape=(32,), vocabulary=size, features=64) for size in (1000, 1_000_000))
    assert layer_time(small, 8, PLAIN) == layer_time(large, 8, PLAIN)


def test_half_precision_halves_the_bytes_and_uses_its_own_peak() -> None:
    half = replace(PLAIN, precision="fp16")
    assert layer_time(SQUARE, 1, half).forward == pytest.approx(layer_time(SQUARE, 1, PLAIN).forward / 2)
    assert layer_time(SQUARE, 4096, half).forward == pytest.approx(layer_time(SQUARE, 4096, PLAIN).forward / 4)


def test_a_depthwise_convolution_is_bound_by_memory_where_a_standard_one_is_by_compute() -> None:
    device = presets.device("v100")
    depthwise = Convolution(input_shape=(512, 14, 14), filters=512, kernel=3, padding=1, groups=512)
    standard = Convolution(input_shape=(512, 14, 14), filters=512, kernel=3, padding=1)
    assert layer_time(depthwise, 128, device).bound == "memory"
    assert layer_time(standard, 128, device).bound == "compute"


def test_step_times_are_those_of_the_layers_and_an_update_of_all_parameters() -> None:
    model = mobilenet_v1(0.25, 128)
    times = step_times(model, 8, PLAIN)
    assert times.forward[5] == layer_time(model.layers[5], 8, PLAIN).forward
    assert times.backward[0] == layer_time(model.layers[0], 8, PLAIN, first=True).backward
    assert times.update == pytest.approx(5 * 4 * model.params / 1e11)
    assert times.total == pytest.approx(sum(times.forward) + sum(times.backward) + times.update)


def test_a_larger_batch_is_never_faster_and_never_slower_a_sample() -> None:
    model, device = mobilenet_v1(), presets.device("p100")
    totals = [step_times(model, batch, device).total for batch in (1, 2, 4, 8, 16, 32, 64)]
    assert totals == sorted(totals)
    per_sample = [total / 2**power for power, total in enumerate(totals)]
    assert per_sample == sorted(per_sample, reverse=True)


def test_three_by_three_in_fp32_may_use_winograd_and_in_half_precision_does_not() -> None:
    def seconds_a_flop(device: Device, kernel: int) -> float:
        layer = Convolution(input_shape=(256, 14, 14), filters=256, kernel=kernel, padding=kernel // 2, bias=False)
        return layer_time(layer, 4096, device).forward / layer.macs

    full = replace(PLAIN, efficiency=Efficiency(winograd=0.8, convolution=0.5))
    half = replace(full, precision="fp16")
    assert seconds_a_flop(full, 5) / seconds_a_flop(full, 3) == pytest.approx(0.8 / 0.5)
    assert seconds_a_flop(half, 5) == pytest.approx(seconds_a_flop(half, 3))


def test_batch_normalisation_reads_its_input_twice_and_writes_it_once() -> None:
    layer = BatchNormalisation(input_shape=(8, 10, 10))
    assert bytes_touched(layer, 16, PLAIN) == 4 * (3 * 16 * 800 + 16)


def test_normalisation_has_an_efficiency_of_its_own() -> None:
    layer = BatchNormalisation(input_shape=(8, 4, 4))
    slow, fast = (
        layer_time(layer, 10**6, replace(PLAIN, memory_rate=1e30, efficiency=Efficiency(normalisation=share)))
        for share in (0.01, 0.02)
    )
    assert slow.forward - fast.forward == pytest.approx(fast.forward - layer.kernels * PLAIN.kernel_overhead)
    other = replace(PLAIN, memory_rate=1e30, efficiency=Efficiency(normalisation=0.02, elementwise=0.01))
    assert layer_time(layer, 10**6, other) == fast


def test_an_efficiency_may_be_a_curve_over_the_batch() -> None:
    curve = replace(PLAIN, efficiency=Efficiency(dense=((4, 0.25), (64, 0.75))))
    at = {batch: curve.rate("dense", batch) / curve.peak_rate for batch in (1, 4, 16, 64, 1000)}
    assert at == pytest.approx({1: 0.25, 4: 0.25, 16: 0.5, 64: 0.75, 1000: 0.75})


def test_a_device_that_does_not_hold_its_clock_computes_slower_by_that_share() -> None:
    held = replace(PLAIN, sustained=0.5)
    assert held.rate("dense", 8) == PLAIN.rate("dense", 8) / 2
    assert layer_time(SQUARE, 1, held) == layer_time(SQUARE, 1, PLAIN)  # bound by memory
