"""The notebooks of docs/ run, and show what they showed: `python tests/test_notebooks.py` writes their outputs anew."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs").rglob("*.ipynb"))


def outputs_of(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What the last expression of each code cell shows, cells being run in their order."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found: list[list[dict[str, Any]]] = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last else None  # type: ignore[attr-defined]
        found.append([] if value is None else [shown(value, number)])
    return found


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(value: Any, number: int) -> dict[str, Any]:
    data = {"text/html": value._repr_html_()} if hasattr(value, "_repr_html_") else {"text/plain": repr(value)}
    return {"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_shows_what_it_showed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    notebook = json.loads(file.read_text(encoding="utf-8"))
    assert [cell["outputs"] for cell in code_cells(notebook)] == outputs_of(notebook)


def test_there_is_a_notebook_with_tables() -> None:
    assert any("<table" in file.read_text(encoding="utf-8") for file in NOTEBOOKS)


if __name__ == "__main__":
    for each in NOTEBOOKS:
        os.chdir(each.parent)
        document = json.loads(each.read_text(encoding="utf-8"))
        for code, outputs in zip(code_cells(document), outputs_of(document), strict=True):
            code["outputs"] = outputs
        each.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
