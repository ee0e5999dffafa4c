"""Everything that the pages show is run: commands, Python, scenarios, and the output that they print.

A page is run from top to bottom in a folder of its own that holds a copy of scenarios/; the steps of the tutorial are
run one after the other in the same folder:

- `bash`: run by bash, must succeed; the README's set-up commands are left to .ci/run, which takes them from the README.
- `console`: each line `$ command` is run and must print what follows it; `...` stands for anything.
- `python`: executed, with the names of the blocks before it; with `>>>`, what is shown is compared too.
- `toml`: a whole scenario must load. After `<!-- fragment -->` the block is laid over scenarios/quickstart.toml first;
  `<!-- fragment instead of cluster.link, job.model -->` takes those keys away before.

Anything else is an error, unless `<!-- not run: the reason -->` stands before the block.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from markdown_it import MarkdownIt

from netsim.loading import from_table

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TUTORIAL = ROOT / "docs" / "tutorial"
READINGS = [[page] for page in PAGES if page.parent != TUTORIAL] + [sorted(TUTORIAL.glob("*.md"))]
QUICK = Path(__file__).parent / "quick_netsim.py"
PYTHON = f'"{sys.executable}"'
SET_UP = "python3 -m venv "
SHOWN = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    page: Path
    line: int  # of the fence, from 1
    language: str
    text: str
    remark: str  # what an HTML comment directly before it says

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order; also those in lists and quotations."""
    blocks, remark = [], ""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            blocks.append(Block(page, token.map[0] + 1, token.info.strip(), token.content, remark))
        comment = re.fullmatch(r"\s*<!--\s*(.*?)\s*-->\s*", token.content, re.DOTALL)
        remark = comment[1] if comment and token.type == "html_block" else ""
    return blocks


@pytest.fixture(scope="module")
def quick_netsim() -> Iterator[str]:
    """A command line, before arguments, that is `netsim` without the time that it takes to start."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address := f"{folder}/netsim")
        listening.listen(64)
        server = subprocess.Popen(
            [sys.executable, QUICK, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        yield f'"{sys.executable}" -I -S "{QUICK}" "{address}"'
        server.terminate()
        server.wait()


class Reader:
    """Someone who follows a page literally, in `folder`, for whom `netsim` is a command line that answers at once."""

    def __init__(self, folder: Path, netsim: str) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        shutil.copytree(ROOT / "scenarios", folder / "scenarios")
        tools = folder / ".bin"
        tools.mkdir()
        for name, command in {"netsim": netsim, "python": PYTHON, "python3": PYTHON}.items():
            tool = tools / name
            tool.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            tool.chmod(0o755)
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}

    def follow(self, block: Block) -> None:
        if block.remark.startswith("not run:"):
            assert block.remark.removeprefix("not run:").strip(), f"{block.place}: not run, but why?"
            return
        act = getattr(self, f"follow_{block.language}", None)
        assert act, f"{block.place}: nothing runs a block in {block.language or 'no language'!r}; say why, or mend it"
        act(block)

    def shell(self, command: str, block: Block) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block.place}: exit status {done.returncode}\n{command}\n{done.stderr}"
        return done.stdout

    def follow_bash(self, block: Block) -> None:
        if block.text.startswith(SET_UP):
            assert block.text.strip() in set_up_commands(), f"{block.place}: .ci/run does not run this"
            return
        self.shell(block.text, block)

    def follow_console(self, block: Block) -> None:
        assert block.text.startswith("$ "), f"{block.place}: begin with a command: $ netsim ..."
        for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            self.compare(shown, self.shell(command, block), block)

    def follow_python(self, block: Block) -> None:
        if block.text.lstrip().startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(block.text, self.names, block.place, str(block.page), block.line)
            report: list[str] = []
            result = doctest.DocTestRunner(optionflags=SHOWN).run(test, out=report.append, clear_globs=False)
            self.names.update(test.globs)
            assert result.failed == 0, "".join(report)
            return
        code = compile("\n" * block.line + block.text, str(block.page), "exec")
        exec(code, self.names)

    def follow_toml(self, block: Block) -> None:
        table = tomllib.loads(block.text)
        if block.remark.startswith("fragment"):
            base = tomllib.loads((self.folder / "scenarios" / "quickstart.toml").read_text(encoding="utf-8"))
            for path in re.findall(r"[\w.]+", block.remark.removeprefix("fragment").removeprefix(" instead of")):
                remove(base, path)
            table = laid_over(base, table)
        from_table(table)

    def compare(self, shown: str, printed: str, block: Block) -> None:
        same = doctest.OutputChecker().check_output(shown, printed, SHOWN)
        assert same, f"{block.place}: shows\n{shown}\nbut there comes\n{printed}"


def remove(table: dict[str, Any], path: str) -> None:
    *parents, key = path.split(".")
    for parent in parents:
        table = table[parent]
    del table[key]


def laid_over(base: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `table`; tables with a kind replace, others are merged."""
    merged = dict(base)
    for key, value in table.items():
        old = merged.get(key)
        merges = isinstance(old, dict) and isinstance(value, dict) and "kind" not in value
        merged[key] = laid_over(old, value) if merges else value
    return merged


