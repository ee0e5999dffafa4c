"""A model of the user's own, from an ONNX file. The graph is read, never run; its shapes are ONNX's own inference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from netsim.errors import Problem, ScenarioError
from netsim.layers.base import Layer
from netsim.models._onnx_graph import Graph
from netsim.models._onnx_layers import READERS
from netsim.models._onnx_shapes import loaded
from netsim.models._tables import imported
from netsim.models.base import Model
from netsim.units import shown

_MOST_PROBLEMS = 20


def from_onnx(file: str, unknown: Literal["error", "skip"] = "error", shapes: Any = None) -> Model:
    """The layers of an ONNX file. `shapes` gives inputs whose axes have no size theirs, batch first; a batch axis
    without a size is 1. An operator that netsim does not know is an error, or, with `unknown` "skip", counted as
    nothing and named in the model's `skipped`."""
    graph = Graph(*loaded(file, _shapes(shapes)))
    layers: list[Layer] = []
    problems: list[Problem] = []
    skipped: list[str] = []
    for node in graph.nodes():
        reader = READERS.get(node.kind)
        if reader is None:
            skipped.append(f"{node.said} ({node.kind})")
            problems.append(Problem("file", f"{file}: {node.said}: no layer for the operator {node.kind}"))
            continue
        if graph.is_idle(node):
            continue
        try:
            layers += _named(reader(node, graph), node.name, layers)
        except ScenarioError as error:
            problems += [Problem("file", f"{file}: {node.said}: {problem}") for problem in error.problems]
            skipped.append(f"{node.said} ({node.kind})")
        except (LookupError, TypeError, ValueError):  # inputs or attributes are missing, or of other types
            problems.append(Problem("file", f"{file}: {node.said}: is not what ONNX calls {node.kind}"))
            skipped.append(f"{node.said} ({node.kind})")
    if problems and unknown == "error":
        raise ScenarioError(_few([*problems, Problem("unknown", '"skip" would count these as nothing')]))
    if not layers:
        raise ScenarioError(f"{file} has no layers", path="file")
    return imported(Path(file).stem, layers, skipped, list(_assumed(graph)))


def _assumed(graph: Graph) -> Iterator[str]:
    """What the file does not say."""
    origins = graph.origins
    if origins.folded:
        yield f"{len(origins.folded)} convolutions had their batch normalisation folded in; it is put back for training"
    if graph.shared:
        named = ", ".join(sorted(graph.shared)[:3]) + (", ..." if len(graph.shared) > 3 else "")
        yield f"{len(graph.shared)} equal tensors of several modules were merged ({named}); each module has its own"
    if origins.untrained:
        named = ", ".join(sorted(origins.untrained)[:3]) + (", ..." if len(origins.untrained) > 3 else "")
        yield f"not trained, as they are buffers, masks or tables of sines: {named}"


def _few(problems: Sequence[Problem]) -> list[Problem]:
    *most, advice = problems
    more = len(most) - _MOST_PROBLEMS
    rest = [Problem("file", f"and {more} more nodes")] if more > 0 else []
    return [*most[:_MOST_PROBLEMS], *rest, advice]


def _named(layers: Iterable[Layer], name: str, before: Sequence[Layer]) -> list[Layer]:
    taken = {layer.name for layer in before}
    named = []
    for layer in layers:
        whole = f"{name}.{layer.name}" if layer.name else name
        number, own = 1, whole
        while own in taken:
            number, own = number + 1, f"{whole}.{number + 1}"
        taken.add(own)
        named.append(replace(layer, name=own))
    return named


def _shapes(given: Any) -> dict[str, tuple[int, ...]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ScenarioError(f"{shown(given)} is not a table of shapes, such as {{ tokens = [1, 128] }}", path="shapes")
    for name, shape in given.items():
        sizes = isinstance(shape, (tuple, list)) and all(type(axis) is int and 0 < axis < 2**31 for axis in shape)
        if not sizes:
            raise ScenarioError(f"{shown(shape)} is not a list of whole numbers from 1 up", path=f"shapes.{name}")
    return {name: tuple(shape) for name, shape in given.items()}
