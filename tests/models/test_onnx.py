"""ONNX files: what exporters wrote, graphs built here, and files that mean no good. Skipped where onnx is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netsim.errors import ScenarioError
from netsim.models._onnx import from_onnx
from netsim.models._onnx_layers import READERS
from netsim.models.base import Model

onnx = pytest.importorskip("onnx")
helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

DATA = Path(__file__).parent.parent / "data"
CNN, TRANSFORMER = DATA / "stranger_cnn.onnx", DATA / "stranger_transformer.onnx"


# Parameters of the module and MACs by torch 2.14's flop_counter; the first was exported by TorchScript with a batch of
# 2 and its normalisation kept, the second by TorchDynamo.
@pytest.mark.parametrize(("file", "params", "macs"), [(CNN, 5_010, 2_078_480), (TRANSFORMER, 6_290, 67_968)])
def test_what_pytorch_exported_has_the_totals_of_an_independent_counter(file: Path, params: int, macs: int) -> None:
    model = from_onnx(str(file))
    assert (model.params, model.macs, model.skipped) == (params, macs, ())


def test_operators_become_the_layers_that_they_are() -> None:
    kinds = [layer.kind for layer in from_onnx(str(CNN)).layers]
    assert {"convolution", "transposed_convolution", "batch_normalisation", "pooling", "dense"} <= set(kinds)
    kinds = [layer.kind for layer in from_onnx(str(TRANSFORMER)).layers]
    assert kinds[0] == "embedding" and {"layer_normalisation", "softmax", "dense"} <= set(kinds)


class Written:
    """A graph being written down, with weights of zeros."""

    def __init__(self, folder: Path, **inputs: Any) -> None:
        self.folder, self.nodes, self.weights = folder, [], []
        self.producer, self.says = "pytorch", {}
        self.inputs = [
            helper.make_tensor_value_info(name, INT64 if name == "tokens" else FLOAT, shape)
            for name, shape in inputs.items()
        ]

    def weight(self, name: str, *shape: int, values: Any = None) -> str:
        numbers = np.zeros(shape) if values is None else values.reshape(shape)
        self.weights.append(onnx.numpy_helper.from_array(numbers.astype("float32"), name))
        return name

    def node(self, kind: str, *inputs: str, says: dict[str, str] | None = None, **attributes: Any) -> str:
        output = f"{kind.lower()}{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [output], name=f"/net/{output}", **attributes)
        for key, value in (says or {}).items():
            node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
        self.nodes.append(node)
        return output

    def file(self) -> str:
        output = helper.make_empty_tensor_value_info(self.nodes[-1].output[0])
        output.type.tensor_type.elem_type = FLOAT
        graph = helper.make_graph(self.nodes, "net", self.inputs, [output], self.weights)
        file = self.folder / "net.onnx"
        for key, value in self.says.items():
            graph.metadata_props.add(key=f"pkg.torch.export.ExportedProgram.{key}", value=value)
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, producer_name=self.producer), file)
        return str(file)

    def model(self, **options: Any) -> Model:
        return from_onnx(self.file(), **options)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Written]:
    return lambda **inputs: Written(tmp_path, **inputs)


def test_a_convolution_is_a_convolution(write: Any) -> None:
    net = write(image=[1, 8, 10, 10])
    kernel = net.weight("w", 16, 4, 3, 3)
    net.node("Conv", "image", kernel, group=2, pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3])
    (layer,) = net.model().layers
    assert (layer.kind, layer.name, layer.output_shape) == ("convolution", "net.conv0", (16, 5, 5))
    assert (layer.params, layer.macs, layer.work) == (16 * 4 * 9, 16 * 25 * 4 * 9, "grouped")


def test_uneven_padding_is_counted_by_the_shape_that_it_makes(write: Any) -> None:
    net = write(image=[1, 8, 10, 10])
    net.node("Conv", "image", net.weight("w", 16, 8, 3, 3), pads=[0, 0, 1, 1], kernel_shape=[3, 3])
    (layer,) = net.model().layers
    assert (layer.output_shape, layer.macs) == ((16, 9, 9), 81 * 16 * 8 * 9)


def test_padding_that_keeps_the_size_is_worked_out(write: Any) -> None:
    net = write(image=[1, 8, 10, 10])
    net.node("Conv", "image", net.weight("w", 16, 8, 3, 5), auto_pad="SAME_UPPER", kernel_shape=[3, 5])
    (layer,) = net.model().layers
    assert (layer.kind, layer.output_shape, layer.macs) == ("convolution", (16, 10, 10), 100 * 16 * 8 * 15)


def test_a_batch_in_the_file_is_divided_out(write: Any) -> None:
    counts = set()
    for batch in (1, 4):
        net = write(image=[batch, 8, 10, 10])
        net.node("Relu", net.node("Conv", "image", net.weight("w", 16, 8, 3, 3)))
        model = net.model()
        counts.add((model.params, model.macs, model.layers[-1].output_shape))
    assert counts == {(1152, 64 * 16 * 72, (16, 8, 8))}


def test_a_batch_axis_without_a_size_is_one_sample(write: Any) -> None:
    net = write(features=["batch", 20])
    net.node("Gemm", "features", net.weight("w", 30, 20), net.weight("b", 30), transB=1)
    (layer,) = net.model().layers
    assert (layer.kind, layer.output_shape, layer.params, layer.macs) == ("dense", (30,), 630, 600)


def test_other_axes_without_a_size_have_to_be_given(write: Any) -> None:
    net = write(tokens=["batch", "steps"])
    net.node("Gather", net.weight("table", 100, 8), "tokens")
    with pytest.raises(
        ScenarioError, match=r"shapes\.tokens: axis 1 has no size; give shapes = \{ tokens = \[1, 128\]"
    ):
        net.model()
    (layer,) = net.model(shapes={"tokens": (1, 7)}).layers
    assert (layer.kind, layer.output_shape, layer.params) == ("embedding", (7, 8), 800)


@pytest.mark.parametrize(
    ("shapes", "complaint"),
    [
        ({"words": (1, 7)}, "shapes.words: .*no such input"),
        ({"tokens": (7,)}, r"shapes.tokens: \[7\] should have 2 axes"),
        ({"tokens": (1, 0)}, "shapes.tokens: .*is not a list of whole numbers"),
        ("1x7", "shapes: '1x7' is not a table of shapes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(write: Any, shapes: Any, complaint: str) -> None:
    net = write(tokens=["batch", "steps"])
    net.node("Gather", net.weight("table", 100, 8), "tokens")
    with pytest.raises(ScenarioError, match=complaint):
        net.model(shapes=shapes)


def test_a_product_of_two_activations_has_two_gradients_and_no_parameters(write: Any) -> None:
    net = write(steps=[1, 6, 8])
    net.node("MatMul", "steps", net.node("Transpose", "steps", perm=[0, 2, 1]))
    layer = net.model().layers[-1]
    assert (layer.macs, layer.params, layer.input_gradients, layer.work) == (6 * 6 * 8, 0, 2, "attention")


def test_a_bias_that_is_added_is_a_parameter_and_a_constant_factor_is_none(write: Any) -> None:
    net = write(steps=[1, 6, 8])
    net.node("Add", net.node("Mul", "steps", net.weight("half", 1)), net.weight("bias", 8))
    assert [layer.params for layer in net.model().layers] == [0, 8]


def test_a_weight_that_is_used_twice_is_exchanged_once(write: Any) -> None:
    net = write(tokens=[1, 5])
    table = net.weight("table", 100, 8)
    hidden = net.node("Gather", table, "tokens")
    net.node("MatMul", hidden, net.node("Transpose", table, perm=[1, 0]))
    embedding, scores = net.model().layers
    assert (embedding.params, scores.params, scores.macs, scores.kind) == (800, 0, 5 * 800, "dense")


def test_a_transposed_copy_of_a_table_is_the_table(write: Any) -> None:
    """As TorchScript writes a tied output layer whose transposition it has worked out; another weight of that shape is
    another weight."""
    values = np.random.default_rng(1).normal(size=(100, 8))
    for copy, params in ((values.T, 800), (values.T + 1, 1600)):
        net = write(tokens=[1, 5])
        hidden = net.node("Gather", net.weight("table", 100, 8, values=values), "tokens")
        net.node("MatMul", hidden, net.weight("onnx::MatMul_9", 8, 100, values=copy))
        assert net.model().params == params


def test_an_identity_of_a_weight_is_a_merged_one_if_pytorch_wrote_it(write: Any) -> None:
    for producer, params, assumed in (("pytorch", 128, 1), ("tf2onnx", 64, 0)):
        net = write(steps=[1, 6, 8])
        net.producer, weight = producer, net.weight("one.weight", 8, 8)
        other = net.node("Identity", weight)
        net.node("MatMul", net.node("MatMul", "steps", weight), other)
        model = net.model()
        assert (model.params, len(model.assumed)) == (params, assumed)


@pytest.mark.parametrize(("rows", "params"), [(16, 256), (200, 1600)])
def test_small_weights_of_several_modules_are_merged_ones_and_of_one_module_are_shared(
    write: Any, rows: int, params: int
) -> None:
    """TorchDynamo merges equal tensors of up to 1,024 elements; a call of the same module again has an @1."""
    net = write(steps=[1, 6, 8])
    weight = net.weight("one.weight", 8, rows)
    for module in ("one", "two", "one@1"):
        net.node("MatMul", "steps", weight, says={"name_scopes": f"['', '{module}', 'linear']"})
    model = net.model()
    assert model.params == params
    assert [layer.name for layer in model.layers] == ["one.MatMul", "two.MatMul", "one.MatMul.2"]


def positions(kind: str) -> Any:
    angles = np.arange(20)[:, None] * 100.0 ** -(np.arange(8) / 8)
    return {
        "sine": np.sin(angles),
        "cosine": np.cos(angles),
        "interleaved": np.where(np.arange(8) % 2, np.sin(angles), np.cos(angles)),
        "mask": np.triu(np.full((20, 8), -np.inf), 1),
        "learned": np.random.default_rng(1).normal(size=(20, 8)),
        "fresh": np.zeros((20, 8)),
        "ones": np.ones((20, 8)),
        "line": np.linspace(0, 1, 160).reshape(20, 8) ** 2,
    }[kind]


@pytest.mark.parametrize("kind", ["sine", "cosine", "interleaved", "mask"])
def test_masks_and_tables_of_sines_are_not_trained(write: Any, kind: str) -> None:
    net = write(steps=[1, 20, 8])
    net.node("Add", "steps", net.weight("pe", 1, 20, 8, values=positions(kind)))
    model = net.model()
    assert model.params == 0 and model.assumed == ("not trained, as they are buffers, masks or tables of sines: pe",)


@pytest.mark.parametrize("kind", ["learned", "fresh", "ones", "line"])
def test_other_tables_are_trained(write: Any, kind: str) -> None:
    net = write(steps=[1, 20, 8])
    net.node("Add", "steps", net.weight("pe", 1, 20, 8, values=positions(kind)))
    assert (net.model().params, net.model().assumed) == (160, ())


def test_what_the_exporter_calls_a_buffer_is_not_trained(write: Any) -> None:
    net = write(steps=[1, 20, 8])
    net.node("Add", "steps", net.weight("scale", 8))
    file = net.file()
    proto = onnx.load(file)
    value = proto.graph.value_info.add()
    value.CopyFrom(helper.make_tensor_value_info("scale", FLOAT, [8]))
    value.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="BUFFER")
    onnx.save(proto, file)
    assert from_onnx(file).params == 0


@pytest.mark.parametrize("biased", [False, True])
def test_normalisation_that_was_folded_into_a_convolution_is_put_back(write: Any, biased: bool) -> None:
    net = write(image=[1, 3, 8, 8])
    if biased:  # TorchDynamo says which parameters there were
        net.says = {"graph_signature": "p_a_weight: PARAMETER target='a.weight'\np_a_bias: PARAMETER target='a.bias'"}
        weights, says = ("a.weight", "a.bias"), {"class_hierarchy": "['torch.nn.modules.batchnorm.BatchNorm2d']"}
    else:
        weights, says = ("onnx::Conv_12", "onnx::Conv_13"), {}
    net.node("Conv", "image", net.weight(weights[0], 4, 3, 3, 3), net.weight(weights[1], 4), says=says)
    convolution, norm = net.model().layers
    assert (convolution.params, norm.kind, norm.params) == (108 + 4 * biased, "batch_normalisation", 8)
    assert norm.name.endswith(".norm") and len(net.model().assumed) == 1


def test_weights_beside_a_file_are_read_there_and_not_missed(write: Any) -> None:
    net = write(steps=[1, 20, 8])
    net.node("Add", "steps", net.weight("pe", 1, 20, 8, values=positions("sine")))
    proto = onnx.load(net.file())
    onnx.save(proto, net.folder / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    assert from_onnx(str(net.folder / "big.onnx")).params == 0
    (net.folder / "big.data").unlink()
    assert from_onnx(str(net.folder / "big.onnx")).params == 160


def test_a_slice_of_a_table_of_positions_is_the_whole_table(write: Any) -> None:
    net = write(steps=[1, 5, 8])
    for name, values in (("from", [0]), ("to", [5]), ("axis", [0])):
        net.weights.append(helper.make_tensor(name, INT64, [1], values))
    net.node("Add", "steps", net.node("Slice", net.weight("positions", 64, 8), "from", "to", "axis"))
    assert net.model().params == 64 * 8


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_cells_have_the_parameters_of_both_directions(write: Any, kind: str, gates: int) -> None:
    net = write(steps=[7, 1, 12])
    weights = net.weight("w", 2, gates * 16, 12), net.weight("r", 2, gates * 16, 16), net.weight("b", 2, 2 * gates * 16)
    net.node(kind, "steps", *weights, hidden_size=16, direction="bidirectional")
    (layer,) = net.model().layers
    assert layer.params == 2 * gates * 16 * (12 + 16 + 2) and layer.macs == 2 * 7 * gates * 16 * 28
    assert layer.kind == kind.lower()


def test_an_einsum_multiplies_the_sizes_of_its_letters(write: Any) -> None:
    net = write(steps=[2, 6, 8])
    net.node("Einsum", "steps", net.weight("w", 8, 5), equation="btd,de->bte")
    (layer,) = net.model().layers
    assert (layer.macs, layer.params, layer.output_shape) == (6 * 8 * 5, 40, (6, 5))


def test_work_on_shapes_costs_nothing(write: Any) -> None:
    net = write(image=[1, 4, 6, 6])
    batch = net.node("Gather", net.node("Shape", "image"), net.node("Constant", value_ints=[0]))
    net.node("Reshape", "image", net.node("Concat", batch, net.node("Constant", value_ints=[-1]), axis=0))
    net.node("Gemm", net.nodes[-1].output[0], net.weight("w", 144, 3))
    assert [layer.name for layer in net.model().layers] == ["net.gemm6"]


def test_shapes_that_nodes_divide_and_slice_are_worked_out(write: Any) -> None:
    net = write(image=[1, 4, 6, 6])
    channels = net.node("Gather", net.node("Shape", "image"), net.node("Constant", value_ints=[1]))
    half = net.node("Div", channels, net.node("Constant", value_ints=[2]))
    start, axis = net.node("Constant", value_ints=[0]), net.node("Constant", value_ints=[1])
    net.node("Conv", net.node("Slice", "image", start, half, axis), net.weight("w", 5, 2, 1, 1))
    assert net.model().layers[-1].input_shape == (2, 6, 6)


def unknown(write: Any) -> Written:
    net: Written = write(image=[1, 4, 6, 6])
    net.nodes.append(
        helper.make_node("Fly", [net.node("Relu", "image")], ["flown"], name="/net/wing", domain="com.example")
    )
    return net


def test_an_operator_that_is_not_known_is_named_with_its_node(write: Any) -> None:
    with pytest.raises(ScenarioError, match=r"/net/wing: no layer for the operator com.example.Fly"):
        unknown(write).model()


def test_an_unknown_operator_counts_as_nothing_if_the_user_says_so(write: Any) -> None:
    model = unknown(write).model(unknown="skip")
    assert [layer.kind for layer in model.layers] == ["activation"]
    assert model.skipped == ("/net/wing (com.example.Fly)",)


def test_many_unknown_operators_are_counted_not_listed(write: Any) -> None:
    net = write(image=[1, 4])
    for number in range(50):
        net.nodes.append(helper.make_node("Fly", ["image"], [f"f{number}"], name=f"f{number}", domain="com.example"))
    with pytest.raises(ScenarioError) as error:
        net.model()
    assert len(error.value.problems) == 22 and "and 30 more nodes" in str(error.value)


def test_names_from_a_file_cannot_write_to_the_terminal(write: Any) -> None:
    net = write(image=[1, 4])
    net.nodes.append(helper.make_node("Relu", ["image"], ["out"], name="\x1b[31mred\nline" + "x" * 500))
    (layer,) = net.model().layers
    assert layer.name.startswith("[31mredline") and len(layer.name) == 120


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("file", [CNN, TRANSFORMER], ids=["cnn", "transformer"])
def test_a_truncated_file_ends_in_one_message(file: Path, kept: float, tmp_path: Path) -> None:
    whole = file.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ScenarioError) as error:
        from_onnx(str(tmp_path / "cut.onnx"))
    (problem,) = error.value.problems
    assert "cut.onnx is no ONNX model that can be read" in problem.message and "\n" not in problem.message


def test_a_file_with_any_byte_changed_is_a_model_or_a_list_of_problems(tmp_path: Path) -> None:
    whole = TRANSFORMER.read_bytes()
    for place in range(0, len(whole), len(whole) // 150):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "damaged.onnx").write_bytes(damaged)
        try:
            assert from_onnx(str(tmp_path / "damaged.onnx")).layers
        except ScenarioError as error:
            assert error.problems


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\x00" * 1000, bytes(range(256)) * 10])
def test_a_file_that_is_no_model_ends_in_one_message(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ScenarioError) as error:
        from_onnx(str(tmp_path / "x.onnx"))
    assert len(error.value.problems) == 1


def test_a_file_that_is_not_there_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"file: no.onnx cannot be read: no such file"):
        from_onnx("no.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ScenarioError, match="is a directory"):
        from_onnx(str(tmp_path / "folder.onnx"))


def test_sizes_that_no_machine_has_are_refused(write: Any) -> None:
    net = write(image=[1, 2**40, 2**40])
    net.node("Relu", "image")
    with pytest.raises(ScenarioError, match=r"net.relu0: input_shape"):
        net.model()


def test_every_known_operator_is_one_of_onnx() -> None:
    names = {schema.name for schema in onnx.defs.get_all_schemas()}
    others = {"SimplifiedLayerNormalization", "RMSNormalization", "Swish"}  # of ONNX Runtime, and of later versions
    assert set(READERS) - others <= names
