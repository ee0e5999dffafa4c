"""How many of a seeded sample of mutants the tests kill: .ci/mutation [AREA ...] [--mutants 100] [--seed 1]."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import fnmatch
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
LIMIT = 5  # times the CPU time that the tests take at most; what takes longer hangs, and counts as killed
GRACE = 20.0  # s of CPU time, of importing and collecting
BUDGET = 10.0  # s of CPU time of tests that a mutant is given
FIRST = 1.0  # s of them that come first, in a process of their own and from few files, since they kill most
FEW = 3  # files
UNNOTICED = (0, 5)  # exit status of pytest: all passed, or there were none
MEMORY = 4 * 2**30  # bytes of address space
HEAVY = (
    "_pytest.doctest",
    "hypothesis",
    "networkx",
    "numpy",
    "pandas",
    "pydantic",
    "pytest",
    "scipy.optimize",
    "scipy.stats",
    "scipy.stats.qmc",
    "simpy",
)

KERNELS = ("kernels", "small_runs_alike", "fifo_exactly", "sharing_exactly", "message_costs")
NETWORK = (
    "health",
    "messages",
    "search",
    "record/meter",
    *(f"reference/{name}" for name in ("fair", "fifo", "network", "sharing", "traffic")),
)


@dataclass(frozen=True, slots=True)
class Area:
    """Files, and where the tests that belong to them are."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


