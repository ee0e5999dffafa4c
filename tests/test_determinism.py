"""Same scenario, seed and version: the same bytes, whichever process, folder, hash seed and number of cores there are.

Golden results of the committed scenarios are `reports/`: tests/test_scenarios.py holds them to what is simulated.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from netsim import loading
from netsim.engine.run import simulate
from netsim.families import FAMILIES
from netsim.tables import trace_frames
from netsim.training.parameter_server import ParameterServer

ROOT = Path(__file__).parents[1]
BASE: dict[str, Any] = {
    "seed": 3,
    "iterations": 3,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "25 us"}},
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [300], "units": 300, "name": name} for name in "abc"]},
        "batch": 4,
        "strategy": "ring",
        "bucket": "layer",
    },
    "noise": {"jitter": 0.2},
}
MODES = get_args(get_type_hints(ParameterServer)["mode"])
CHANGES: list[dict[str, Any]] = [
    *({"job.strategy": {"kind": kind, "slices": 2}} for kind in FAMILIES["strategies"].names() if "server" not in kind),
    *({"job.strategy": {"kind": "parameter_server", "mode": mode, "servers": 2}} for mode in MODES),
    {"job.strategy": {"kind": "parameter_server", "backup": 1}},
    {"cluster.sharing": "fifo", "noise.layer_jitter": 0.1},
    {"cluster.fault": [{"link": "worker1.up", "mtbf": "5 ms", "mttr": "1 ms"}]},
    {"cluster.traffic": [{"size": "100 kB", "rate": "0.2 Gbit/s"}]},
    {"cluster.stop": [{"host": "worker1", "at": "2 ms", "lasts": "5 ms"}]},
    {"cluster.topology": {"kind": "fat_tree"}, "cluster.routing": "ecmp"},
    {"replicas": 3},
    {"job.statistics": {}},
    {"job.schedule": "priority", "job.partition": "100 kB"},
    {"job.sharding": "zero3"},
]
WAYS: dict[str, tuple[list[str], dict[str, str], bool]] = {  # how Python is called, its environment, and on one core
    "another hash seed, in another folder": ([], {"PYTHONHASHSEED": "1"}, False),
    "without assertions, on one core": (["-O"], {"PYTHONHASHSEED": "2"}, True),
}


def figures() -> list[str]:
    """A digest of the figures and of all frames of each scenario."""
    found = []
    for changes in CHANGES:
        trace = simulate(loading.from_table(BASE, changes))
        texts = [json.dumps(trace.summary(), default=str)]
        texts += [frame.to_csv(index=False) for _, frame in sorted(trace_frames(trace).items())]
        found.append(hashlib.sha256("\n".join(texts).encode()).hexdigest())
    return found


def elsewhere(arguments: list[str], cwd: Path, way: str) -> str:
    flags, more, alone = WAYS[way]
    prefix = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if alone else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    command = [*prefix, sys.executable, *flags, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def here() -> list[str]:
    return figures()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot say on which cores to run")
@pytest.mark.parametrize("way", WAYS)
def test_figures_and_records_are_the_same_bytes_elsewhere(way: str, here: list[str], tmp_path: Path) -> None:
    script = "import importlib.util as u, json; s = u.spec_from_file_location('d', {!r}); m = u.module_from_spec(s); "
    script += "s.loader.exec_module(m); print(json.dumps(m.figures()))"
    there = json.loads(elsewhere(["-c", script.format(__file__)], tmp_path, way))
    different = [changes for changes, mine, other in zip(CHANGES, here, there, strict=True) if mine != other]
    assert not different


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot say on which cores to run")
def test_a_result_folder_has_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    folders = []
    for way, place in zip(WAYS, ("one", "other"), strict=True):
        (tmp_path / place).mkdir()
        call = ["run", str(ROOT / "scenarios" / "quickstart.toml"), "--set", "iterations=2", "-o", "out", "-q"]
        elsewhere(["-m", "netsim", *call], tmp_path / place, way)
        folder = tmp_path / place / "out"
        files = [file for file in folder.rglob("*") if file.suffix in (".csv", ".json", ".md", ".toml", ".html")]
        folders.append({str(file.relative_to(folder)): file.read_bytes() for file in files})
    assert folders[0].keys() == folders[1].keys() and "report.md" in folders[0]
    assert [name for name in folders[0] if folders[0][name] != folders[1][name]] == []


def test_a_sum_of_floats_is_found_out_in_all_tests() -> None:
    with pytest.raises(AssertionError, match=r"math\.fsum"):
        exec("sum([0.1, 0.2])", {"__name__": "netsim.anything"})
    exec("assert sum([1, 2]) == 3", {"__name__": "netsim.anything"})
