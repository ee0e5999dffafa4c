"""Every reader of netsim, as a function of bytes: what a hostile file may do is be read, or be refused with a message.

`TARGETS` has one entry a reader: the file's name, what reads it, and seeds, which fuzzers change. Shared by the tests
(test_readers.py) and by the coverage-guided fuzzer (harness.py).
"""

from __future__ import annotations

import atexit
import json
import math
import os
import sqlite3
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netsim import differences, explained, loading, noise, presets, profiles, tables
from netsim.algorithms import steps
from netsim.engine.run import simulate
from netsim.errors import NetsimError
from netsim.logs import base as logs
from netsim.models import _files
from netsim.report import words
from netsim.results import save
from netsim.sweeps import kept_in
from netsim.topologies._files import read_links
from netsim.validation import sources

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"


@dataclass(frozen=True)
class Target:
    """A reader: of a file of this name, in a folder of its own."""

    name: str
    read: Callable[[Path], Any]
    seeds: Callable[[], Iterator[bytes]]
    folder: Callable[[Path], object] = lambda folder: None  # puts there what has to be beside the file

    def __call__(self, content: bytes) -> Any:
        """Read the content; what is wrong with it is a NetsimError, which is how it should be. Anything else is not."""
        folder, there = _place(self)
        (folder / self.name).write_bytes(content)
        try:
            return self.read(folder / self.name)
        except NetsimError as error:
            assert str(error), "a refusal says why"
            return None
        finally:
            assert self.name == "points.sqlite" or _files_in(folder) == there, "reading wrote a file"


@cache
def _place(target: Target) -> tuple[Path, set[str]]:
    """A folder with what the reader needs beside its file, and the files in it: made once, since most of an input's
    time would go there."""
    place = tempfile.TemporaryDirectory()
    atexit.register(place.cleanup)
    folder = Path(place.name)
    target.folder(folder)
    (folder / target.name).touch()
    return folder, _files_in(folder)


def _files_in(folder: Path) -> set[str]:
    return {os.path.join(at, file) for at, _, files in os.walk(folder) for file in files}


def _of_files(*patterns: str) -> Callable[[], Iterator[bytes]]:
    return lambda: (file.read_bytes() for pattern in patterns for file in sorted(ROOT.glob(pattern)))


def _of_texts(*texts: str) -> Callable[[], Iterator[bytes]]:
    return lambda: (text.encode() for text in texts)


