"""Draws the figures of parameter-servers.md: python docs/explanation/servers/draw.py"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import netsim
from netsim import tables
from netsim.plots import _canvas, timeline

HERE = Path(__file__).parent
SCENES = {
    "sync": {},
    "backup": {"backup": 1},
    "async": {"mode": "async"},
    "ssp": {"mode": "ssp", "staleness": 1},
    "computing_server": {},
    "stop_sync": {},
    "stop_drop": {},
    "stop_async": {"mode": "async"},
    "stop_ring": {"kind": "ring"},
}
_AWAY = {"cluster.stop": [{"host": "worker1", "at": "1.5 ms", "lasts": "5 ms"}], "cluster.group": [{"count": 2}]}
CHANGES = {
    "computing_server": {
        "cluster.server_rate": "1 GB/s",
        "cluster.server_device": "v100",
        "cluster.server_device.memory_rate": "6 GB/s",
    },
    "stop_sync": _AWAY,
    "stop_drop": {**_AWAY, "job.recovery": {"workers": "drop", "timeout": "3 ms"}},
    "stop_async": _AWAY,
    "stop_ring": {
        "cluster.stop": [{"host": "worker1", "at": "1.5 ms", "lasts": "4.5 ms"}],
        "cluster.group": [{"count": 3}],
        "job.recovery": {"workers": "drop", "timeout": "2 ms", "reform": "1 ms"},
    },
}


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


def draw(folder: Path = HERE) -> None:
    for name, fields in SCENES.items():
        strategy = {"kind": "parameter_server", **fields}
        changes = CHANGES.get(name, {})
        scenario = netsim.load(HERE / "tiny.toml", {"job.strategy": strategy, **changes})
        _canvas.save(timeline.timeline, frame(netsim.simulate(scenario)), folder / f"{name}.png", height=3.0)


if __name__ == "__main__":
    draw()
