"""Every reader of netsim, as a function of bytes: what a hostile file may do is be read, or be refused with a message.

`TARGETS` has one entry a reader: the file's name, what reads it, and seeds, which fuzzers change. Shared by the tests
(test_readers.py) and by the coverage-guided fuzzer (harness.py).
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from netsim import loading, noise, presets, profiles, tables
from netsim.algorithms import steps
from netsim.errors import NetsimError
from netsim.logs import base as logs
from netsim.models import _files
from netsim.results import save
from netsim.sweeps import kept_in
from netsim.topologies._files import read_links

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
channels = 8
kernel = 3
[[layers]]
kind = "dense"
units = 10
"""
PROFILE_CSV = "layer,forward,backward\nfirst,1 ms,2 ms\nsecond,10 us,20 us\n"
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
BENCH = '{"size": 1024, "time": 0.001}\n'
PING_PONG = "bytes,seconds\n1024,0.0001\n1048576,0.001\n"
XML = """\
<algo name="ring" nchannels="1" nchunksperloop="2" ngpus="2" proto="Simple" coll="allreduce" inplace="1">
  <gpu id="0" i_chunks="2" o_chunks="2" s_chunks="0">
    <tb id="0" send="1" recv="1" chan="0">
      <step s="0" type="s" srcbuf="i" srcoff="0" dstbuf="i" dstoff="0" cnt="1" depid="-1" deps="-1" hasdep="0"/>
    </tb>
  </gpu>
</algo>
"""
STEPS = """\
operation = "all_reduce"
ranks = 2
pieces = 1
[[round]]
src = [0, 1]
dst = [1, 0]
piece = [0, 0]
add = true
"""
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
TIMES = "seconds\n0.1\n0.2\n0.15\n"


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
    from netsim.engine.run import simulate

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
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "points.sqlite"
        with closing(sqlite3.connect(file)) as empty:
            empty.execute("create table something (else_ text)")
        yield file.read_bytes()


def _read_store(file: Path) -> int:
    with kept_in(file.parent) as store:
        return len(store)


def _read_results(file: Path) -> Any:
    folder = file.parent if file.name == "result.json" else file.parents[1]
    return tables.read(folder)


def _results(name: str) -> Target:
    return Target(name, _read_results, lambda: iter([_saved()[name]]), _with_results)


TARGETS: dict[str, Target] = {
    "scenario": Target("x.toml", loading.load, _of_files("scenarios/*.toml")),
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
    "edges": Target("x.csv", lambda file: read_links(str(file)), _of_texts(EDGES)),
    "graphml": Target("x.graphml", lambda file: read_links(str(file)), _of_texts(GRAPHML, BOMB, OUTSIDE)),
    "link": Target("x.toml", lambda file: presets.read_link({"file": str(file)}), _of_texts(LINK)),
    "noise": Target("x.csv", lambda file: noise.read_measured(str(file)), _of_texts(TIMES)),
    "result": _results("result.json"),
    "points": _results("data/points.csv"),
    "store": Target("points.sqlite", _read_store, _store),
}