LAYERS_CSV = "name,kind,input_shape,units\nfirst,dense,784,300\nsecond,dense,,10\n"
LAYERS_TOML = """
[[layers]]
kind = "convolution"
input_shape = [3, 32, 32]
filters = 8
kernel = 3
[[layers]]
kind = "dense"
units = 10
"""
PROFILE_CSV = "layer,forward_s,backward_s\nfirst,0.001,0.002\nsecond,1e-5,2e-5\n"
NCCL = """\
# nThread 1 nGpus 4 minBytes 8 maxBytes 128 step: 2(factor) warmup iters: 5 iters: 20
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
       32768          8192     float     sum      -1    18.66    1.76    2.63      0    18.50    1.77    2.66      0
"""
OSU = """\
# OSU MPI Latency Test v5.6
# Size          Latency (us)
0                       1.21
1024                    2.43
"""
BENCH = '{"operation": "all_reduce", "ranks": 8, "size_bytes": 1048576, "seconds": 0.01}\n'
PING_PONG = "size_bytes,round_trip_s\n1024,0.0001\n1048576,0.001\n"
XML = """\
<algo name="swap" coll="allreduce" ngpus="2" nchunksperloop="1" nchannels="1" proto="Simple" inplace="1">
  <gpu id="0" i_chunks="1" o_chunks="0" s_chunks="1"><tb id="0" send="1" recv="1" chan="0">
    <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="s" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    <step s="1" type="rrc" srcbuf="i" srcoff="0" dstbuf="i" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
  </tb></gpu>
  <gpu id="1" i_chunks="1" o_chunks="0" s_chunks="1"><tb id="0" send="0" recv="0" chan="0">
    <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="s" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    <step s="1" type="rrc" srcbuf="i" srcoff="0" dstbuf="i" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
  </tb></gpu>
</algo>
"""
STEPS = """\
ranks = 2
pieces = 1
[[round]]
add = true
send = [[0, 1, 0], [1, 0, 0]]
"""
STEPS_JSON = json.dumps(tomllib.loads(STEPS))
EDGES = "from,to,rate,latency,duplex\nworker0,hub,1 Gbit/s,1 us,full\nworker1,hub,1 Gbit/s,1 us,half\n"
GRAPHML = """\
<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="edge" attr.name="rate" attr.type="string"/>
<graph edgedefault="undirected"><node id="a"/><node id="b"/>
<edge source="a" target="b"><data key="d0">1 Gbit/s</data></edge></graph></graphml>
"""
LAUGHS = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True))
BOMB = f"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">{LAUGHS}]><graphml>&j;</graphml>"""
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><algo name="&x;"/>'
LINK = '[ours]\nrate = "1 GB/s"\nlatency = "1 us"\n'
SOURCE = """\
[source]
title = "a sweep"
url = "somewhere"
hardware = "8 GPUs"
known = "the link"
licence = "ours"
[known.links]
ours = { rate = "1 GB/s", latency = "1 us" }
[expect]
rows = "x.csv"
[expect.groups."held out"]
title = "sizes between"
within = 0.1
why = "one link stands for all"
"""
ROWS = "case,group,collective,ranks,size,link,measured\n8 MiB,held out,ring,4,8388608 B,ours,0.0026053\n"
TIMES = "step_s\n0.1\n0.2\n0.15\n"


@cache
def _saved() -> dict[str, bytes]:
    """The files of a small result folder."""
    table = {
        "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
        "job": {
            "model": {"layers": [{"kind": "dense", "input_shape": [8], "units": 8}]},
            "batch": 1,
            "strategy": "ring",
        },
    }
    scenario = loading.from_table(table)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        row = simulate(scenario).summary()
        save(folder, scenario, kind="run", axes={}, rows=[row], command="netsim run", engine="auto")
        return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _with_results(folder: Path) -> None:
    for name, content in _saved().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _store() -> Iterator[bytes]:
    """A store with an outcome, a failure, and claims of somebody with a name that leads elsewhere; and no store."""
    for statements in (
        "INSERT INTO outcomes VALUES ('a', '{\"x\": 1}', NULL, 0), ('b', NULL, 'failed', 1);"
        "INSERT INTO claims VALUES ('c', '0123456789abcdef'), ('d', '/../../x');",
        "DROP TABLE outcomes; CREATE TABLE outcomes (other)",
    ):
        with tempfile.TemporaryDirectory() as place:
            with kept_in(Path(place)):
                pass
            file = Path(place) / "points.sqlite"
            with closing(sqlite3.connect(file)) as connection:
                connection.executescript(statements)
            yield file.read_bytes()


def _read_store(file: Path) -> list[Any]:
    for left in file.parent.glob("points.sqlite-*"):
        left.unlink()
    with kept_in(file.parent) as store:
        store.release_claims()
        return [store.get(key) for key in store]


def _read_results(file: Path) -> Any:
    """Reads a folder, and says what pages say of it."""
    folder = file.parent if file.name == "result.json" else file.parents[1]
    saved, found = tables.read(folder), explained.read(folder)
    side = differences.side(folder)
    differences.difference(side, side)
    return words.title(saved), words.answer(saved), words.buying(saved, found), words.assumptions(saved)


def _read_explanations(file: Path) -> Any:
    """The frames of explanations, which figures and tables show."""
    found = explained.read(file.parents[1])
    frames = [explained.parts(found, {}), explained.staleness(found, {})]
    return frames + [make(each) for each in found.values() for make in _OF_EXPLANATIONS]


_OF_EXPLANATIONS = (explained.changes, explained.bounds, explained.utilisation, explained.network)


def _changed_scenario(file: Path) -> Any:
    """A scenario of the repository with other values: the first byte says of which, each three more of which key and
    what. Bytes alone would seldom get past TOML."""
    content = file.read_bytes() or b"\0"
    table, paths = _scenarios()[content[0] % len(_scenarios())]
    changes = {}
    for at in range(1, min(len(content) - 2, 12), 3):
        changes[paths[int.from_bytes(content[at : at + 2]) % len(paths)]] = VALUES[content[at + 2] % len(VALUES)]
    return loading.from_table(table, changes)


@cache
def _scenarios() -> list[tuple[dict[str, Any], list[str]]]:
    tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(ROOT.glob("scenarios/*.toml"))]
    known = sorted({path for table in tables for path in _paths(table)} | set(MORE_KEYS))
    return [(table, known) for table in tables]


def _paths(table: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        yield above + key
        if isinstance(value, dict):
            yield from _paths(value, f"{above}{key}.")


VALUES: list[Any] = [
    *(0, 1, 2, 3, -1, 2**40, 10**400, 0.0, 0.5, -0.5, 1e300, 5e-324, math.nan, math.inf, -math.inf, True, False),
    *("", "ring", "parameter_server", "1 Gbit/s", "1 us", "-1 us", "1 MB", "nan s", "1e999 B", "v100", "worker0.up"),
    *(
        "../../../etc/passwd",
        "/dev/zero",
        "\0",
        "\ud800",
        "<script>",
        "x" * 100_000,
        "1 " + "B" * 50,
        "9" * 5000 + " B",
    ),
    *(
        [],
        [[]],
        [0],
        [None],
        [{}],
        [[1, 2], [3]],
        ["a"] * 1000,
        {},
        {"kind": "ring"},
        {"kind": []},
        {"": {}},
        {"a": {"a": {}}},
    ),
    *(
        {"from": 0, "to": 1e9, "step": 1e-9},
        {"file": "x"},
        {"rate": "1 B/s", "latency": "1 s"},
        {"kind": "fat_tree", "k": 3},
    ),
    *(
        [{"count": 1}],
        [{"host": "worker0", "at": "1 s", "lasts": "1 s"}],
        [{"kind": "dense", "input_shape": [0], "units": -1}],
    ),
    *([{"link": "*", "mtbf": "1 s", "mttr": "1 s"}], {"layers": [{"kind": "dense", "input_shape": [9], "units": 9}]}),
]
MORE_KEYS = [
    *("cluster.group", "cluster.fault", "cluster.traffic", "cluster.stop", "cluster.sharing", "cluster.routing"),
    *("cluster.server_device", "cluster.server_rate", "job.partition", "job.schedule", "job.sharding", "job.shares"),
    *("job.accumulate", "job.local_steps", "job.samples", "job.epochs", "job.recovery", "job.learning", "noise.jitter"),
    *("noise.straggler", "noise.measured", "noise.layer_jitter", "replicas", "neighbour", "axes", "sweep", "where"),
]


def _results(name: str, read: Callable[[Path], Any] = _read_results) -> Target:
    return Target(name, read, lambda: iter([_saved()[name]]), _with_results)


def _with_rows(folder: Path) -> None:
    (folder / "x.csv").write_text(ROWS, encoding="utf-8")


def _with_source(folder: Path) -> None:
    (folder / "x.toml").write_text(SOURCE, encoding="utf-8")


TARGETS: dict[str, Target] = {
    "scenario": Target("x.toml", loading.load, _of_files("scenarios/*.toml")),
    "scenario_values": Target("x.bin", _changed_scenario, lambda: iter([b"\0", b"\1\0\7\1", b"\2\0\11\4\1\60\20"])),
    "onnx": Target("x.onnx", lambda file: _files.from_file({"file": str(file)}), _of_files("tests/data/*.onnx")),
    "layers_csv": Target("x.csv", lambda file: _files.from_file({"file": str(file)}), _of_texts(LAYERS_CSV)),
    "layers_toml": Target("x.toml", lambda file: _files.from_file({"file": str(file)}), _of_texts(LAYERS_TOML)),
    "profile_csv": Target("x.csv", lambda file: profiles.read_profile(str(file)), _of_texts(PROFILE_CSV)),
    "trace_json": Target(
        "x.json", lambda file: profiles.read_profile(str(file)), _of_files("tests/data/torch_step.json")
    ),
    "logs": Target("x.log", lambda file: logs.read(str(file)), _of_texts(NCCL, OSU, BENCH, PING_PONG)),
    "msccl": Target("x.xml", lambda file: steps.from_file(str(file), {}), _of_texts(XML, OUTSIDE)),
    "steps": Target("x.toml", lambda file: steps.from_file(str(file), {}), _of_texts(STEPS)),
    "steps_json": Target("x.json", lambda file: steps.from_file(str(file), {}), _of_texts(STEPS_JSON)),
    "edges": Target("x.csv", lambda file: read_links(str(file)), _of_texts(EDGES)),
    "graphml": Target("x.graphml", lambda file: read_links(str(file)), _of_texts(GRAPHML, BOMB, OUTSIDE)),
    "link": Target("x.toml", lambda file: presets.read_link({"file": str(file)}), _of_texts(LINK)),
    "noise": Target("x.csv", lambda file: noise.read_measured(str(file)), _of_texts(TIMES)),
    "result": _results("result.json"),
    "points": _results("data/points.csv"),
    "records": _results("data/steps.csv"),
    "explanations": _results("data/explanations.json", _read_explanations),
    "validation": Target("x.toml", lambda file: sources.read(file), _of_texts(SOURCE), _with_rows),
    "validation_rows": Target(
        "x.csv", lambda file: sources.read(file.with_suffix(".toml")), _of_texts(ROWS), _with_source
    ),
    "store": Target("points.sqlite", _read_store, _store),
}
