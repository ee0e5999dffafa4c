"""A user's own PyTorch modules, counted against PyTorch's own counters. Skipped where PyTorch is not installed."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from netsim.errors import ScenarioError
from netsim.loading import from_table
from netsim.models import from_torch
from netsim.models._onnx import from_onnx

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
    with pytest.raises(ScenarioError, match="1: no layer for a Bilinear\\nunknown: "):
        from_torch(module, torch.zeros(2, 4))
    without = from_torch(module, torch.zeros(2, 4), unknown="skip")
    assert (without.params, without.skipped) == (20, ("1 (Bilinear)",))
    counted = from_torch(module, torch.zeros(2, 4), unknown="count")
    assert (counted.params, counted.skipped, counted.layers[-1].kind) == (20 + 4 * 4 * 4 + 4, (), "counted")


class Handmade(nn.Module):  # type: ignore[misc, name-defined]
    """Positions, a product, and fused attention, which are in no module."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(5, 8))
        self.mixed = nn.Linear(8, 8)

    def forward(self, steps: Any) -> Any:
        queries = (self.mixed(steps) + self.positions).unsqueeze(1)
        return nn.functional.scaled_dot_product_attention(queries, queries, queries).squeeze(1) @ torch.ones(8, 3)


def test_what_a_forward_does_itself_is_counted_as_pytorch_counts_it() -> None:
    model = from_torch(Handmade(), torch.zeros(2, 5, 8))
    assert [(layer.name, layer.kind) for layer in model.layers] == [("mixed", "dense"), ("handmade", "counted")]
    assert model.params == 5 * 8 + 8 * 9
    assert model.macs == 5 * 8 * 8 + 2 * 5 * 5 * 8 + 5 * 8 * 3


class Decoder(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True)

    def forward(self, steps: Any, memory: Any) -> Any:
        return self.attention(steps, memory, memory)[0]


def test_a_module_may_take_several_inputs_and_attend_to_one_of_them() -> None:
    example = torch.zeros(2, 5, 8), torch.zeros(2, 7, 6)
    keywords = dict(zip(("steps", "memory"), example, strict=True))
    for inputs in (example, keywords):
        model = from_torch(Decoder(), inputs)
        (layer,) = model.layers
        assert (layer.kind, layer.output_shape, layer.memory) == ("multi_head_attention", (5, 8), 7)  # type: ignore
        assert model.params == sum(each.numel() for each in Decoder().parameters())
        assert model.macs == 2 * 5 * 8 * 8 + 2 * 7 * 6 * 8 + 2 * 5 * 7 * 8


def test_modules_without_weights_and_with_uneven_padding_are_known() -> None:
    module = nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(4, 8, 4, padding="same", padding_mode="reflect"),
        nn.InstanceNorm2d(8, affine=True),
        nn.InstanceNorm2d(8),
        nn.PReLU(8),
        nn.PixelShuffle(2),
        nn.Upsample(scale_factor=2),
        nn.ConvTranspose2d(2, 4, 3, stride=2, output_padding=(1, 0), groups=2),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.LogSoftmax(1),
    )
    model = from_torch(module, torch.zeros(2, 4, 9, 10))
    assert (model.params, float(model.macs)) == counted(module, torch.zeros(2, 4, 9, 10))


class Exported(nn.Module):  # type: ignore[misc, name-defined]
    """What exporters change: copies of a layer, a tied table, a mask and positions, normalisation to be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(60, 32)
        self.register_buffer("positions", torch.sin(torch.arange(40)[:, None] * 10 ** -torch.linspace(0, 3, 32)))
        self.mix = nn.Conv1d(32, 32, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(32)
        block = nn.TransformerEncoderLayer(32, nhead=4, dim_feedforward=64, batch_first=True)
        self.blocks = nn.TransformerEncoder(block, 3)
        self.scores = nn.Linear(32, 60, bias=False)
        self.scores.weight = self.words.weight

    def forward(self, tokens: Any) -> Any:
        steps = self.words(tokens) + self.positions[: tokens.shape[1]]
        steps = self.norm(self.mix(steps.transpose(1, 2))).transpose(1, 2)
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.scores(self.blocks(steps, mask=mask, is_causal=False))


@pytest.mark.filterwarnings("ignore")  # what exporters have to say
@pytest.mark.parametrize("dynamo", [False, True])
def test_an_exported_module_has_the_totals_of_the_module(dynamo: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    if dynamo:
        pytest.importorskip("onnxscript")
    module, tokens, file = Exported().eval(), torch.zeros(2, 9, dtype=torch.long), tmp_path / "mine.onnx"
    options = {} if dynamo else {"opset_version": 17}
    with redirect_stdout(StringIO()):
        torch.onnx.export(module, (tokens,), str(file), dynamo=dynamo, **options)
    model, twin = from_onnx(str(file)), from_torch(module, tokens)
    assert twin.params == sum(each.numel() for each in module.parameters())
    assert model.macs == pytest.approx(twin.macs, rel=0.001)
    assert model.params == pytest.approx(twin.params, rel=0.01)  # TorchDynamo drops biases that are 0
    assert len(model.assumed) >= 2 and not model.skipped


def test_a_module_that_is_called_twice_is_two_layers_with_one_weight() -> None:
    once = nn.Linear(4, 4)
    model = from_torch(nn.Sequential(once, nn.ReLU(), once), torch.zeros(2, 4))
    assert (model.params, model.macs, len(model.layers)) == (20, 32, 3)
