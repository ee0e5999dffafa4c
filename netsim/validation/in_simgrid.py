"""A collective on any topology, played by SimGrid: its platform is made of netsim's links and routes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from netsim.collectives.rounds import Collective, PieceBytes
from netsim.engine.reference.play import Steps
from netsim.errors import RunError
from netsim.topologies.base import Topology

PRECISION = 1e-12  # s; events that are nearer than this are one to SimGrid, by default a nanosecond
_PYTHONS = (sys.executable, "/usr/bin/python3")  # Debian's python3-simgrid belongs to the system's own
# What makes SimGrid's network plain max-min sharing: CM02 with factors of 1, no window, no cross-traffic of answers.
_PLAIN = ("network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0", "network/latency-factor:1",
          "network/bandwidth-factor:1", "network/weight-S:0", f"surf/precision:{PRECISION}")  # fmt: skip
Pair = tuple[int, int]
Transfer = tuple[float, int, int, bool]  # what an actor waits before (s), its number, bytes, whether it is sent


def interpreter() -> str | None:
    """The first interpreter that has SimGrid's module; None where SimGrid is not installed."""
    return next((python for python in _PYTHONS if _has_simgrid(python)), None)


def _has_simgrid(python: str) -> bool:
    return (
        Path(python).exists() and not subprocess.run([python, "-c", "import simgrid"], capture_output=True).returncode
    )


def played(
    python: str, kind: Collective, ranks: int, size: float, topology: Topology, *, by_latency: bool = False
) -> dict[str, float]:
    """Simulated and wall seconds of the same rounds, played by SimGrid's actors; RunError where it fails.

    Left to itself, CM02 shares links in inverse proportion to the latencies of flows' routes: `by_latency`. Otherwise
    the platform's links have none, so that shares are equal, and actors wait out the route's before a message sets out.
    """
    steps = Steps(kind, ranks)
    routes = {(src, dst): topology.route(src, dst) for src, dst, *_ in steps.transfers}
    none = [0.0] * len(topology.latencies)
    on_links, waited_out = (topology.latencies, none) if by_latency else (none, topology.latencies)
    waits = {pair: math.fsum(waited_out[link] for link in route) for pair, route in routes.items()}
    actors = _actors(steps, PieceBytes(kind, ranks, size, slices=1), waits)
    return _run(python, "".join(_platform(topology, on_links, routes)), json.dumps({"actors": actors}))


def _actors(steps: Steps, nbytes: PieceBytes, waits: Mapping[Pair, float]) -> list[tuple[int, list[list[Transfer]]]]:
    """One for each host and lane: its host, and its rounds."""

    def seen_by(host: int, number: int) -> Transfer:
        src, dst, first, count, _ = steps.transfers[number]
        return waits[src, dst], number, round(float(nbytes(first, count))), src == host

    return [
        (host, [[seen_by(host, number) for number in numbers] for numbers in rounds])
        for lane in steps.of
        for host, rounds in enumerate(lane)
    ]


def _platform(topology: Topology, latencies: Sequence[float], routes: Mapping[Pair, Sequence[int]]) -> Iterator[str]:
    """A link of SimGrid's for each of netsim's, and the routes of the pairs of hosts that talk."""
    yield '<?xml version="1.0"?>\n<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">\n'
    yield '<platform version="4.1"><zone id="all" routing="Full">\n'
    for host in range(len(topology.hosts)):
        yield f'<host id="h{host}" speed="1Gf"/>\n'
    for link, (rate, latency) in enumerate(zip(topology.rates, latencies, strict=True)):
        yield f'<link id="l{link}" bandwidth="{float(rate)!r}Bps" latency="{float(latency)!r}s"/>\n'
    for (src, dst), route in routes.items():
        links = "".join(f'<link_ctn id="l{link}"/>' for link in route)
        yield f'<route src="h{src}" dst="h{dst}" symmetrical="NO">{links}</route>\n'
    yield "</zone></platform>\n"


def _run(python: str, platform: str, work: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "platform.xml"
        file.write_text(platform, encoding="utf-8")
        program = Path(__file__).with_name("simgrid_actors.py")
        options = [f"--cfg={option}" for option in _PLAIN]
        done = subprocess.run([python, str(program), str(file), *options], input=work, capture_output=True, text=True)
    if done.returncode:
        raise RunError(f"SimGrid failed: {done.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found
