"""Draws the figures of training-steps.md and parameter-servers.md: python docs/explanation/draw.py [FOLDER]"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import netsim
from netsim import tables
from netsim.plots import _canvas, timeline

HERE = Path(__file__).parent
_UNEQUAL = {"cluster.group": [{"count": 1}, {"count": 1, "slowdown": 2}]}
STEPS: dict[str, dict[str, Any]] = {
    "overlap": {},
    "no_overlap": {"job.overlap": False},
    "one_bucket": {"job.bucket": "all"},
    "horovod": {"job.bucket": {"kind": "horovod", "threshold": "64 MiB", "cycle": "2.2 ms"}},
    "streams": {"job.streams": 2},
    "priority": {"job.schedule": "priority", "job.partition": "1 MB"},
    "compression": {"job.compression": {"ratio": 0.25, "encode": "8 GB/s", "decode": "2 GB/s"}},
    "accumulate": {"job.accumulate": 2, "iterations": 1},
    "local_steps": {"job.local_steps": 2},
    "zero1": {"job.sharding": "zero1"},
    "zero3": {"job.sharding": "zero3"},
    "unequal": _UNEQUAL,
    "shares": {**_UNEQUAL, "job.shares": "proportional"},
}
_AWAY = {"cluster.stop": [{"host": "worker1", "at": "1.5 ms", "lasts": "5 ms"}], "cluster.group": [{"count": 2}]}


def _servers(changes: Mapping[str, Any] | None = None, **strategy: Any) -> dict[str, Any]:
    return {"job.strategy": {"kind": "parameter_server", **strategy}, **(changes or {})}


SERVERS: dict[str, dict[str, Any]] = {
    "sync": _servers(),
    "backup": _servers(backup=1),
    "async": _servers(mode="async"),
    "ssp": _servers(mode="ssp", staleness=1),
    "computing_server": _servers(
        {
            "cluster.server_rate": "1 GB/s",
            "cluster.server_device": "v100",
            "cluster.server_device.memory_rate": "6 GB/s",
        }
    ),
    "forward_only": _servers({"job.forward_only": True}),
    "stop_sync": _servers(_AWAY),
    "stop_drop": _servers({**_AWAY, "job.recovery": {"workers": "drop", "timeout": "3 ms"}}),
    "stop_async": _servers(_AWAY, mode="async"),
    "stop_ring": {
        "job.strategy": "ring",
        "cluster.stop": [{"host": "worker1", "at": "1.5 ms", "lasts": "4.5 ms"}],
        "cluster.group": [{"count": 3}],
        "job.recovery": {"workers": "drop", "timeout": "2 ms", "reform": "1 ms"},
    },
}
SCENES = {"steps": STEPS, "servers": SERVERS}


def frame(trace: netsim.Trace) -> pd.DataFrame:
    """All that happened, as a timeline draws it."""
    frames = tables.trace_frames(trace)
    pieces = [frames["spans"].rename(columns={"host": "row", "phase": "kind"})]
    for end, port in (("src", ".up"), ("dst", ".down")):
        sent = frames["transfers"]
        pieces.append(sent.assign(row=sent[end] + port, kind="transfer", name=sent["label"]))
    order = {host + port: n for n, (host, port) in enumerate((h, p) for h in trace.hosts for p in ("", ".up", ".down"))}
    drawn = pd.concat([piece[["row", "kind", "name", "start_s", "end_s"]] for piece in pieces])
    return drawn.sort_values(["row", "start_s"], key=lambda c: c.map(order) if c.name == "row" else c, kind="stable")


def scene(folder: str, name: str) -> netsim.Trace:
    """The run that a figure shows."""
    return netsim.simulate(netsim.load(HERE / folder / "tiny.toml", SCENES[folder][name]))


def main(folders: list[str]) -> None:
    for folder in folders or SCENES:
        for name in SCENES[folder]:
            _canvas.save(timeline.timeline, frame(scene(folder, name)), HERE / folder / f"{name}.png", height=3.0)


if __name__ == "__main__":
    main(sys.argv[1:])
