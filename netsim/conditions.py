"""Conditions on the coordinates of a point: comparisons of paths and values, joined by and, or, not. Nothing else.

Python's parser reads them, and only these few nodes are followed: there are no calls, no names but paths, and no
arithmetic, so a condition in somebody's file can do nothing but compare.

>>> Condition.of("cluster.workers > 8 and cluster.link.rate < '1 Gbit/s'").holds(
...     {"cluster.workers": 16, "cluster.link.rate": "100 Mbit/s"})
True
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netsim.axes import measure, text

_LONGEST = 1000  # characters
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Condition:
    """A condition as parsed, and the paths that it names."""

    tree: ast.expr
    paths: frozenset[str]

    @classmethod
    def of(cls, written: str) -> Condition:
        """Raises ValueError, with a sentence, for anything but comparisons joined by and, or, not."""
        if len(written) > _LONGEST:
            raise ValueError(f"a condition has at most {_LONGEST} characters")
        try:
            tree = ast.parse(written.strip(), mode="eval").body
            paths = frozenset(_paths(tree))
        except SyntaxError:
            raise ValueError("this is no condition, such as cluster.workers > 8 and job.batch < 64") from None
        except (RecursionError, MemoryError):
            raise ValueError("this is nested too deeply") from None
        return cls(tree, paths)

    def holds(self, coordinates: Mapping[str, Any]) -> bool:
        """Whether it is true of a point. Quantities of one kind are compared by size; what has no order is neither
        below nor above anything."""
        return _holds(self.tree, coordinates)


def _paths(node: ast.expr) -> list[str]:
    """The paths of a condition that is allowed; ValueError for one that is not."""
    match node:
        case ast.BoolOp():
            return [path for value in node.values for path in _paths(value)]
        case ast.UnaryOp(op=ast.Not()):
            return _paths(node.operand)
        case ast.Compare():
            if not all(type(op) in _COMPARISONS for op in node.ops):
                raise ValueError("it may compare by ==, !=, <, <=, > and >=")
            return [path for side in (node.left, *node.comparators) if (path := _path(side)) is not None]
    raise ValueError(f"{ast.unparse(node)} is no comparison; a condition compares, such as cluster.workers > 8")


def _path(node: ast.expr) -> str | None:
    """The path that one side of a comparison is, None if it is a value."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str()):
            return None
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return None
        case ast.Name(id=name):
            return None if name in _WORDS else name
        case ast.Attribute(value=inner, attr=key) if (path := _path(inner)) is not None:
            return f"{path}.{key}"
    raise ValueError(f"{ast.unparse(node)} is neither the path of an axis nor a value")


def _holds(node: ast.expr, at: Mapping[str, Any]) -> bool:
    if isinstance(node, ast.BoolOp):
        results = (_holds(value, at) for value in node.values)
        return all(results) if isinstance(node.op, ast.And) else any(results)
    if isinstance(node, ast.UnaryOp):
        return not _holds(node.operand, at)
    assert isinstance(node, ast.Compare)
    sides = [_value(side, at) for side in (node.left, *node.comparators)]
    return all(
        _compare(_COMPARISONS[type(op)], left, right)
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
    )


def _value(node: ast.expr, at: Mapping[str, Any]) -> Any:
    path = _path(node)
    if path is not None:
        return at[path]
    return _WORDS[node.id] if isinstance(node, ast.Name) else ast.literal_eval(node)


def _compare(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    measured = measure([left, right])
    if measured is not None:
        return compare(*measured[1])
    if compare in (operator.eq, operator.ne):
        return compare(text(left), text(right))
    return False
