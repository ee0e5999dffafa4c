"""Efficiencies and overhead from measured times of layers."""

from __future__ import annotations

import csv
import json
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from netsim import presets
from netsim.calibration.device import Calibration, calibrate
from netsim.cli import main
from netsim.errors import ScenarioError
from netsim.hardware import Device, Efficiency
from netsim.loading import from_table
from netsim.models.mobilenet_v1 import mobilenet_v1
from netsim.profiles import Measured, Profile
from netsim.roofline import layer_time

MODEL, BATCH, BASE = mobilenet_v1(0.5, 128), 64, presets.device("v100")
TRUE = replace(BASE, efficiency=Efficiency(pointwise=0.3, memory=0.75), kernel_overhead=12e-6)


def times_of(device: Device) -> Profile:
    """What a profiler would measure if the roofline were true of this device."""
    times = [layer_time(layer, BATCH, device, first=number == 0) for number, layer in enumerate(MODEL.layers)]
    return tuple(
        Measured(layer=layer.name, forward=time.forward, backward=time.backward)
        for layer, time in zip(MODEL.layers, times, strict=True)
        if layer.kernels
    )


@pytest.fixture(scope="module")
def found() -> Calibration:
    return calibrate(MODEL, BATCH, BASE, times_of(TRUE))


@pytest.fixture
def times(tmp_path: Path) -> Path:
    file = tmp_path / "times.csv"
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["layer", "forward_s", "backward_s"])
        writer.writerows([row.layer, row.forward, row.backward] for row in times_of(TRUE))
    return file


def test_what_bounds_the_layers_is_found_again(found: Calibration) -> None:
    assert found.constants["memory"] == pytest.approx(0.75, rel=0.02)  # held a little towards where the fit began
    assert found.constants["kernel_overhead"] == pytest.approx(12e-6, rel=0.05)


def test_layers_that_the_fit_has_not_seen_are_nearly_as_near(found: Calibration) -> None:
    assert found.fit_error < 0.01
    assert found.fit_error <= found.held_out_error < 0.03


def test_what_no_layer_determines_stays_as_it_was(found: Calibration) -> None:
    assert found.constants["depthwise"] == pytest.approx(BASE.efficiency.depthwise)  # bound by memory throughout
    assert found.device.efficiency.recurrent == BASE.efficiency.recurrent


def test_times_of_the_device_itself_change_nothing() -> None:
    found = calibrate(MODEL, BATCH, BASE, times_of(BASE))
    assert found.constants == pytest.approx(found.start)


def test_one_layer_is_too_few() -> None:
    with pytest.raises(ScenarioError, match="a fit needs 2 at least"):
        calibrate(MODEL, BATCH, BASE, times_of(BASE)[:1])


class Done(NamedTuple):
    status: object
    out: str
    err: str


@pytest.fixture
def netsim(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["netsim", "calibrate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code or 0, *capsys.readouterr())

    return run


def measured(times: Path, model: str) -> list[str]:
    return ["--device", str(times), "--model", model, "--batch", "64", "--base", "v100"]


HALF = ["--set", "width=0.5", "--set", "resolution=128"]


def test_the_command_prints_a_device_that_a_scenario_takes(netsim: Any, times: Path) -> None:
    document = json.loads(netsim(*measured(times, "mobilenet_v1"), *HALF, "--json").out)
    table = tomllib.loads(document["toml"])
    table["cluster"] |= {"workers": 2, "link": "10gbe"}
    scenario = from_table({**table, "job": {"model": "mobilenet_v1", "batch": 64, "strategy": "ring"}})
    device = scenario.cluster.device
    assert device is not None
    after = {row["name"]: row["after"] for row in document["constants"]}
    assert device.efficiency.memory == pytest.approx(after["memory"])
    assert device.kernel_overhead == pytest.approx(after["kernel_overhead_s"])


def test_the_command_prints_the_error_of_layers_that_it_has_not_seen(netsim: Any, times: Path) -> None:
    done = netsim(*measured(times, "mobilenet_v1"), *HALF)
    assert done.status == 0
    assert "mean error of a layer: " in done.out
    assert "[cluster.device.efficiency]" in done.out


def test_all_that_is_missing_is_named_at_once(netsim: Any) -> None:
    done = netsim("--model", "vgg16")
    assert done.status == 2
    assert [line.split(":")[1].strip() for line in done.err.splitlines()] == ["--device", "--batch", "--base"]


def test_a_call_that_names_nothing_is_asked_for_a_log_or_a_device(netsim: Any) -> None:
    done = netsim()
    assert done.status == 2
    assert done.err.splitlines() == ["netsim: LOG: is missing: a log of measurements, or --device TIMES.csv"]


def test_layers_of_another_model_are_refused(netsim: Any, times: Path) -> None:
    done = netsim(*measured(times, "vgg16"))
    assert done.status == 2
    assert "netsim: --device: no layer 'block1.depthwise' in vgg16" in done.err
