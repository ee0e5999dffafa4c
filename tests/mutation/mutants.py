"""The mutants of a module: what cosmic-ray would change in it, without what no test is meant to see."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

# One change of each sign, to the nearest: what only raises a TypeError dies at once, and proves nothing.
OPERATORS = (
    *(f"core/ReplaceBinaryOperator_{pair}" for pair in (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div", "Mod_Div", "Pow_Mul",
        "LShift_RShift", "RShift_LShift", "BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitAnd",
    )),
    *(f"core/ReplaceComparisonOperator_{pair}" for pair in (
        "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is",
    )),
    *(f"core/{name}" for name in (
        "ReplaceUnaryOperator_USub_UAdd", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_Invert",
        "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
        "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer",
        "ZeroIterationForLoop",
    )),
)  # fmt: skip

Place = tuple[int, int]  # line from 1, column from 0


@dataclass(frozen=True, slots=True, order=True)
class Mutant:
    """One change of one file."""

    file: str
    line: int
    column: int
    operator: str
    occurrence: int

    def source(self, code: str) -> str:
        """The file's text with the change."""
        mutated = mutate_code(code, get_operator(self.operator)(), self.occurrence)
        assert mutated is not None, f"no such mutant: {self}"
        return mutated


def mutants(root: Path, file: str) -> Iterator[Mutant]:
    """All of a file's, in the order of operators and of places."""
    code = (root / file).read_text(encoding="utf-8")
    nodes, hidden, lines = list(ast_nodes(get_ast(code))), list(_unseen(code)), code.splitlines()
    for name in OPERATORS:
        operator = get_operator(name)()
        places = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (line, column) in enumerate(places):
            mark = lines[line - 1].startswith("*,", column)  # of keyword-only arguments: no product
            if not mark and not any(start <= (line, column) < end for start, end in hidden):
                yield Mutant(file, line, column, name, occurrence)


def _unseen(code: str) -> Iterator[tuple[Place, Place]]:
    """From where to where nothing is changed: types, decorators, messages, assertions, pictures."""
    lines = code.splitlines()
    for node in ast.walk(ast.parse(code)):
        yield from (_span(part, lines) for part in _unseen_of(node))


def _unseen_of(node: ast.AST) -> Sequence[ast.expr | ast.stmt]:
    match node:
        case ast.FunctionDef(name="places" | "_places"):
            return [node]
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
            return [annotation]
        case ast.FunctionDef(decorator_list=decorators, returns=returns):
            return [*decorators, *([returns] if returns else [])]
        case ast.ClassDef(decorator_list=decorators):
            return decorators
        case ast.keyword(arg="strict", value=value):  # of zip: an assertion
            return [value]
        case ast.JoinedStr():
            return [node]
        case ast.Raise() | ast.Assert() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return [node]
    return []


def _span(node: ast.expr | ast.stmt, lines: list[str]) -> tuple[Place, Place]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (
        (node.lineno, _characters(lines[node.lineno - 1], node.col_offset)),
        (node.end_lineno, _characters(lines[node.end_lineno - 1], node.end_col_offset)),
    )


def _characters(line: str, offset: int) -> int:
    """Python counts columns in bytes, cosmic-ray in characters."""
    return len(line.encode()[:offset].decode())
