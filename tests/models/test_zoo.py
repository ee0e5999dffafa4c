"""Every model of the zoo against figures that an independent counter gave."""

from __future__ import annotations

import csv
import inspect
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import netsim.models
from netsim.layers.base import Layer
from netsim.layers.convolution import Convolution
from netsim.layers.embedding import Embedding, LightrnnEmbedding
from netsim.models.alexnet import alexnet
from netsim.models.base import Model
from netsim.models.densenet import densenet121
from netsim.models.efficientnet import efficientnet_b0
from netsim.models.googlenet import googlenet
from netsim.models.inception_v3 import inception_v3
from netsim.models.lightrnn import lightrnn, lstm_lm, rnn_lm
from netsim.models.mobilenet_v1 import mobilenet_conv, mobilenet_v1
from netsim.models.mobilenet_v2 import mobilenet_v2
from netsim.models.mobilenet_v3 import mobilenet_v3_large
from netsim.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from netsim.models.squeezenet import squeezenet
from netsim.models.transformer import bert_base, bert_large, gpt2_small, vit_b16
from netsim.models.vgg import vgg16, vgg19
from netsim.models.xception import xception

DATA = Path(__file__).parent.parent / "data"

COUNTED_BY_LAYER = {
    "alexnet_2012_227": alexnet("2012"),
    "alexnet_mxnet_224": alexnet("mxnet"),
    "alexnet_owt_224": alexnet("owt"),
    "alexnet_tf_227": alexnet("tf"),
    "bert_base_mlm_seq512": bert_base(512, "mlm"),
    "bert_base_seq128": bert_base(128),
    "bert_base_seq384": bert_base(384),
    "bert_base_seq512": bert_base(512),
    "gpt2_small_seq1024": gpt2_small(1024),
    "inception_v3_299": inception_v3(),
    "lightrnn_BillionW_V793471_E1000_L2_T32": lightrnn(embedding=1000, hidden=1000),
    "lightrnn_BillionW_V793471_E1500_L2_T32": lightrnn(embedding=1500, hidden=1500),
    "lightrnn_BillionW_V793471_E500_L2_T32": lightrnn(),
    "lstm_lm_medium_650_V10k_T35": lstm_lm("medium"),
    "mobilenet_conv_full_224": mobilenet_conv(),
    **{
        f"mobilenet_v1_{width}_{resolution}": mobilenet_v1(width, resolution)
        for width in (0.25, 0.5, 0.75, 1.0)
        for resolution in (128, 160, 192, 224)
    },
    "mobilenet_v2_1.0_224": mobilenet_v2(),
    "resnet101_224": resnet101(),
    "resnet101_v1_224": resnet101("v1"),
    "resnet18_224": resnet18(),
    "resnet34_224": resnet34(),
    "resnet50_224": resnet50(),
    "resnet50_v1_224": resnet50("v1"),
    "vgg16_224": vgg16(),
    "vgg19_224": vgg19(),
}
COUNTED_BY_KIND = {
    "bert_large_seq128": bert_large(128),
    "bert_large_seq384": bert_large(384),
    "bert_large_seq512": bert_large(512),
    "densenet121_224": densenet121(),
    "efficientnet_b0_224": efficientnet_b0(),
    "googlenet_224": googlenet(),
    "mobilenet_v3_large_224": mobilenet_v3_large(),
    "resnet152_224": resnet152(),
    "resnet152_v1_224": resnet152("v1"),
    "squeezenet1_0_224": squeezenet(),
    "vit_b16_224": vit_b16(),
    "xception_299": xception(),
}
COUNTED_IN_ALL = {"rnn_lm": (rnn_lm(), 798_268_471, 32 * 400_735_500)}


def rows(file: str, key: str) -> dict[str, list[dict[str, str]]]:
    found = defaultdict(list)
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found[row[key]].append(row)
    return found


LAYERS = rows("counted_layers.csv", "model")
KINDS = rows("counted_kinds.csv", "file")


