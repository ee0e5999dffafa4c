"""Predicted against published training throughput of one device, and the page that shows it.

No number of the compute model was fitted to these rows: peaks are datasheets', efficiencies those of single kernels or
assumptions. So each model is left out of whatever could have been fitted, and its error is that of a prediction.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pytest

from netsim import presets
from netsim.families import FAMILIES
from netsim.models.efficientnet import efficientnet_b0
from netsim.roofline import step_times

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "predicted-rates.md"
FULL = 16  # samples from which on a device is busy


class Row(NamedTuple):
    model: str
    device: str
    precision: str
    batch: int
    ratio: float  # predicted over published samples/s


def rows() -> list[Row]:
    found = []
    with (ROOT / "tests/data/published_training_rates.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            kind, *variant = row["model"].split()
            device = replace(presets.device(row["device"]), precision=row["precision"])
            batch = int(row["batch"])
            seconds = step_times(FAMILIES["models"].member(kind)(*variant), batch, device).total
            ratio = batch / seconds / float(row["samples_per_s"])
            found.append(Row(row["model"], row["device"], row["precision"], batch, ratio))
    return found


ROWS = rows()
BUSY = [row for row in ROWS if row.batch >= FULL]
MODELS = list(dict.fromkeys(row.model for row in BUSY))


def error(chosen: Iterable[Row]) -> float:
    return mean(abs(row.ratio - 1) for row in chosen)


def typical(chosen: Iterable[Row]) -> float:
    return exp(mean(log(row.ratio) for row in chosen))


def table(title: str, chosen: list[Row], key: Callable[[Row], object]) -> list[str]:
    """Markdown: for each value of the key, rows, mean error, typical ratio and the furthest factor."""
    lines = [f"| {title} | rows | mean error | predicted / published | furthest off |", "|---|---|---|---|---|"]
    for value in dict.fromkeys(map(key, chosen)):
        group = [row for row in chosen if key(row) == value]
        furthest = max(max(row.ratio, 1 / row.ratio) for row in group)
        lines.append(f"| {value} | {len(group)} | {error(group):.0%} | {typical(group):.2f} | {furthest:.2f} x |")
    return lines


@pytest.mark.parametrize(
    ("title", "chosen", "key"),
    [
        ("model", BUSY, lambda row: row.model),
        ("device", BUSY, lambda row: f"{row.device}, {row.precision}"),
        ("batch", sorted((row for row in ROWS if row.batch < FULL), key=lambda row: row.batch), lambda row: row.batch),
    ],
)
def test_the_page_shows_the_errors_as_they_are(title: str, chosen: list[Row], key: Callable[[Row], object]) -> None:
    shown = PAGE.read_text(encoding="utf-8")
    expected = "\n".join(table(title, chosen, key))
    assert expected in shown, f"{PAGE.name} should have\n{expected}"


def test_the_page_shows_the_mean_errors_as_they_are() -> None:
    by_model = mean(error(row for row in BUSY if row.model == model) for model in MODELS)
    shown = PAGE.read_text(encoding="utf-8").replace("\n", " ")
    for expected in (
        f"{error(BUSY):.1%} over the {len(BUSY)} rows, {by_model:.1%} over the models",
        f"{error(ROWS):.1%} over all {len(ROWS)} rows",
    ):
        assert expected in shown, expected


@pytest.mark.parametrize("model", MODELS)
def test_no_model_is_typically_further_off_than_a_factor_of_two(model: str) -> None:
    assert 1 / 2 < typical(row for row in BUSY if row.model == model) < 2


def test_a_busy_device_is_off_by_35_per_cent_in_the_mean_of_all_rows() -> None:
    assert error(BUSY) < 0.35


def test_few_samples_are_predicted_too_fast_the_fewer_the_more() -> None:
    by_batch = [typical(row for row in ROWS if row.batch == batch) for batch in (1, 2, 4, 8)]
    assert by_batch == sorted(by_batch, reverse=True) and by_batch[-1] > 1


def test_a_depthwise_model_takes_ten_times_what_its_flop_alone_would() -> None:
    device = replace(presets.device("a100_80gb"), precision="fp16")
    model = efficientnet_b0()
    flop_alone = 2 * model.training_macs * 256 / device.peak_rate
    assert step_times(model, 256, device).total > 10 * flop_alone
