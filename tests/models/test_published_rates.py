"""Predicted against published training throughput of one device, and the page that shows it.

Each architecture is predicted by constants that were fitted to the other architectures' rows alone, each device by
those of the other devices; the shipped defaults are the fit to all rows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pytest

from netsim import presets
from netsim.calibration.device import Work, fit, step_work
from netsim.families import FAMILIES
from netsim.hardware import Device, Efficiency
from netsim.models.efficientnet import efficientnet_b0
from netsim.roofline import step_times

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "predicted-rates.md"

# What is free, and where it begins: efficiencies of single kernels (see Efficiency), and 10 us a kernel.
START = {
    "convolution": 0.6,
    "winograd": 0.8,
    "pointwise": 0.6,
    "depthwise": 0.25,
    "dense": 0.7,
    "memory": 0.8,
    "kernel_overhead": 10e-6,
}
TYPICAL_ERROR = 0.6  # of one row, in the logarithm, as the fit takes it against the spread of its constants
ARCHITECTURES = {"resnet50": "resnet", "resnet152": "resnet"}  # variants of one are left out together


class Row(NamedTuple):
    model: str
    architecture: str
    device: str
    precision: str
    batch: int
    work: Work


class Prediction(NamedTuple):
    row: Row
    ratio: float  # predicted over published samples/s


def rows() -> list[Row]:
    found = []
    with (ROOT / "tests/data/published_training_rates.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            kind, *variant = row["model"].split()
            device = replace(presets.device(row["device"]), precision=row["precision"])
            batch = int(row["batch"])
            model = FAMILIES["models"].member(kind)(*variant)
            work = step_work(model, batch, device, batch / float(row["samples_per_s"]))
            architecture = ARCHITECTURES.get(kind, kind)
            found.append(Row(row["model"], architecture, row["device"], row["precision"], batch, work))
    return found


ROWS = rows()
MODELS = list(dict.fromkeys(row.model for row in ROWS))


def fitted(chosen: list[Row]) -> dict[str, float]:
    """The constants fitted to these rows, in which every architecture weighs the same."""
    names = [row.architecture for row in chosen]
    share = len(chosen) / len(set(names)) / TYPICAL_ERROR**2
    return fit([replace(row.work, weight=share / names.count(row.architecture)) for row in chosen], START)


@cache
def left_out(key: str) -> list[Prediction]:
    """Each row, predicted by what was fitted without any row of the same architecture, or device."""
    found = []
    for value in dict.fromkeys(getattr(row, key) for row in ROWS):
        constants = fitted([row for row in ROWS if getattr(row, key) != value])
        mine = [row for row in ROWS if getattr(row, key) == value]
        found += [Prediction(row, row.work.seconds / row.work.predicted(constants)) for row in mine]
    return found


def error(chosen: Iterable[Prediction]) -> float:
    return mean(abs(each.ratio - 1) for each in chosen)


def mean_over_models(chosen: list[Prediction]) -> float:
    return mean(error(each for each in chosen if each.row.model == model) for model in MODELS)


def typical(chosen: Iterable[Prediction]) -> float:
    return exp(mean(log(each.ratio) for each in chosen))


def furthest(chosen: Iterable[Prediction]) -> float:
    return max(max(each.ratio, 1 / each.ratio) for each in chosen)


def table(title: str, key: Callable[[Row], object]) -> list[str]:
    """Markdown: for each value of the key, rows, mean error, typical ratio and the furthest factor."""
    chosen = left_out("architecture")
    lines = [f"| {title} | rows | mean error | predicted / published | furthest off |", "|---|---|---|---|---|"]
    values = dict.fromkeys(key(row) for row in ROWS)
    for value in sorted(values, key=int) if title == "batch" else values:
        group = [each for each in chosen if key(each.row) == value]
        line = f"| {value} | {len(group)} | {error(group):.0%} | {typical(group):.2f} | {furthest(group):.2f} x |"
        lines.append(line)
    return lines


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("model", lambda row: row.model),
        ("device", lambda row: f"{row.device}, {row.precision}"),
        ("batch", lambda row: row.batch),
    ],
)
def test_the_page_shows_the_errors_as_they_are(title: str, key: Callable[[Row], object]) -> None:
    expected = "\n".join(table(title, key))
    assert expected in PAGE.read_text(encoding="utf-8"), f"{PAGE.name} should have\n{expected}"


def test_the_page_shows_the_mean_errors_as_they_are() -> None:
    shown = " ".join(PAGE.read_text(encoding="utf-8").split())
    for key, without in (("architecture", "its architecture"), ("device", "its device")):
        found = left_out(key)
        expected = (
            f"without any row of {without}: {error(found):.1%} over the {len(found)} rows, "
            f"{mean_over_models(found):.1%} over the models, the furthest row off by a factor of {furthest(found):.2f}"
        )
        assert expected in shown, expected


def test_a_rate_predicted_without_its_model_is_off_by_less_than_35_per_cent_in_the_mean() -> None:
    found = left_out("architecture")
    assert error(found) < 0.35
    assert mean_over_models(found) < 0.35


def test_no_rate_predicted_without_its_model_is_further_off_than_a_factor_of_two() -> None:
    assert furthest(left_out("architecture")) < 2


def test_the_defaults_are_the_fit_to_all_rows() -> None:
    device = Device(peak=presets.device("v100").peak, memory_rate=1.0)
    for name, value in fitted(ROWS).items():
        default = device.kernel_overhead if name == "kernel_overhead" else getattr(Efficiency(), name)
        assert default == pytest.approx(value, rel=0.02), name  # two digits are kept


def test_the_arrays_that_are_fitted_give_the_times_that_are_simulated() -> None:
    for row in ROWS[::7]:
        kind, *variant = row.model.split()
        model = FAMILIES["models"].member(kind)(*variant)
        assert row.work.predicted({}) == pytest.approx(step_times(model, row.batch, row.work.device).total, rel=1e-9)


def test_a_depthwise_model_takes_ten_times_what_its_flop_alone_would() -> None:
    device = replace(presets.device("a100_80gb"), precision="fp16")
    model = efficientnet_b0()
    flop_alone = 2 * model.training_macs * 256 / device.peak_rate
    assert step_times(model, 256, device).total > 10 * flop_alone