def counted(model: Model) -> Iterator[Layer]:
    """The layers that a counter sees: those with parameters or multiply-accumulates, compositions taken apart."""
    return (part for layer in model.layers for part in layer.parts if part.params or part.macs)


def is_attention(layer: Layer) -> bool:
    return layer.kind == "attention_product"


@pytest.mark.parametrize("name", [name for name in COUNTED_BY_LAYER if not name.startswith("lightrnn")])
def test_every_layer_has_the_counted_shape_parameters_and_macs(name: str) -> None:
    ours = [
        ["x".join(map(str, layer.output_shape)), layer.params, layer.macs]
        for layer in counted(COUNTED_BY_LAYER[name])
        if not is_attention(layer)
    ]
    theirs = []
    for row in LAYERS[name]:
        if row["type"] == "BertLMPredictionHead":  # the bias of the layer before, kept by another module
            theirs[-1][1] += int(row["params"])
        elif row["type"] != "matmul":
            theirs.append([row["output_shape"], int(row["params"]), int(row["macs"])])
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name, rows in LAYERS.items() if any(r["type"] == "matmul" for r in rows)])
def test_attention_has_the_counted_macs(name: str) -> None:
    ours = sum(layer.macs for layer in counted(COUNTED_BY_LAYER[name]) if is_attention(layer))
    assert ours == sum(int(row["macs"]) for row in LAYERS[name] if row["type"] == "matmul")


@pytest.mark.parametrize("name", [name for name in COUNTED_BY_LAYER if name.startswith("lightrnn")])
def test_lightrnn_has_the_counted_table_cells_and_softmax(name: str) -> None:
    embedding, *cells, softmax = COUNTED_BY_LAYER[name].layers
    theirs = defaultdict(list)
    for row in LAYERS[name]:
        theirs[row["type"]].append((int(row["params"]), int(row["macs"])))
    assert (embedding.params, embedding.macs) == tuple(map(sum, zip(*theirs["Embedding"], strict=True)))
    assert [(cell.params, cell.macs) for cell in cells] == theirs["LSTM"]
    assert (softmax.params, softmax.macs) == tuple(map(sum, zip(*theirs["Linear"], strict=True)))


def kind_of(layer: Layer) -> str:
    """The kind that the counter files a layer under."""
    if not isinstance(layer, Convolution):
        return "linear/matmul" if layer.macs else "other (norm, activation, embedding)"
    if layer.work in ("depthwise", "grouped"):
        return layer.work
    return "1x1 pointwise" if layer.work == "pointwise" else f"standard {layer.kernel}x{layer.kernel}"


@pytest.mark.parametrize("name", COUNTED_BY_KIND)
def test_every_kind_of_layer_has_the_counted_parameters_and_macs(name: str) -> None:
    ours: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for layer in counted(COUNTED_BY_KIND[name]):
        ours[kind_of(layer)][0] += layer.params
        ours[kind_of(layer)][1] += layer.macs
    theirs = {row["kind"]: [int(row["params"]), int(row["macs"])] for row in KINDS[name]}
    assert {kind: sums for kind, sums in theirs.items() if sums != [0, 0]} == ours


@pytest.mark.parametrize("name", [name for name in COUNTED_BY_KIND if not name.startswith(("bert", "vit"))])
def test_every_kind_of_convolution_has_the_counted_number_of_layers(name: str) -> None:
    ours: dict[str, int] = defaultdict(int)
    for layer in counted(COUNTED_BY_KIND[name]):
        if isinstance(layer, Convolution):
            ours[kind_of(layer)] += 1
    theirs = {row["kind"]: int(row["layers"]) for row in KINDS[name] if row["kind"] in ours}
    assert theirs == ours


@pytest.mark.parametrize("name", COUNTED_IN_ALL)
def test_totals_are_the_counted_ones(name: str) -> None:
    model, params, macs = COUNTED_IN_ALL[name]
    assert (model.params, model.macs) == (params, macs)


