"""A user's own PyTorch modules, counted against PyTorch's own counters. Skipped where PyTorch is not installed."""

from __future__ import annotations

from typing import Any

import pytest

from netsim.errors import ScenarioError
from netsim.loading import from_table
from netsim.models import from_torch

torch = pytest.importorskip("torch")
nn = torch.nn


def cnn() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 16, (3, 5), padding="same"),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16, bias=False),
        nn.Conv2d(16, 32, 3, padding=2, dilation=2, groups=4),
        nn.GroupNorm(4, 32),
        nn.SiLU(),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.ConvTranspose2d(32, 8, 4, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(8, 10),
    )


class Transformer(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 32)
        block = nn.TransformerEncoderLayer(32, nhead=4, dim_feedforward=64, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 2)
        self.scores = nn.Linear(32, 100, bias=False)
        self.scores.weight = self.words.weight

    def forward(self, tokens: Any) -> Any:
        return self.scores(self.blocks(self.words(tokens)))


class Recurrent(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(12, 16, num_layers=2, bidirectional=True, proj_size=6)

    def forward(self, steps: Any) -> Any:
        return self.cells(steps.transpose(0, 1))[0]


def counted(module: Any, example: Any) -> tuple[int, float]:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module(example)
    return sum(each.numel() for each in module.parameters()), counter.get_total_flops() / 2 / len(example)


@pytest.mark.parametrize(
    ("module", "example"),
    [(cnn(), torch.zeros(2, 3, 33, 33)), (Transformer(), torch.zeros(2, 9, dtype=torch.long))],
    ids=["cnn", "transformer"],
)
def test_parameters_and_macs_are_those_of_an_independent_counter(module: Any, example: Any) -> None:
    model = from_torch(module, example)
    assert (model.params, model.macs) == counted(module, example)


def test_the_options_of_a_module_are_a_model_in_a_scenario() -> None:
    model = from_torch(cnn(), torch.zeros(2, 3, 33, 33), name="mine")
    job = {"model": model.options, "batch": 1, "strategy": "ring"}
    cluster = {"workers": 2, "device": "v100", "link": "10gbe"}
    assert from_table({"cluster": cluster, "job": job}).job.model == model


def test_every_layer_has_the_name_of_its_module_and_its_shape() -> None:
    layers = {layer.name: layer for layer in from_torch(cnn(), torch.zeros(2, 3, 33, 33)).layers}
    assert layers["0"].output_shape == (16, 33, 33)
    assert layers["3"].work == "depthwise"
    assert layers["12"].output_shape == (10,)


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # PyTorch says which of its kernels it takes
def test_a_stack_of_cells_becomes_a_layer_each() -> None:
    module = Recurrent()
    model = from_torch(module, torch.zeros(2, 7, 12))
    assert [layer.name for layer in model.layers] == ["cells.1", "cells.2"]
    assert model.params == sum(each.numel() for each in module.parameters())
    assert model.layers[-1].output_shape == (7, 12)


def test_a_shared_weight_is_exchanged_once() -> None:
    layers = from_torch(Transformer(), torch.zeros(2, 9, dtype=torch.long)).layers
    assert (layers[0].params, layers[-1].params, layers[-1].macs) == (3200, 0, 9 * 3200)


def test_a_kind_of_module_that_is_not_known_is_named_with_its_place() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.Bilinear(4, 4, 4))
    module.forward = lambda x: module[1](module[0](x), x)
    with pytest.raises(ScenarioError, match="1: no layer for a Bilinear"):
        from_torch(module, torch.zeros(2, 4))
    assert from_torch(module, torch.zeros(2, 4), outside=True).params == 20


def test_products_outside_of_modules_are_refused_unless_left_out_on_purpose() -> None:
    module = nn.Sequential(nn.Linear(4, 4))
    module.forward = lambda x: module[0](x) @ torch.ones(4, 400)
    with pytest.raises(ScenarioError, match="1,600 of 1,616 MACs a sample are done outside of modules"):
        from_torch(module, torch.zeros(2, 4))
    assert from_torch(module, torch.zeros(2, 4), outside=True).macs == 16


def test_a_module_that_is_called_twice_is_two_layers_with_one_weight() -> None:
    once = nn.Linear(4, 4)
    model = from_torch(nn.Sequential(once, nn.ReLU(), once), torch.zeros(2, 4))
    assert (model.params, model.macs, len(model.layers)) == (20, 32, 3)
