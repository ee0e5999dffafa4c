"""Predicted against published training throughput of one device.

No number of the compute model was fitted to these rows: peaks are datasheets', efficiencies those of single kernels.
So each model is left out of whatever could have been fitted, and its error is that of a prediction.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from pathlib import Path
from statistics import mean

import pytest

from netsim import presets
from netsim.models.alexnet import alexnet
from netsim.models.base import Model
from netsim.models.efficientnet import efficientnet_b0
from netsim.models.inception_v3 import inception_v3
from netsim.models.resnet import resnet50, resnet152
from netsim.models.transformer import bert_large
from netsim.models.vgg import vgg16
from netsim.roofline import step_times

MODELS: dict[str, Callable[..., Model]] = {
    build.__name__: build for build in (alexnet, bert_large, efficientnet_b0, inception_v3, resnet50, resnet152, vgg16)
}


def ratios() -> dict[str, list[float]]:
    """Model -> predicted over published samples/s, of each row."""
    found = defaultdict(list)
    with (Path(__file__).parent.parent / "data/published_training_rates.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            kind, *variant = row["model"].split()
            device = replace(presets.device(row["device"]), precision=row["precision"])
            seconds = step_times(MODELS[kind](*variant), int(row["batch"]), device).total
            found[row["model"]].append(int(row["batch"]) / seconds / float(row["samples_per_s"]))
    return found


RATIOS = ratios()


@pytest.mark.parametrize("model", RATIOS)
def test_no_model_is_further_off_than_a_factor_of_two(model: str) -> None:
    typical = exp(mean(log(ratio) for ratio in RATIOS[model]))
    assert 1 / 2 < typical < 2


def test_models_are_off_by_two_fifths_in_the_mean() -> None:
    errors = {model: mean(abs(ratio - 1) for ratio in rows) for model, rows in RATIOS.items()}
    assert mean(errors.values()) < 0.42


def test_a_depthwise_model_takes_ten_times_what_its_flop_alone_would() -> None:
    device = replace(presets.device("a100_80gb"), precision="fp16")
    model = efficientnet_b0()
    flop_alone = 2 * model.training_macs * 256 / device.peak_rate
    assert step_times(model, 256, device).total > 10 * flop_alone
