"""What each ONNX operator is as layers: https://onnx.ai/onnx/operators. An operator that is not here is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from netsim.errors import ScenarioError
from netsim.layers.base import Layer
from netsim.layers.convolution import Convolution, TransposedConvolution
from netsim.layers.counted import Counted, Work
from netsim.layers.dense import Dense
from netsim.layers.elementwise import Activation, Dropout
from netsim.layers.embedding import Embedding
from netsim.layers.normalisation import BatchNormalisation, GroupNormalisation, LayerNormalisation
from netsim.layers.pooling import GlobalPooling, Pooling
from netsim.layers.recurrent import Gru, Lstm, Rnn
from netsim.layers.softmax import Softmax
from netsim.models._blocks import GELU, RELU, SWISH, TANH
from netsim.models._onnx_graph import Graph, Node, Shape

Reader = Callable[[Node, Graph], list[Layer]]
_FLOP_A_NORMALISED_ELEMENT = 8
_MOST_AXES = 4


def _counted(node: Node, graph: Graph, **counts: Any) -> list[Layer]:
    """A layer with what a node reads and writes, and these counts."""
    entry = next((name for name in node.inputs if name and not graph.is_constant(name)), None)
    shape = graph.sample(entry) if entry else (1,)
    output = _few_axes(graph.sample(node.outputs[0]))
    return [Counted(input_shape=_few_axes(shape), output_shape=output, reads=graph.reads(node), **counts)]


def _few_axes(shape: Shape) -> Shape:
    return shape if len(shape) <= _MOST_AXES else (prod(shape[: 1 - _MOST_AXES]), *shape[1 - _MOST_AXES :])


def _nothing(node: Node, graph: Graph) -> list[Layer]:
    return []


def _moved(node: Node, graph: Graph) -> list[Layer]:
    """A copy in another order."""
    return _counted(node, graph)


def _elementwise(node: Node, graph: Graph) -> list[Layer]:
    """One flop for each element that is written; operands that are trained, such as a bias, are parameters."""
    return _counted(node, graph, elementwise=graph.elements(node.outputs[0]), params=graph.fresh(node, *node.inputs))


def _reduction(node: Node, graph: Graph) -> list[Layer]:
    return _counted(node, graph, elementwise=graph.elements(node.inputs[0]))


def _activation(flop: int) -> Reader:
    return lambda node, graph: [Activation(input_shape=_few_axes(graph.sample(node.inputs[0])), flop=flop)]


def _same_shape(kind: type[Layer]) -> Reader:
    return lambda node, graph: [kind(input_shape=_few_axes(graph.sample(node.inputs[0])))]


def _convolution(kind: type[Convolution], node: Node, graph: Graph) -> list[Layer]:
    weight, shape, groups = graph.whole(node.inputs[1]), graph.sample(node.inputs[0]), node.integer("group", 1)
    transposed, folded = kind is TransposedConvolution, node.inputs[1] in graph.origins.folded
    bias = graph.origins.folded.get(node.inputs[1], node.input(2) is not None)
    params = graph.fresh(node, *node.inputs[1 : 2 + bias])
    fields: dict[str, Any] = {
        "filters": weight[1] * groups if transposed else weight[0],
        "kernel": weight[2:],
        "stride": node.integers("strides") or 1,
        "padding": _padding(node, weight[2:]),
        "dilation": node.integers("dilations") or 1,
        "groups": groups,
        "bias": bias,
    }
    if transposed:
        fields["output_padding"] = node.integers("output_padding") or 0
    built = _fitting(kind, shape, graph.sample(node.outputs[0]), fields)
    if built is not None and built.params == params:
        norm = BatchNormalisation(input_shape=built.output_shape, name="norm")
        return [built, norm] if folded else [built]
    spread = graph.elements(node.inputs[0] if transposed else node.outputs[0])
    macs = spread * prod(weight[1:])
    work: Work = "convolution" if groups == 1 else "depthwise" if groups == shape[0] else "grouped"
    return _counted(node, graph, macs=macs, params=params, work=work)


def _padding(node: Node, kernel: Shape) -> Shape:
    """The padding of each axis: the mean of both ends where they differ, which the output's shape then shows."""
    axes, pads = len(kernel), node.integers("pads")
    if pads is None and node.text("auto_pad", "NOTSET").startswith("SAME"):
        holes = node.integers("dilations") or (1,) * axes
        return tuple(hole * (size - 1) // 2 for hole, size in zip(holes, kernel, strict=True))
    pads = pads or (0,) * (2 * axes)
    return tuple((before + after) // 2 for before, after in zip(pads[:axes], pads[axes:], strict=True))


def _fitting(kind: type[Layer], shape: Shape, output: Shape, fields: Mapping[str, Any]) -> Layer | None:
    """The layer, if it makes the shape that ONNX says; padding may be uneven or follow from the size."""
    try:
        built = kind(input_shape=shape, **fields)
    except ScenarioError:
        return None
    return built if built.output_shape == output else None


def _pooling(node: Node, graph: Graph) -> list[Layer]:
    kernel = node.integers("kernel_shape") or ()
    fields = {
        "kernel": kernel,
        "stride": node.integers("strides") or (1,) * len(kernel),
        "padding": _padding(node, kernel),
        "ceiling": bool(node.integer("ceil_mode", 0)),
    }
    built = _fitting(Pooling, graph.sample(node.inputs[0]), graph.sample(node.outputs[0]), fields)
    return [built] if built else _counted(node, graph, elementwise=graph.elements(node.outputs[0]) * prod(kernel))


def _global_pooling(node: Node, graph: Graph) -> list[Layer]:
    return [GlobalPooling(input_shape=graph.sample(node.inputs[0]), size=1)]


def _gemm(node: Node, graph: Graph) -> list[Layer]:
    weight = graph.whole(node.inputs[1])
    return _dense(node, graph, weight[::-1] if node.integer("transB", 0) else weight, node.input(2))


def _matmul(node: Node, graph: Graph) -> list[Layer]:
    return _dense(node, graph, graph.whole(node.inputs[1]), None)


def _dense(node: Node, graph: Graph, weight: Shape, bias: str | None) -> list[Layer]:
    """A matrix product with trained weights, or of two activations, both of which then have a gradient."""
    first, second = node.inputs[:2]
    inside = weight[-2] if len(weight) > 1 else weight[-1]
    trained = [name for name in (first, second) if graph.is_constant(name)]
    params = graph.fresh(node, first if graph.is_constant(first) else None, second)
    biases = graph.fresh(node, bias)
    units = weight[-1] if len(weight) > 1 else 1
    shape = graph.sample(first)
    plain = trained == [second] and len(weight) == 2 and shape[-1] == inside and len(shape) <= _MOST_AXES
    if plain and params in (0, inside * units) and biases in (0, units):
        return [Dense(input_shape=shape, units=units, bias=biases > 0, tied=params == 0)]
    macs = graph.elements(node.outputs[0]) * inside
    if trained:
        return _counted(node, graph, macs=macs, params=params + biases, work="dense")
    return _counted(node, graph, macs=macs, params=biases, work="attention", input_gradients=2)


def _einsum(node: Node, graph: Graph) -> list[Layer]:
    """The sizes of all letters multiplied."""
    operands, _, _ = node.text("equation", "").replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for letters, name in zip(operands.split(","), node.inputs, strict=False):
        if not letters.isalpha() or len(letters) != len(graph.whole(name)):
            raise ScenarioError(f"no layer for the equation {operands!r}")
        sizes |= zip(letters, graph.whole(name), strict=True)
    trained = any(graph.is_constant(name) for name in node.inputs)
    macs, params = prod(sizes.values()) // graph.batch, graph.fresh(node, *node.inputs)
    work: Work = "dense" if trained else "attention"
    return _counted(node, graph, macs=macs, params=params, work=work, input_gradients=1 if trained else 2)


def _gather(node: Node, graph: Graph) -> list[Layer]:
    """A trained table that is looked up is an embedding; anything else is a copy."""
    table, indices = node.inputs[:2]
    if not graph.is_constant(table):
        return _moved(node, graph)
    shape, params = graph.whole(table), graph.fresh(node, table)
    if len(shape) == 2 and params == prod(shape) and node.integer("axis", 0) == 0:
        return [Embedding(input_shape=(graph.elements(indices),), vocabulary=shape[0], features=shape[1])]
    return _counted(node, graph, params=params)


def _normalisation(kind: type[Layer], node: Node, graph: Graph, **fields: Any) -> list[Layer]:
    """The layer itself where its parameters are those of the node, else what is counted of it."""
    params = graph.fresh(node, *node.inputs[1:3])
    built = _fitting(kind, graph.sample(node.inputs[0]), graph.sample(node.outputs[0]), fields)
    if built is not None and built.params == params:
        return [built]
    flop = _FLOP_A_NORMALISED_ELEMENT * graph.elements(node.outputs[0])
    return _counted(node, graph, elementwise=flop, params=params, kernels=2)


def _layer_normalisation(node: Node, graph: Graph) -> list[Layer]:
    return _normalisation(LayerNormalisation, node, graph, bias=node.input(2) is not None)


def _group_normalisation(node: Node, graph: Graph) -> list[Layer]:
    return _normalisation(GroupNormalisation, node, graph, groups=node.integer("num_groups", 1))


def _recurrent(cell: type[Rnn], node: Node, graph: Graph) -> list[Layer]:
    """X is (steps, batch, features); W, R and B have the gates of each direction one after the other."""
    steps, _, features = graph.whole(node.inputs[0])
    directions, gated, _ = graph.whole(node.inputs[1])
    units = gated // cell.gates
    params = graph.fresh(node, *node.inputs[1:4])
    layer = cell(input_shape=(steps, features), units=units, bidirectional=directions == 2, biases=2)
    if layer.params == params:
        return [layer]
    return _counted(node, graph, macs=layer.macs, elementwise=layer.elementwise, params=params, work="recurrent")


def _each(operators: str, reader: Reader) -> dict[str, Reader]:
    return dict.fromkeys(operators.split(), reader)


READERS: dict[str, Reader] = {
    "Conv": lambda node, graph: _convolution(Convolution, node, graph),
    "ConvTranspose": lambda node, graph: _convolution(TransposedConvolution, node, graph),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "Gather": _gather,
    "LSTM": lambda node, graph: _recurrent(Lstm, node, graph),
    "GRU": lambda node, graph: _recurrent(Gru, node, graph),
    "RNN": lambda node, graph: _recurrent(Rnn, node, graph),
    "BatchNormalization": lambda node, graph: _normalisation(BatchNormalisation, node, graph),
    "LayerNormalization": _layer_normalisation,
    "GroupNormalization": _group_normalisation,
    **_each(
        "InstanceNormalization RMSNormalization SimplifiedLayerNormalization LpNormalization "
        "MeanVarianceNormalization LRN",
        lambda node, graph: _counted(
            node,
            graph,
            elementwise=_FLOP_A_NORMALISED_ELEMENT * graph.elements(node.outputs[0]),
            params=graph.fresh(node, *node.inputs[1:]),
        ),
    ),
    **_each("MaxPool AveragePool LpPool", _pooling),
    **_each("GlobalAveragePool GlobalMaxPool GlobalLpPool", _global_pooling),
    **_each("Softmax LogSoftmax Hardmax", _same_shape(Softmax)),
    "Dropout": _same_shape(Dropout),
    **_each("Relu LeakyRelu Clip HardSigmoid ThresholdedRelu", _activation(RELU)),
    **_each("Sigmoid Tanh Softplus Softsign Elu Selu Celu Erf Exp Log Sqrt Reciprocal Sin Cos", _activation(TANH)),
    **_each("HardSwish Swish Mish", _activation(SWISH)),
    "Gelu": _activation(GELU),
    **_each("Add Sub Mul Div Pow PRelu Sum Mean Max Min Mod Neg Abs Sign Floor Ceil Round Where", _elementwise),
    **_each(
        "ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp "
        "ReduceLogSum CumSum TopK",
        _reduction,
    ),
    **_each(
        "Transpose Concat Split Slice Pad Expand Tile Cast CastLike Resize Upsample GatherElements GatherND "
        "ScatterElements ScatterND DepthToSpace SpaceToDepth Trilu Compress ReverseSequence",
        _moved,
    ),
    **_each(
        "Reshape Flatten Squeeze Unsqueeze Identity Shape Size Constant ConstantOfShape Range EyeLike NonZero OneHot "
        "Equal Less LessOrEqual Greater GreaterOrEqual Not And Or Xor IsNaN IsInf ArgMax ArgMin RandomNormalLike "
        "RandomUniformLike Bernoulli",
        _nothing,
    ),
}
