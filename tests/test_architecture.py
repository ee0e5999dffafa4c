"""The house as a test: floors, one home for each heavy library, no circles, no print, no file without end.

The checker reads the syntax tree of every module and runs nothing. The floors are those of
docs/explanation/architecture.md.
"""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import netsim

PACKAGE = Path(netsim.__file__).parent
PICTURE = PACKAGE.parent / "docs" / "explanation" / "architecture.md"

FLOORS = (
    {"units", "errors", "version", "markup"},
    {"families", "hardware", "disturbances", "probe", "profiler_traces", "trace", "texts", "confidence"},
    {"axes", "crossings", "collectives", "layers", "presets", "profiles", "logs", "probed"},
    {"models", "topologies", "wording", "algorithms", "conditions", "noise", "outages"},
    {"roofline", "scenario", "designs"},
    {"training", "memory", "calibration", "costs"},
    {"checks", "learning"},
    {"loading", "frames"},
    {"engine", "tables", "plots", "explain", "sweeps", "chrome", "layer_tables", "topology_tables", "explained"},
    {"report", "exports", "estimates"},
    {"results", "calibrated", "differences", "drawings", "search", "api", "arguments", "validation"},
    {"terminal", "progress"},
    {"commands"},
    {"cli", "__init__"},
    {"__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HOMES = {
    "click": {"cli", "commands"},
    "distributed": {"sweeps"},
    "PIL": {"plots"},
    "jinja2": {"report"},
    "matplotlib": {"plots"},
    "networkx": {"topologies"},
    "optuna": {"search"},
    "pandas": {"explained", "frames", "tables", "plots", "report"},
    "pint": {"units"},
    "pyarrow": {"exports"},
    "pydantic": {"units", "families"},
    "pydantic_core": {"units", "families"},
    "rich": {"terminal", "progress"},
    "scipy": {"confidence", "designs"},
    "sklearn": {"learning"},
    "simpy": {"engine", "validation"},  # validation plays a ring in ns.py, which is built on it
    "tomli_w": {"loading"},
}
LAZY = {"pint", "pydantic", "pydantic_core"}  # their homes are imported by everything, so they wait for the first use
LONGEST_FILE = 400


class Import(NamedTuple):
    module: str  # the file's dotted name: "netsim.engine.run"
    target: str  # what it imports: "netsim.collectives.ring", "pandas"
    line: int
    at_start: bool  # executed when the module is imported
    for_types: bool  # under `if TYPE_CHECKING`


def dotted(root: Path, file: Path) -> str:
    parts = file.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def room_of(module: str) -> str:
    """The room of the house: "netsim.engine.run" -> "engine", the package itself -> "__init__"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(root: Path, file: Path) -> Iterator[Import]:
    module = dotted(root, file)

    def walk(node: ast.AST, at_start: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(module, alias.name, child.lineno, at_start, for_types)
            elif isinstance(child, ast.ImportFrom):
                for target in targets_of(root, child):
                    yield Import(module, target, child.lineno, at_start, for_types)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                yield from walk(child, False, True)
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                yield from walk(child, False, for_types)
            else:
                yield from walk(child, at_start, for_types)

    yield from walk(ast.parse(file.read_text(encoding="utf-8")), True, False)


def targets_of(root: Path, node: ast.ImportFrom) -> Iterator[str]:
    """`from netsim import units` imports netsim.units; `from netsim.units import parse` too; dots stay dots."""
    base = "." * node.level + (node.module or "")
    for alias in node.names:
        path = root.parent.joinpath(*base.split("."), alias.name)
        inside = base.split(".")[0] == root.name and (path.is_dir() or path.with_suffix(".py").is_file())
        yield f"{base}.{alias.name}" if inside else base


def violations(root: Path) -> list[str]:
    """Every broken rule of the package at `root`, as "file:line: what may not be"."""
    files = sorted(root.rglob("*.py"))
    imports = {file: list(imports_of(root, file)) for file in files}
    found = [
        f"{file.relative_to(root.parent)}:{line}: {message}"
        for file in files
        for line, message in (*import_violations(root, file, imports[file]), *text_violations(root, file))
    ]
    return found + circles(root, [i for its in imports.values() for i in its])


def import_violations(root: Path, file: Path, imports: list[Import]) -> Iterator[tuple[int, str]]:
    room = room_of(dotted(root, file))
    if room not in FLOOR:
        yield 1, f"{room} has no floor"
        return
    for module in imports:
        library = module.target.split(".")[0]
        if library == root.name:
            other = room_of(module.target)
            if other != room and FLOOR.get(other, len(FLOORS)) >= FLOOR[room]:
                yield module.line, f"{room} may not import {other}"
        elif module.target.startswith("."):
            yield module.line, f"relative import of {module.target}"
        elif room not in HOMES.get(library, {room}) and not module.for_types:
            yield module.line, f"{room} may not import {library}"
        elif library in LAZY and module.at_start:
            yield module.line, f"{library} is to be imported where it is used, not with {room}"


def text_violations(root: Path, file: Path) -> Iterator[tuple[int, str]]:
    text = file.read_text(encoding="utf-8")
    length = len(text.splitlines())
    if length > LONGEST_FILE:
        yield length, f"longer than {LONGEST_FILE} lines"
    if room_of(dotted(root, file)) != "cli":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield node.lineno, "only cli prints"


def circles(root: Path, imports: list[Import]) -> list[str]:
    """Files that know one another, if only by their types: they are one thing in two places."""
    graph: dict[str, set[str]] = {}
    for module in imports:
        if module.target.split(".")[0] == root.name and module.module != module.target:
            graph.setdefault(module.module, set()).add(module.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return ["a circle of imports: " + " -> ".join(reversed(error.args[1]))]
    return []


def tree(root: Path, **files: str) -> Path:
    """A package at `root`/netsim with the given files: engine__run="..." is engine/run.py."""
    for name, text in {"__init__": "", **files}.items():
        file = root.joinpath("netsim", *name.split("__") if not name.startswith("__") else [name]).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root / "netsim"


def test_the_house_keeps_its_floors_and_homes() -> None:
    assert violations(PACKAGE) == []


def test_every_room_of_the_house_has_been_read() -> None:
    rooms = {room_of(dotted(PACKAGE, file)) for file in PACKAGE.rglob("*.py")}
    assert {"units", "collectives", "engine", "cli", "__init__"} <= rooms


def test_the_picture_in_the_documentation_shows_the_same_floors() -> None:
    text = PICTURE.read_text(encoding="utf-8")
    for number, rooms in enumerate(FLOORS):
        row = next(line for line in text.splitlines() if line.startswith(f"{number}  "))
        assert set(row.replace("[", " [").split()) >= rooms - {"__init__", "__main__"}, row


def test_the_picture_shows_every_room_once() -> None:
    drawn = re.findall(r"^[├└]── (\w+)(?:\.py|/) ", PICTURE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    there = [
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and path.stem != "__pycache__")
    ]
    assert sorted(drawn) == sorted(there)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"collectives__ring": "import math\n\nfrom netsim.report import write\n", "report": ""},
            "netsim/collectives/ring.py:3: collectives may not import report",
        ),
        (
            {"collectives__ring": "def f():\n    from netsim import report\n", "report": ""},
            "netsim/collectives/ring.py:2: collectives may not import report",
        ),
        (
            {"tables": "import netsim.explain\n", "explain": ""},
            "netsim/tables.py:1: tables may not import explain",
        ),
        ({"engine__run": "import netsim\n"}, "netsim/engine/run.py:1: engine may not import __init__"),
        ({"units": "from . import errors\n", "errors": ""}, "netsim/units.py:1: relative import of ."),
        ({"training__step": "import simpy\n"}, "netsim/training/step.py:1: training may not import simpy"),
        ({"explain": "def f():\n    import pandas\n"}, "netsim/explain.py:2: explain may not import pandas"),
        ({"report": "import matplotlib.pyplot\n"}, "netsim/report.py:1: report may not import matplotlib"),
        (
            {"families": "import pydantic\n"},
            "netsim/families.py:1: pydantic is to be imported where it is used, not with families",
        ),
        ({"units": "print(1)\n"}, "netsim/units.py:1: only cli prints"),
        ({"units": "x = 1\n" * 401}, "netsim/units.py:401: longer than 400 lines"),
        ({"attic": ""}, "netsim/attic.py:1: attic has no floor"),
    ],
)
def test_a_bad_tree_is_told_by_file_and_line(files: dict[str, str], expected: str, tmp_path: Path) -> None:
    assert violations(tree(tmp_path, **files)) == [expected]


@pytest.mark.parametrize("back", ["def f():\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"])
def test_modules_that_import_one_another_are_a_circle(back: str, tmp_path: Path) -> None:
    a, b = "netsim.engine.a", "netsim.engine.b"
    bad = tree(tmp_path, engine__a=f"import {b}\n", engine__b=f"{back}    from netsim.engine import a\n")
    (found,) = violations(bad)
    assert found in {f"a circle of imports: {a} -> {b} -> {a}", f"a circle of imports: {b} -> {a} -> {b}"}


def test_a_good_tree_passes(tmp_path: Path) -> None:
    good = tree(
        tmp_path,
        units="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pint\ndef f():\n    import pint\n",
        engine__run="import simpy\n\nfrom netsim import units\nfrom netsim.engine import network\n",
        engine__network="from netsim.units import f\n",
        cli="print(1)\n",
    )
    assert violations(good) == []


@pytest.mark.parametrize(
    ("room", "unknown"), [("reference", {"fast"}), ("fast", {"reference"}), ("record", {"fast", "reference"})]
)
def test_the_two_engines_do_not_know_one_another(room: str, unknown: set[str]) -> None:
    files = sorted((PACKAGE / "engine" / room).rglob("*.py"))
    imports = [each.target.split(".") for file in files for each in imports_of(PACKAGE, file)]
    targets = {target[2] for target in imports if target[:2] == ["netsim", "engine"]}
    assert files
    assert not targets & (unknown | {"run", "single", "several"})
