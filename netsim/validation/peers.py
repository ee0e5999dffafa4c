"""The same collectives in netsim and in the other simulators that are installed: time predicted, time on the wall."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netsim.collectives.rounds import Collective, unrolled
from netsim.engine import single
from netsim.errors import RunError
from netsim.families import FAMILIES, kind_of

KINDS = ("ring", "binomial_tree", "halving_doubling", "recursive_doubling", "parameter_server", "direct")
RANKS, SIZE, RATE, LATENCY = (8, 32), 16 * 2**20, 1.25e9, 1e-5
_PYTHONS = (sys.executable, "/usr/bin/python3")  # Debian's python3-simgrid belongs to the system's own
# What makes SimGrid's network plain max-min sharing: CM02 with factors of 1, no window, no cross-traffic of answers.
_PLAIN = ("network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0", "network/latency-factor:1",
          "network/bandwidth-factor:1", "network/weight-S:0")  # fmt: skip


def rows() -> Iterator[dict[str, Any]]:
    """A row a collective, number of ranks and simulator: netsim always, SimGrid and ns.py where they are installed."""
    simgrid = next((python for python in _PYTHONS if _has_simgrid(python)), None)
    for engine in ("fast", "simpy"):  # so that no row pays for what is loaded once
        single.collective(
            FAMILIES["collectives"].build("ring"), ranks=2, size=SIZE, rate=RATE, latency=LATENCY, engine=engine
        )
    for ranks in RANKS:
        for name in KINDS:
            kind = FAMILIES["collectives"].build(name)
            began = time.perf_counter()
            result = single.collective(kind, ranks=ranks, size=SIZE, rate=RATE, latency=LATENCY)
            yield _row(kind, ranks, f"netsim ({result.engine})", result.time_s, time.perf_counter() - began)
            began = time.perf_counter()
            slow = single.collective(kind, ranks=ranks, size=SIZE, rate=RATE, latency=LATENCY, engine="simpy")
            if result.engine != "simpy":
                yield _row(kind, ranks, "netsim (simpy)", slow.time_s, time.perf_counter() - began)
            if simgrid:
                found = _in_simgrid(simgrid, kind, ranks)
                yield _row(kind, ranks, "SimGrid", found["time_s"], found["wall_s"])
            if name == "ring" and find_spec("ns"):
                began = time.perf_counter()
                yield _row(kind, ranks, "ns.py", _ring_in_ns(ranks), time.perf_counter() - began)


def missing() -> list[str]:
    """The peers that are not installed, each with how to install it."""
    found = [] if any(map(_has_simgrid, _PYTHONS)) else ["SimGrid (Debian: apt-get install python3-simgrid)"]
    return found + ([] if find_spec("ns") else ["ns.py (pip install ns.py)"])


def _row(kind: Collective, ranks: int, simulator: str, seconds: float, wall: float) -> dict[str, Any]:
    return {"collective": kind_of(kind), "ranks": ranks, "simulator": simulator, "time_s": seconds, "wall_s": wall}


def _has_simgrid(python: str) -> bool:
    return (
        Path(python).exists() and not subprocess.run([python, "-c", "import simgrid"], capture_output=True).returncode
    )


def _in_simgrid(python: str, kind: Collective, ranks: int) -> dict[str, float]:
    """Simulated and wall seconds of the same rounds, played by SimGrid's actors; RunError where it fails."""
    steps: list[list[list[tuple[int, float, bool]]]] = [[] for _ in range(ranks + kind.helpers(ranks))]
    piece, number = SIZE / kind.pieces(ranks), 0
    for each in unrolled(kind.rounds(ranks), kind.pieces(ranks)):
        now: dict[int, list[tuple[int, float, bool]]] = {}
        for src, dst, count in zip(each.src.tolist(), each.dst.tolist(), each.count.tolist(), strict=True):
            for host, sending in ((src, True), (dst, False)):
                now.setdefault(host, []).append((number, int(count * piece), sending))
            number += 1
        for host, transfers in now.items():
            steps[host].append(transfers)
    with tempfile.TemporaryDirectory() as folder:
        platform = Path(folder) / "star.xml"
        platform.write_text(_star(len(steps)), encoding="utf-8")
        options = [f"--cfg={option}" for option in _PLAIN]
        done = subprocess.run(
            [python, str(Path(__file__).with_name("simgrid_actors.py")), str(platform), *options],
            input=json.dumps({"steps": steps}),
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RunError(f"SimGrid failed: {done.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _star(hosts: int) -> str:
    """A SimGrid platform: hosts with a link each way, of which each has half of the latency."""
    return f"""<?xml version="1.0"?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="star" prefix="h" suffix="" radical="0-{hosts - 1}" speed="1Gf" bw="{RATE}Bps" lat="{LATENCY / 2}s"
           sharing_policy="SPLITDUPLEX"/>
</platform>
"""


def _ring_in_ns(ranks: int) -> float:
    """Simulated seconds of a ring of ns.py's ports (first in, first out) and wires, one packet a piece."""
    import simpy
    from ns.packet.packet import Packet  # type: ignore[import-not-found, import-untyped, unused-ignore]
    from ns.port.port import Port  # type: ignore[import-not-found, import-untyped, unused-ignore]
    from ns.port.wire import Wire  # type: ignore[import-not-found, import-untyped, unused-ignore]

    env = simpy.Environment()
    ends: list[float] = []

    class Worker:
        """What ns.py lacks: somebody who answers each piece that comes with the next one."""

        def __init__(self, me: int) -> None:
            self.me, self.left, self.port = me, 2 * (ranks - 1), Port(env, 8 * RATE)
            self.port.out = self.wire = Wire(env, lambda: LATENCY)

        def send(self) -> None:
            self.left -= 1
            self.port.put(Packet(env.now, SIZE / ranks, self.left, src=self.me, flow_id=self.me))

        def put(self, _: Any) -> None:
            ends.append(env.now)
            if self.left:
                self.send()

    workers = [Worker(me) for me in range(ranks)]
    for worker in workers:
        worker.wire.out = workers[(worker.me + 1) % ranks]
        worker.send()
    env.run()
    return max(ends)