def set_up_commands() -> list[str]:
    """The README's two commands, as .ci/run finds them."""
    done = subprocess.run([ROOT / ".ci" / "readme"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("pages", READINGS, ids=lambda pages: str(pages[0].relative_to(ROOT)))
def test_every_block_of_a_page_runs(
    pages: list[Path], quick_netsim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(tmp_path, quick_netsim)
    monkeypatch.chdir(tmp_path)
    for page in pages:
        for block in blocks_of(page):
            reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


def test_ci_runs_the_two_commands_of_the_readme() -> None:
    compare, test = set_up_commands()
    assert "netsim compare scenarios/quickstart.toml --strategies ps,tree,ring -o reports/quickstart" in compare
    assert "pytest" in test
    assert ".ci/readme" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_library_has_its_reason_and_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = sum(
        (names for name, names in extras.items() if name not in ("docs", "test", "fuzz", "mutation")),
        project["dependencies"],
    )
    libraries = {re.split(r"[ >=<]", each)[0] for each in asked}
    told = (ROOT / "docs/explanation/dependencies.md").read_text(encoding="utf-8").lower()
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "netsim").rglob("*.py"))
    modules = {
        name: {"scikit-learn": "sklearn", "pillow": "PIL"}.get(name, name.replace("-", "_")) for name in libraries
    }
    imported = r"(?:import |from |import_module\(\")%s\b"
    assert {name for name in libraries if name.removesuffix("2") not in told} == set()
    assert {name for name, module in modules.items() if not re.search(imported % module, code)} == set()


def test_the_shown_scenario_is_the_quickstart() -> None:
    shown = next(b for b in blocks_of(ROOT / "docs/reference/scenario.md") if b.language == "toml")
    assert shown.text == (ROOT / "scenarios/quickstart.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```\nnetsim run x.toml\n```\n", "nothing runs a block in 'no language'"),
        ("```text\na picture\n```\n", "nothing runs a block in 'text'"),
        ("<!-- not run: -->\n```text\na picture\n```\n", "not run, but why"),
        ("```bash\nnetsim no-such-command\n```\n", "exit status 2"),
        ("```bash\npython3 -m venv elsewhere\n```\n", ".ci/run does not run this"),
        ("```console\n$ echo one\ntwo\n```\n", "but there comes"),
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:"),
    ],
)
def test_a_page_that_lies_is_told_so(page: str, complaint: str, quick_netsim: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(page, encoding="utf-8")
    with pytest.raises(AssertionError, match=re.escape(complaint)):
        for block in blocks_of(file):
            Reader(tmp_path, quick_netsim).follow(block)
