"""Rates that were measured after the constants were fitted, on a device that no row of the fit is from."""

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
from netsim.families import FAMILIES
from netsim.models.base import Model
from netsim.roofline import step_times

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "predicted-rates.md"


class Row(NamedTuple):
    model: str
    precision: str
    batch: int
    params: int
    ratio: float  # predicted over measured samples/s


@cache
def model_of(kind: str) -> Model:
    made: Model = FAMILIES["models"].member(kind)()
    return made


def rows() -> list[Row]:
    found = []
    with (ROOT / "tests/data/measured_h200.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            device = replace(presets.device(row["device"]), precision=row["precision"])
            batch = int(row["batch"])
            predicted = batch / step_times(model_of(row["model"]), batch, device).total
            ratio = predicted / float(row["samples_per_s"])
            found.append(Row(row["model"], row["precision"], batch, int(row["params"]), ratio))
    return found


ROWS = rows()


def figures(ratios: Iterable[float]) -> str:
    """Rows, mean error, typical ratio and the furthest factor, as cells."""
    found = list(ratios)
    error, typical = mean(abs(ratio - 1) for ratio in found), exp(mean(map(log, found)))
    return f"{len(found)} | {error:.0%} | {typical:.2f} | {max(max(ratio, 1 / ratio) for ratio in found):.2f} x |"


def size(row: Row) -> str:
    return f"{row.precision}, " + ("4 or 32" if row.batch in (4, 32) else "16 or 128")


@pytest.mark.parametrize(("title", "key"), [("precision, batch", size), ("model", lambda row: row.model)])
def test_the_page_shows_the_errors_as_they_are(title: str, key: Callable[[Row], str]) -> None:
    lines = [f"| {title} | rows | mean error | predicted / measured | furthest off |", "|---|---|---|---|---|"]
    for value in dict.fromkeys(map(key, ROWS)):
        lines.append(f"| {value} | " + figures(row.ratio for row in ROWS if key(row) == value))
    lines.append("| all | " + figures(row.ratio for row in ROWS))
    expected = "\n".join(lines)
    assert expected in PAGE.read_text(encoding="utf-8"), f"{PAGE.name} should have\n{expected}"


def test_a_device_that_no_constant_is_from_is_as_far_off_as_the_page_says_of_unseen_devices() -> None:
    assert len(ROWS) == 114
    assert mean(abs(row.ratio - 1) for row in ROWS) < 0.30


def test_the_models_that_were_measured_have_the_parameters_that_netsim_counts() -> None:
    assert all(model_of(row.model).params == row.params for row in ROWS)