def test_every_counted_table_is_compared_with_a_model() -> None:
    assert set(LAYERS) == set(COUNTED_BY_LAYER)


def test_every_model_is_compared_with_a_count() -> None:
    modules = [import_module(f"netsim.models.{module.name}") for module in iter_modules(netsim.models.__path__)]
    public = {
        name
        for module in modules
        if not module.__name__.split(".")[-1].startswith("_") and module.__name__ != "netsim.models.base"
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    in_all = [model for model, *_ in COUNTED_IN_ALL.values()]
    compared = [*COUNTED_BY_LAYER.values(), *COUNTED_BY_KIND.values(), *in_all]
    assert {model.kind for model in compared} == public


def test_the_auxiliary_head_of_inception_has_the_counted_parameters_layer_by_layer() -> None:
    model = inception_v3(auxiliary=True)
    head = [layer.params for layer in model.layers if layer.name.startswith("auxiliary.") and layer.params]
    assert head == [98_304, 256, 2_457_600, 1_536, 769_000]  # torchvision 0.29.1
    assert model.params == 27_161_264


@pytest.mark.parametrize(
    ("model", "training_macs"),
    [
        (mobilenet_v1(), 1_695_383_040),
        (mobilenet_conv(), 14_591_041_536),
        (resnet50(), 12_149_538_816),
        (bert_base(128), 33_522_647_040),
        (alexnet("2012"), 2_067_805_248),
    ],
)
def test_training_macs_are_three_forwards_without_the_first_input_gradient(model: Model, training_macs: int) -> None:
    assert model.training_macs == training_macs


def test_gradient_bytes_are_four_a_parameter() -> None:
    assert vgg16().gradient_bytes == 4 * 138_357_544


def test_the_first_dense_layer_of_vgg16_has_three_quarters_of_its_gradient() -> None:
    sizes = {layer.name: layer.gradient_bytes for layer in vgg16().layers}
    assert sizes["fc6"] == 411_058_176
    assert sizes["fc6"] / sum(sizes.values()) == pytest.approx(0.743, abs=1e-3)


@pytest.mark.parametrize(
    ("hidden", "saving"), [(500, 137.9), (1000, 81.9), (1500, 58.4)]
)  # CNTK Examples/Text/LightRNN, sizes; ratios computed from its formulas
def test_lightrnn_saves_what_its_paper_says_on_a_large_vocabulary(hidden: int, saving: float) -> None:
    full = rnn_lm(embedding=hidden, hidden=hidden)
    assert full.params / lightrnn(embedding=hidden, hidden=hidden).params == pytest.approx(saving, abs=0.05)


def test_lightrnn_saves_little_on_a_small_vocabulary() -> None:
    small = {"vocabulary": 10_000, "words": 35}
    medium, large = (lightrnn(embedding=size, hidden=size, **small) for size in (650, 1500))
    assert (medium.params, lstm_lm("medium").params) == (7_025_400, 19_775_200)
    assert (large.params, lstm_lm("large").params) == (36_612_200, 66_022_000)


def test_embedding_and_softmax_of_a_language_model_are_as_large_as_the_vocabulary() -> None:
    layers = rnn_lm(vocabulary=1000, embedding=10, hidden=20).layers
    assert isinstance(layers[0], Embedding)
    assert (layers[0].params, layers[-1].params) == (1000 * 10, 1000 * 21)
    assert isinstance(lightrnn(vocabulary=1000).layers[0], LightrnnEmbedding)


def test_depthwise_separable_blocks_cost_what_the_formula_says_of_their_standard_twins() -> None:
    separable = {layer.name: layer for layer in mobilenet_v1().layers}
    standard = {layer.name: layer for layer in mobilenet_conv().layers}
    for number in range(1, 14):
        twin = standard[f"block{number}"]
        pair = separable[f"block{number}.depthwise"].macs + separable[f"block{number}.pointwise"].macs
        filters = twin.output_shape[0]
        assert pair / twin.macs == pytest.approx(1 / filters + 1 / 9)
