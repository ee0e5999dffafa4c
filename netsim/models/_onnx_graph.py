"""An ONNX graph as the reader of layers sees it: nodes with attributes, shapes, and which tensors are trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from netsim.errors import ScenarioError
from netsim.models._onnx_origins import MOST_MERGED, Origins, module_of

Shape = tuple[int, ...]
_FLOATS = frozenset({1, 10, 11, 16})  # TensorProto.FLOAT, FLOAT16, DOUBLE, BFLOAT16
_NO_VALUES = frozenset({"Shape", "Size"})  # what they give does not depend on the values of their input
_LONGEST_NAME = 120


class Node:
    """An operator: its name among the layers, what the file calls it, its kind, inputs, outputs, attributes, and the
    module that it is of, where the file says it."""

    def __init__(self, proto: Any, number: int) -> None:
        domain = proto.domain if proto.domain not in ("", "ai.onnx") else ""
        self.kind = _printable(f"{domain}.{proto.op_type}" if domain else proto.op_type)
        self.said = _printable(proto.name) or f"{self.kind.lower()}{number}"
        self.module = module_of(proto)
        own = self.said.strip("/").replace("/", ".")
        self.name = _printable(f"{self.module}.{self.kind}") if self.module else own or f"{self.kind.lower()}{number}"
        self.inputs: Sequence[str] = tuple(proto.input)
        self.outputs: Sequence[str] = tuple(proto.output)
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        return int(self._attributes[name].i) if name in self._attributes else default

    def integers(self, name: str) -> Shape | None:
        """An attribute that is a list of whole numbers; None if it is not there."""
        return tuple(self._attributes[name].ints) if name in self._attributes else None

    def text(self, name: str, default: str) -> str:
        """An attribute that is text."""
        return self._attributes[name].s.decode("utf-8", "replace") if name in self._attributes else default

    def input(self, number: int) -> str | None:
        """The name of an input; None for an optional one that is left out."""
        return self.inputs[number] if number < len(self.inputs) and self.inputs[number] else None


class Graph:
    """A graph with inferred shapes. `batch` is the first axis of its first input, by which all counts are divided.

    A trained tensor is an initializer of floats with more than one element that is not known to be something else.
    What is computed from trained tensors and constants alone (a transposed weight, a slice of a table of positions)
    stands for the trained tensors it came from. Where an exporter merged equal ones, each module has its own.
    """

    def __init__(self, proto: Any, origins: Origins) -> None:
        self._proto, self.origins = proto, origins
        self._shapes: dict[str, Shape | None] = {}
        self._floating: dict[str, bool] = {}
        for value in (*proto.value_info, *proto.input, *proto.output):
            tensor = value.type.tensor_type
            sizes = tuple(int(axis.dim_value) for axis in tensor.shape.dim)
            self._shapes[value.name] = sizes if tensor.HasField("shape") and min(sizes, default=1) > 0 else None
            self._floating[value.name] = tensor.elem_type in _FLOATS
        self._roots: dict[str, frozenset[str]] = {}  # of what is constant: the trained tensors that it came from
        for tensor in proto.initializer:
            self._shapes[tensor.name] = tuple(tensor.dims)
            self._floating[tensor.name] = tensor.data_type in _FLOATS
            trained = self._floating[tensor.name] and prod(tensor.dims) > 1 and tensor.name not in origins.untrained
            self._roots[tensor.name] = frozenset({origins.copies.get(tensor.name, tensor.name)} if trained else ())
        self._met: dict[str, set[str | None]] = {}  # trained tensor -> modules that have used it
        self.shared: set[str] = set()  # those that were counted for several modules
        inputs = [value.name for value in proto.input if value.name not in self._roots]
        first = self._shapes[inputs[0]] if inputs else ()
        self.batch = first[0] if first else 1

    def nodes(self) -> Iterator[Node]:
        """The operators in the order of the file, which is that of the forward pass."""
        return (Node(proto, number) for number, proto in enumerate(self._proto.node, 1))

    def is_idle(self, node: Node) -> bool:
        """Whether a node works on constants alone or makes no floats: on shapes, indices, masks."""
        given = [name for name in node.inputs if name]
        if all(name in self._roots for name in given) and node.kind[:6] != "Random":
            for name in node.outputs:
                self._roots[name] = self._origin(node, name, given)
            return True
        return not any(self._floating.get(name, True) for name in node.outputs if name)

    def _origin(self, node: Node, output: str, given: Sequence[str]) -> frozenset[str]:
        """The trained tensors in a constant that a node makes; TorchScript leaves an Identity of that name where it has
        merged a tensor with an equal one, so that this is one of its own."""
        roots = frozenset[str]().union(*(self._roots[name] for name in given))
        if node.kind in _NO_VALUES or not self._floating.get(output, True):
            return frozenset()
        if node.kind == "Identity" and self.origins.merged and roots == {given[0]}:
            self.shared.add(given[0])
            return frozenset({output})
        return roots

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is the same in every pass: a trained tensor, or made of those and of constants."""
        return name in self._roots

    def fresh(self, node: Node, *names: str | None) -> int:
        """Trained numbers behind these tensors that no node had before; they are had from now on."""
        roots = {root for name in names if name for root in self._roots.get(name, ())}
        return sum(prod(self._shape_of(root)) for root in roots if self._is_new(root, node))

    def _is_new(self, root: str, node: Node) -> bool:
        """Whether a trained tensor was not met before, or is one of several that TorchDynamo has merged, as it does to
        small equal ones."""
        modules = self._met.setdefault(root, set())
        merged = self.origins.merged and node.module and prod(self._shape_of(root)) <= MOST_MERGED
        new = not modules or bool(merged and node.module not in modules)
        if new and modules:
            self.shared.add(root)
        modules.add(node.module)
        return new

    def whole(self, name: str) -> Shape:
        """The shape of a tensor with its batch axis."""
        return self._shape_of(name)

    def sample(self, name: str) -> Shape:
        """The shape of one sample's part of a tensor: without the first axis that is the batch, or with its share of
        the first axis, or else as one axis."""
        shape = self._shape_of(name)
        if self.batch in shape and len(shape) > 1:
            axis = shape.index(self.batch)
            return (*shape[:axis], *shape[axis + 1 :])
        if shape and shape[0] % self.batch == 0:
            return (shape[0] // self.batch, *shape[1:])
        return (self.elements(name),)

    def elements(self, name: str) -> int:
        """Elements of one sample's part of a tensor."""
        return max(1, prod(self._shape_of(name)) // self.batch)

    def reads(self, node: Node) -> int:
        """Elements that a node reads of one sample; trained tensors are read once for the batch and not among them."""
        return sum(self.elements(name) for name in node.inputs if name and not self.is_constant(name))

    def _shape_of(self, name: str) -> Shape:
        shape = self._shapes.get(name)
        if shape is None:
            raise ScenarioError(f"ONNX does not know the shape of {_printable(name)!r}")
        return shape


def _printable(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())[:_LONGEST_NAME]
