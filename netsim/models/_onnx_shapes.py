"""An ONNX file read as a graph in which every tensor has its shape."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

from netsim.errors import Problem, ScenarioError
from netsim.models._onnx_origins import Origins, origins
from netsim.texts import why_unreadable
from netsim.units import shown

_LARGEST_FILE = 2**31 - 1  # bytes, of what protobuf reads
_WEIGHTS = 4096  # bytes; larger tensors of floats have no say in shapes
_MOST_ROUNDS = 200  # of inference, as many as there are shapes that depend on one another
_MOST_VALUES = 1024  # of a tensor that says a shape
_WHOLE = frozenset({6, 7, 9})  # TensorProto.INT32, INT64, BOOL
_SHAPE_ARITHMETIC = frozenset({
    "Add", "And", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Gather", "Greater",
    "Identity", "Less", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Reshape", "Shape", "Slice", "Squeeze", "Sub",
    "Transpose", "Unsqueeze", "Where",
})  # fmt: skip


def loaded(file: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Any, Origins]:
    """The graph with inferred shapes, and where its constants came from. Whatever is wrong with the file ends in one
    message."""
    try:
        onnx = import_module("onnx")
        inliner = import_module("onnx.inliner")
    except ModuleNotFoundError:
        needs = "needs the package onnx: pip install 'netsim-training[onnx]'"
        raise ScenarioError(f"{file} {needs}", path="file") from None
    _check_size(file)
    try:
        model = onnx.load(file, load_external_data=False)
        if model.functions:
            model = inliner.inline_local_functions(model)
    except Exception as error:  # protobuf and ONNX raise errors of many kinds for a file that is broken
        raise ScenarioError(f"{file} is no ONNX model that can be read: {_line(error)}", path="file") from None
    _check_names(file, model.graph)
    _import_domains(onnx, model)
    constants = origins(onnx, file, model)
    _without_weights(onnx, model.graph)
    _set_inputs(file, model.graph, shapes)
    try:
        return _inferred(onnx, model), constants
    except Exception as error:
        raise ScenarioError(f"{file}: the shapes cannot be inferred: {_line(error)}", path="file") from None


def _inferred(onnx: Any, model: Any) -> Any:
    """The graph with all shapes that ONNX can infer. Where shapes are computed by nodes, those are worked out first
    and written in as constants, until there are no more."""
    infer = import_module("onnx.shape_inference").infer_shapes
    versions = {each.domain: each.version for each in model.opset_import}
    for _ in range(_MOST_ROUNDS):
        graph = infer(model, data_prop=True).graph
        if not _write_constants(onnx, graph, versions):
            break
        model.graph.CopyFrom(graph)
    return graph


def _write_constants(onnx: Any, graph: Any, versions: Mapping[str, int]) -> bool:
    """Puts initializers in the place of nodes that compute shapes from known ones; whether there were any."""
    shapes = _known_shapes(graph)
    values = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type in _WHOLE and prod(tensor.dims) <= _MOST_VALUES and not tensor.external_data
    }
    kept = []
    for node in graph.node:
        found = _value(onnx, node, shapes, values, versions)
        if found is None:
            kept.append(node)
        else:
            values[node.output[0]] = found
            graph.initializer.append(onnx.numpy_helper.from_array(found, node.output[0]))
    changed = len(kept) < len(graph.node)
    del graph.node[:]
    graph.node.extend(kept)
    return changed


def _known_shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        sizes = tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        if value.type.tensor_type.HasField("shape") and min(sizes, default=1) > 0:
            found[value.name] = sizes
    return found


def _value(
    onnx: Any, node: Any, shapes: Mapping[str, tuple[int, ...]], values: Mapping[str, Any], versions: Mapping[str, int]
) -> Any:
    """What a node of shape arithmetic gives: a few whole numbers; None if it is none, or its inputs are not known."""
    numpy = import_module("numpy")
    if node.op_type == "Shape" and not node.attribute and node.input[0] in shapes:
        return numpy.array(shapes[node.input[0]], dtype=numpy.int64)
    given = [name for name in node.input if name]
    if node.domain or len(node.output) != 1 or node.op_type not in _SHAPE_ARITHMETIC:
        return None
    if (
        not all(name in values for name in given)
        or prod(shapes.get(node.output[0], (_MOST_VALUES + 1,))) > _MOST_VALUES
    ):
        return None
    evaluator = import_module("onnx.reference").ReferenceEvaluator(node, opsets=versions)
    (found,) = evaluator.run(None, {name: values[name] for name in given})
    return found if found.dtype.kind in "ib" else None


def _check_size(file: str) -> None:
    path = Path(file)
    try:
        if path.is_dir():
            raise ScenarioError(f"{file} is a directory", path="file")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{file} cannot be read: {why_unreadable(error)}", path="file") from None
    if not 0 < size <= _LARGEST_FILE:
        what = "is empty" if size == 0 else "has more than 2 GiB; save its weights as external data"
        raise ScenarioError(f"{file} {what}", path="file")


def _line(error: Exception) -> str:
    """The first line of what was raised, printable and short."""
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return "".join(letter for letter in first if letter.isprintable())[:200]


def _check_names(file: str, graph: Any) -> None:
    """Protobuf hands out what is no UTF-8 as bytes."""
    for node in graph.node:
        names = (
            node.name,
            node.op_type,
            node.domain,
            *node.input,
            *node.output,
            *(each.name for each in node.attribute),
        )
        if any(isinstance(name, bytes) for name in names):
            raise ScenarioError(f"{file} is no ONNX model that can be read: it has names that are no text", path="file")


def _import_domains(onnx: Any, model: Any) -> None:
    """Names the domains of operators that the file forgot, without which nothing is inferred of any node."""
    known = {each.domain for each in model.opset_import}
    for domain in dict.fromkeys(node.domain for node in model.graph.node):
        if domain not in known and domain != "ai.onnx":
            model.opset_import.append(onnx.helper.make_opsetid(domain, 1))


def _without_weights(onnx: Any, graph: Any) -> None:
    """Takes the numbers of large tensors away: only their shapes are wanted, and inference copies the model."""
    for tensor in graph.initializer:
        floating = tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
        if floating and len(tensor.raw_data) > _WEIGHTS:
            tensor.ClearField("raw_data")


def _set_inputs(file: str, graph: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Gives every axis of every input a size."""
    kept = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in kept}
    problems = [Problem(f"shapes.{name}", f"{file} has no such input") for name in shapes if name not in inputs]
    for name, value in inputs.items():
        axes = value.type.tensor_type.shape.dim
        if name in shapes and len(shapes[name]) != len(axes):
            problems.append(Problem(f"shapes.{name}", f"{shown(shapes[name])} should have {len(axes)} axes"))
            continue
        open_axes = []
        for number, axis in enumerate(axes):
            if name in shapes:
                axis.dim_value = shapes[name][number]
            elif axis.dim_value < 1 and number == 0:
                axis.dim_value = 1
            elif axis.dim_value < 1:
                open_axes.append(number)
        if open_axes:
            example = ", ".join("1" if axis.dim_value == 1 else str(axis.dim_value or 128) for axis in axes)
            which = "axis " + ", ".join(map(str, open_axes)) if len(open_axes) == 1 else f"axes {open_axes}"
            problems.append(Problem(f"shapes.{name}", f"{which} has no size; give shapes = {{ {name} = [{example}] }}"))
    if problems:
        raise ScenarioError(problems)
