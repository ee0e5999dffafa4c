"""Training steps: whole histories on tiny clusters, closed forms, and what must hold for any scenario."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.run import collective, simulate
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.scenario import Scenario
from netsim.trace import Trace

BASE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 32, "strategy": {"kind": "ring"}, "bucket": "2 MB"},
}
STRATEGIES = FAMILIES["strategies"].names()


def scenario(changes: dict[str, Any] | None = None) -> Scenario:
    return loading.from_table(BASE, changes or {})


def run(changes: dict[str, Any] | None = None, **options: Any) -> Trace:
    return simulate(scenario(changes), **options)


def seconds(changes: dict[str, Any]) -> float:
    return float(run(changes, detail="summary").summary()["iteration_time_s"])


def history(trace: Trace, iteration: int = 0) -> list[tuple[str, str, str, float, float]]:
    """(who, did what, with what, from, to) of one iteration, in order of time, in milliseconds."""
    hosts = trace.hosts
    did = [(hosts[s.host], s.phase, s.name, s.start, s.end) for s in trace.spans if s.iteration == iteration]
    sent = [(hosts[t.src], "send", hosts[t.dst], t.sent, t.end) for t in trace.transfers if t.iteration == iteration]
    return sorted(((*w, round(a * 1e3, 6), round(b * 1e3, 6)) for *w, a, b in [*did, *sent]), key=lambda e: (e[3], e))


# Two dense layers on a device that computes 1 flop in 1 ps and has all the memory rate there can be: times in whole ms.
TINY: dict[str, Any] = {
    "cluster": {
        "workers": 2,
        "device": {"peak": {"fp32": "1 Tflop/s"}, "memory_rate": "100 TB/s", "kernel_overhead": "0 s"},
        "link": {"rate": "1 GB/s", "latency": "1 ms"},
    },
    "job": {
        "model": {"layers": [
            {"kind": "dense", "input_shape": [1000], "units": 1000, "bias": False, "name": "first"},
            {"kind": "dense", "input_shape": [1000], "units": 500, "bias": False, "name": "second"},
        ]},
        "batch": 500,
        "strategy": {"kind": "ring"},
        "bucket": "layer",
    },
}  # fmt: skip
EXACT = {"dense": 1.0, "elementwise": 1.0, "memory": 1.0}


def tiny(changes: dict[str, Any]) -> Trace:
    return simulate(loading.from_table(TINY, {"cluster.device.efficiency": EXACT, **changes}))