_REFERENCE = "tests/test_site.py::test_the_reference_is_what_the_code_says"  # of bounds and defaults
_NETWORK = tuple(f"netsim/engine/{name}.py" for name in NETWORK)
_ENGINE = (
    "tests/engine",
    "tests/training",
    "tests/test_confidence.py",
    "tests/test_limits.py",
    "tests/test_noise.py",
    "tests/test_outages.py",
    "tests/test_memory.py",
    "netsim/engine",
)
AREAS = {
    "layers": Area(
        ("netsim/layers/*.py",), ("tests/layers", "tests/models", "tests/test_roofline.py", "netsim/layers")
    ),
    "collectives": Area(
        ("netsim/collectives/*.py", "netsim/algorithms/*.py"),
        (
            "tests/collectives",
            "tests/algorithms",
            "tests/topologies",
            "netsim/collectives",
            "netsim/algorithms",
            _REFERENCE,
        ),
    ),
    "network": Area(
        ("netsim/topologies/*.py", *_NETWORK),
        (
            "tests/topologies",
            "tests/collectives/test_natural_topologies.py",
            "tests/test_shaped_network.py",
            *_ENGINE,
            _REFERENCE,
        ),
        without=("netsim/topologies/_places.py",),  # where the nodes of a picture stand
    ),
    "engine": Area(
        ("netsim/engine/*.py", "netsim/engine/*/*.py"),
        (*_ENGINE, "tests/collectives", "tests/test_oracles.py"),
        without=_NETWORK,
    ),
    "kernels": Area(
        ("netsim/engine/fast/kernels/*.py",),
        (*(f"tests/engine/test_{name}.py" for name in KERNELS), "tests/collectives/test_flights.py"),
        without=("netsim/engine/fast/kernels/__init__.py",),
    ),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant, and its change as a diff without context."""

    mutant: Mutant
    fate: str  # killed, limit, survived, equivalent
    tests: int
    seconds: float
    change: str
    by: str = ""


class Tests:
    """What the tests cost, and which of them go through which lines."""

    def __init__(self, tree: Path) -> None:
        from coverage import CoverageData

        seen = json.loads((tree / "times.json").read_text(encoding="utf-8"))
        self._seconds = {
            name: seconds for name, (seconds, passed) in seen.items() if passed and (tree / _file(name)).exists()
        }  # a file that is gone since would end every run of tests, and so seem to kill
        self._lines = CoverageData(str(tree / ".coverage"))
        self._lines.read()

    def of(self, mutant: Mutant) -> list[str]:
        """Those that go through its line, then those through its file: one of each function, the cheapest first."""
        lines = self._lines.contexts_by_lineno(mutant.file)
        near = self._named(lines.get(mutant.line, []))
        far = self._named(name for names in lines.values() for name in names) - near
        chosen, left = [], BUDGET
        for name in [*self._in_turn(near), *self._in_turn(far)]:
            if self._seconds[name] <= left:
                left -= self._seconds[name]
                chosen.append(name)
        return chosen

    def stages(self, names: Sequence[str]) -> Iterator[list[str]]:
        """The first ones, then the rest."""
        files = list(dict.fromkeys(_file(name) for name in names))[:FEW]
        first, left = [], FIRST
        for name in (name for name in names if _file(name) in files):
            left -= self._seconds[name]
            if left >= 0:
                first.append(name)
        rest = [name for name in names if name not in set(first)]
        yield from (stage for stage in (first, rest) if stage)

    def seconds(self, names: Iterable[str]) -> float:
        return sum(self._seconds[name] for name in names)

    def _named(self, contexts: Iterable[str]) -> set[str]:
        return {name for context in contexts if (name := context.rpartition("|")[0]) in self._seconds}

    def _in_turn(self, names: set[str]) -> list[str]:
        """The cheapest of each function, then the others, mixed, since the cheapest say little."""
        functions: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names, key=lambda name: (self._seconds[name], name)):
            functions[name.partition("[")[0]].append(name)
        others = [name for of_one in functions.values() for name in of_one[1:]]
        return [of_one[0] for of_one in functions.values()] + random.Random(0).sample(others, len(others))


def _file(name: str) -> str:
    return name.partition("::")[0]


class Chosen:
    """A plugin of pytest: these tests alone, in this order; remembers the first that fails."""

    def __init__(self, names: Sequence[str], file: Path) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._file = file

    def pytest_collection_modifyitems(self, items: list) -> None:  # type: ignore[type-arg]
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places), key=lambda item: self._places[item.nodeid]
        )

    def pytest_runtest_logreport(self, report) -> None:  # type: ignore[no-untyped-def]
        if report.failed:
            self._file.write_text(report.nodeid, encoding="utf-8")


def tree_of(folder: Path, area: str) -> Path:
    """A copy of what is under version control, with its kernels compiled, where it is not they that are mutated."""
    tree = folder / ("plain" if area == "kernels" else "tree")
    tree.mkdir(parents=True, exist_ok=True)
    names = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    binaries = (
        ()
        if area == "kernels"
        else [str(file.relative_to(ROOT)) for file in ROOT.glob("netsim/engine/fast/kernels/*.so")]
    )
    for name in (*filter(None, names.split("\0")), *binaries):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def measure(tree: Path, tests: Sequence[str]) -> None:
    """Run the tests twice, unchanged: which lines each goes through, and what it takes while nobody counts lines, which
    takes three times as long."""
    (tree / "coverage.ini").write_text("[run]\nrelative_files = true\nsource =\n    netsim\n", encoding="utf-8")
    counting = ["--cov", "--cov-config=coverage.ini", "--cov-context=test", "--cov-report="]
    for options in (counting, ["-p", "no:cov", "-p", "timed"]):
        command = [sys.executable, "-m", "pytest", "-q", *options, *tests]
        subprocess.run(
            command, cwd=tree, env=os.environ | {"PYTHONPATH": f"{tree}:{Path(__file__).parent}"}, check=False
        )


def judge(mutant: Mutant, tree: Path, tests: Tests) -> Verdict:
    """Write the mutant into the tree, run its tests in a process of their own, and put the file back."""
    file = tree / mutant.file
    code = file.read_text(encoding="utf-8")
    source = mutant.source(code)
    change = "\n".join(
        line
        for line in difflib.unified_diff(code.splitlines(), source.splitlines(), lineterm="", n=0)
        if line[:2] not in ("--", "++", "@@")
    )
    names = tests.of(mutant)
    began = time.monotonic()
    if not names:
        return Verdict(mutant, "survived", 0, 0.0, change)
    for binary in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
        binary.unlink()
    try:
        file.write_text(source, encoding="utf-8")
        for stage in tests.stages(names):
            fate, by = _forked(tree, stage, GRACE + LIMIT * tests.seconds(stage))
            if fate != "survived":
                break
    finally:
        file.write_text(code, encoding="utf-8")
    return Verdict(mutant, fate, len(names), round(time.monotonic() - began, 1), change, by)


def _forked(tree: Path, names: Sequence[str], limit: float) -> tuple[str, str]:
    killer = tree / "killer.txt"
    killer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _run(tree, names, killer, int(limit))
    status = _waited(child, time.monotonic() + 4 * limit)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None or os.WIFSIGNALED(status):
        return "limit", ""
    by = killer.read_text(encoding="utf-8") if killer.exists() else ""
    return ("survived" if os.WEXITSTATUS(status) in UNNOTICED else "killed"), by


def _waited(child: int, end: float) -> int | None:
    """The status with which it ends, or None where it was still there at the end."""
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _run(tree: Path, names: Sequence[str], killer: Path, limit: int) -> None:
    """The child: never returns."""
    os.setpgid(
        0, 0
    )  # so that what it starts ends with it; a session of its own would have a share of the CPU of its own
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    out = os.open(tree / "last.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(tree)
    os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(tree))
    files = list(dict.fromkeys(map(_file, names)))
    options = [
        "-x",
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:cov",
        "-p",
        "no:xdist",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    import pytest
    from hypothesis import Phase, settings

    settings.register_profile("mutation", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutation")
    status = pytest.main([*options, *files], plugins=[Chosen(names, killer)])
    sys.stdout.flush()
    os._exit(int(status))


def equivalents() -> dict[tuple[str, str], str]:
    """Changes that were looked at and change nothing that netsim promises, each with its reason."""
    import tomllib

    rows = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text(encoding="utf-8"))
    return {(row["file"], _bare(row["change"])): row["why"] for row in rows.get("mutant", [])}


def _bare(change: str) -> str:
    return "\n".join(line[0] + line[1:].strip() for line in change.strip().splitlines())


def sample(tree: Path, area: Area, size: int, seed: int) -> list[Mutant]:
    """So many of an area's mutants, each as likely as any other."""
    files = sorted(
        str(file.relative_to(tree)) for pattern in area.files for file in tree.glob(pattern)
        if not any(fnmatch.fnmatch(str(file.relative_to(tree)), other) for other in area.without)
    )  # fmt: skip
    every = [mutant for file in files for mutant in mutants(tree, file)]
    return random.Random(seed).sample(every, min(size, len(every)))


def _kept(log: Path) -> Iterator[Verdict]:
    """Those of a run that was cut off, or of a smaller sample of the same seed."""
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        row = json.loads(line)
        yield Verdict(**row | {"mutant": Mutant(**row["mutant"])})


def told(name: str, verdicts: Sequence[Verdict]) -> str:
    """One line: the score, and between what it lies."""
    from scipy.stats import binomtest

    fates = Counter(verdict.fate for verdict in verdicts)
    killed, counted = fates["killed"] + fates["limit"], len(verdicts) - fates["equivalent"]
    low, high = binomtest(killed, counted).proportion_ci(method="wilson") if counted else (0.0, 1.0)
    return (
        f"{name}: {len(verdicts)} mutants, {killed} killed ({fates['limit']} by the limit), "
        f"{fates['survived']} survived, {fates['equivalent']} equivalent: "
        f"{killed / max(counted, 1):.1%} (95 %: {low:.0%} to {high:.0%})"
    )


def score(name: str, size: int, seed: int, folder: Path) -> list[Verdict]:
    """The verdicts on a sample of one area; survivors are printed as they come. What was judged before is not again."""
    area, tree, known = AREAS[name], tree_of(folder, name), equivalents()
    if not (tree / "times.json").exists():
        measure(tree, area.tests)
    tests, log = Tests(tree), folder / f"{name}-{seed}.jsonl"
    judged = {each.mutant: each for each in _kept(log)}
    verdicts = []
    for mutant in sample(tree, area, size, seed):
        if (verdict := judged.get(mutant)) is None:
            verdict = judge(mutant, tree, tests)
            with log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(verdict)) + "\n")
        if verdict.fate == "survived":
            why = known.get((mutant.file, _bare(verdict.change)))
            verdict = replace(verdict, fate="equivalent") if why else verdict
            print(f"{verdict.fate}: {mutant.file}:{mutant.line} ({verdict.tests} tests)\n{verdict.change}", flush=True)
        verdicts.append(verdict)
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("areas", nargs="*", choices=[*AREAS, []], help="all by default")
    parser.add_argument("--mutants", type=int, default=100, help="of each area")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "mutation", help="where copies and logs are kept"
    )
    options = parser.parse_args()
    for name in HEAVY:
        importlib.import_module(name)
    lines = [told(name, score(name, options.mutants, options.seed, options.folder)) for name in options.areas or AREAS]
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
