"""What `import netsim` gives, and what it costs: asserted on sys.modules, never on time."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import netsim

REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "python.md"
HEAVY = {"jinja2", "matplotlib", "numba", "pandas", "pint", "pydantic", "pydantic_core", "simpy"}


def modules_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds when it has run `code`."""
    script = f"{code}\nimport sys\nprint('MODULES', *{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES ")[2].split())


def test_the_public_list_is_sorted() -> None:
    assert list(netsim.__all__) == sorted(netsim.__all__)


def test_the_public_list_is_the_documented_one() -> None:
    documented = re.findall(r"^\| `(\w+)`", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(netsim.__all__) == sorted(documented)


@pytest.mark.parametrize("name", netsim.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(netsim, name)
    assert isinstance(value, str) or value.__doc__


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="alreduce"):
        netsim.alreduce  # noqa: B018


def test_dir_shows_the_public_names() -> None:
    assert set(netsim.__all__) <= set(dir(netsim))


def test_the_version_is_the_distributions() -> None:
    try:
        installed = importlib.metadata.version("netsim-training")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("netsim-training is not installed here, only on the path")
    assert netsim.__version__ == installed


def test_importing_netsim_loads_no_heavy_library() -> None:
    assert modules_after("import netsim") & HEAVY == set()


def test_help_loads_no_heavy_library() -> None:
    run_help = """
import runpy, sys
sys.argv = ["netsim", "--help"]
try:
    runpy.run_module("netsim", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    assert modules_after(run_help) & HEAVY == set()
