"""Where the tensors of an ONNX file came from: what exporters do to trained tensors, so that it can be undone.

A file says which numbers are constant, but not which are trained. Exporters of PyTorch fold batch normalisation into
convolutions, merge tensors that are equal (untrained copies of a layer are), split tied ones into a table and its
transposed copy, and leave buffers among the weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

MOST_MERGED = 1024  # elements of tensors that are merged where they are equal (onnx_ir, DeduplicateInitializersPass)
_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto.FLOAT, FLOAT16, DOUBLE, BFLOAT16
_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
_SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "GRU", "RNN", "Einsum"})
_MOST_ROWS = 64  # of a table, by which it is recognised
_LARGEST = 2**28  # elements of a tensor that is looked into


@dataclass(frozen=True)
class Origins:
    """What a file's constants are. `untrained`: buffers, tables of sines, masks; `copies`: of a table, transposed, and
    of which; `folded`: weights of convolutions that have swallowed their batch normalisation, and whether they had a
    bias before; `merged`: whether tensors that were equal may be one."""

    untrained: frozenset[str] = frozenset()
    copies: Mapping[str, str] = field(default_factory=dict)
    folded: Mapping[str, bool] = field(default_factory=dict)
    merged: bool = False


def origins(onnx: Any, file: str, model: Any) -> Origins:
    """What is to be seen of the constants of a model while their numbers are still there."""
    graph, users = model.graph, _users(model.graph)
    floats = {
        tensor.name: tensor for tensor in graph.initializer if tensor.data_type in _FLOATS and prod(tensor.dims) > 1
    }
    values = _Values(onnx, Path(file).parent)
    untrained = {
        name
        for name, tensor in floats.items()
        if not users.get(name, set()) & _WEIGHTED and _is_made(values.rows(tensor))
    }
    return Origins(
        untrained=frozenset(untrained | _buffers(graph)),
        copies=_copies(floats, users, values),
        folded=_folded(graph),
        merged=model.producer_name == "pytorch",
    )


class _Values:
    """The numbers of tensors, from the file or beside it; None where they cannot be had."""

    def __init__(self, onnx: Any, folder: Path) -> None:
        self._onnx, self._folder = onnx, folder

    def all(self, tensor: Any) -> Any:
        if prod(tensor.dims) > _LARGEST:
            return None
        try:
            return self._onnx.numpy_helper.to_array(tensor, str(self._folder)).astype("float64", copy=False)
        except Exception:  # what is damaged, or not there, says nothing
            return None

    def rows(self, tensor: Any) -> Any:
        """The first rows of a table with more than one axis; None for anything else."""
        sizes = [size for size in tensor.dims if size > 1]
        values = self.all(tensor) if len(sizes) > 1 else None
        return None if values is None else values.reshape(sizes[0], -1)[:_MOST_ROWS]


def _users(graph: Any) -> dict[str, set[str]]:
    """Tensor -> the kinds of operators that use it."""
    found: dict[str, set[str]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, set()).add(node.op_type)
    return found


def _is_made(rows: Any) -> bool:
    """Whether a table is a mask, with -inf or as good as that in it; or positions (Vaswani et al. 2017, section 3.5; Su
    et al. 2021), whose columns are sines of the row's number: sin((t + 1) w) + sin((t - 1) w) = 2 cos(w) sin(t w)."""
    if rows is None or not rows.size:
        return False
    numpy = import_module("numpy")
    if rows.min() <= -1e4:
        return True
    if len(rows) < 5 or not numpy.isfinite(rows).all():
        return False
    middle, around = rows[1:-1], rows[:-2] + rows[2:]
    twice_cosine = (middle * around).sum(axis=0) / numpy.maximum((middle**2).sum(axis=0), 1e-30)
    waves = numpy.abs(around - twice_cosine * middle).max() < 1e-3 and numpy.abs(rows).max() < 1.001
    return bool(waves and numpy.ptp(rows, axis=0).max() > 0.1)


def _buffers(graph: Any) -> set[str]:
    """What the exporter itself calls no parameter."""
    said = {value.name: _metadata(value).get(_KIND) for value in (*graph.value_info, *graph.input)}
    return {name for name, kind in said.items() if kind in ("BUFFER", "CONSTANT_TENSOR")}


def _metadata(proto: Any) -> dict[str, str]:
    return {each.key: each.value for each in getattr(proto, "metadata_props", ())}


def _copies(floats: Mapping[str, Any], users: Mapping[str, set[str]], values: _Values) -> dict[str, str]:
    """A weight of a matrix product that is a looked-up table transposed, and the table."""
    numpy = import_module("numpy")
    tables = [name for name, tensor in floats.items() if "Gather" in users.get(name, ()) and len(tensor.dims) == 2]
    found = {}
    for table in tables:
        for name, tensor in floats.items():
            turned = list(tensor.dims) == list(floats[table].dims)[::-1] and "MatMul" in users.get(name, ())
            if turned and name != table and name not in found:
                ours, theirs = values.all(tensor), values.all(floats[table])
                if ours is not None and theirs is not None and numpy.array_equal(ours, theirs.T):
                    found[name] = table
    return found


def _folded(graph: Any) -> dict[str, bool]:
    """Weights of convolutions with folded batch normalisation, by the name that TorchScript gives to what it computed,
    or by the classes of modules that TorchDynamo says: whether there was a bias is in its signature."""
    signature = _metadata(graph).get(_SIGNATURE, "")
    found = {}
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3:
            weight = node.input[1]
            if re.fullmatch(r"onnx::Conv_\d+", weight) and re.fullmatch(r"onnx::Conv_\d+", node.input[2]):
                found[weight] = False
            elif "batchnorm" in _metadata(node).get(_CLASSES, ""):
                found[weight] = f"target='{weight.removesuffix('weight')}bias'" in signature
    return found


def module_of(node: Any) -> str | None:
    """The module whose forward a node is part of, where the exporter says it; calls of it have no numbers."""
    scopes: Iterable[str] = re.findall(r"'([^']*)'", _metadata(node).get("pkg.torch.onnx.name_scopes", "")[:4096])
    *_, module, _ = ("", "", *scopes)
    return re.sub(r"@\d+", "", module) or None
