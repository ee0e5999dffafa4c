"""The same collectives in netsim and in the other simulators that are installed: time predicted, time on the wall."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import product
from typing import Any, NamedTuple

from netsim.collectives.rounds import Collective
from netsim.engine import single
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, Chosen, kind_of
from netsim.hardware import Link
from netsim.topologies.base import Host, Topology
from netsim.validation import in_simgrid

KINDS = ("ring", "binomial_tree", "halving_doubling", "recursive_doubling", "parameter_server", "direct")
RANKS, SIZE, RATE, LATENCY = (8, 32), 16 * 2**20, 1.25e9, 1e-5
SHARES = {"SimGrid": False, "SimGrid, by latency": True}  # of its rows, whether they are by latency
OPTIONS: dict[str, dict[str, Any]] = {  # of the topologies that need some, and of those that have more to share with
    "leaf_spine": {"per_leaf": 4, "oversubscription": 2.0},
    "nodes": {"per_host": 4, "nics": 2, "link": {"rate": "100 GB/s", "latency": "1 us"}},
}


class Case(NamedTuple):
    """A collective of so many ranks on a network of so many hosts."""

    kind: Collective
    ranks: int
    build: Chosen
    network: Topology

    def row(self, simulator: str, seconds: float, wall: float) -> dict[str, Any]:
        """What a simulator says of it, in s."""
        told = {"collective": kind_of(self.kind), "ranks": self.ranks, "topology": kind_of(self.build)}
        return {**told, "simulator": simulator, "time_s": seconds, "wall_s": wall}


def cases() -> tuple[list[Case], list[str]]:
    """Every collective on every topology, and those that do not go together."""
    found, left_out = list[Case](), list[str]()
    for topology, ranks, name in product(FAMILIES["topologies"].names(), RANKS, KINDS):
        each = case(FAMILIES["collectives"].build(name), ranks, topology)
        if each:
            found.append(each)
        else:
            left_out.append(f"{name} among {ranks} ranks on a {topology}")
    return found, left_out


def case(kind: Collective, ranks: int, topology: str) -> Case | None:
    """None where the topology is not for so many hosts, such as a hypercube for 8 ranks and a server."""
    count = ranks + kind.helpers(ranks)
    options = _unlike_links(count) if topology == "graph" else OPTIONS.get(topology, {})
    build: Chosen = FAMILIES["topologies"].build({"kind": topology, **options})
    link = Link(rate=RATE, latency=LATENCY)
    hosts = [Host(f"rank{n}" if n < ranks else f"server{n - ranks}", link, apart=n >= ranks) for n in range(count)]
    try:
        return Case(kind, ranks, build, build(hosts))
    except ScenarioError:
        return None


def _unlike_links(hosts: int) -> dict[str, Any]:
    """Options of a connected graph, a random tree and as many links more, no two alike."""
    draw = random.Random(hosts)
    tree = {(draw.randrange(host), host) for host in range(1, hosts)}
    more = {(min(pair), max(pair)) for pair in (draw.sample(range(hosts), 2) for _ in range(hosts))}
    names = [f"node{host}" for host in range(hosts)]
    links = [
        {
            "ends": [names[one], names[other]],
            "rate": f"{draw.uniform(2, 20):.3f} Gbit/s",
            "latency": f"{draw.uniform(1, 20):.3f} us",
        }
        for one, other in sorted(tree | more)
    ]
    return {"links": links, "at": names}


def rows(every: Sequence[Case], reached: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """A row a case and simulator; `reached` is told how many cases are done."""
    simgrid, ring = in_simgrid.interpreter(), FAMILIES["collectives"].build("ring")
    for engine in ("fast", "simpy"):  # so that no row pays for what is loaded once
        single.collective(ring, ranks=2, size=SIZE, rate=RATE, latency=LATENCY, engine=engine)
    for done, each in enumerate(every, 1):
        yield from _rows_of(each, simgrid)
        reached(done)


def _rows_of(each: Case, simgrid: str | None) -> Iterator[dict[str, Any]]:
    """netsim's always; SimGrid's, with equal shares and with those of its own, where there is an interpreter that has
    it; and ns.py's of a ring on the star, where it is installed."""
    for engine in ("auto", "simpy"):
        began = time.perf_counter()
        result = single.collective(
            each.kind, ranks=each.ranks, size=SIZE, rate=RATE, latency=LATENCY, topology=each.build, engine=engine
        )
        yield each.row(f"netsim ({result.engine})", result.time_s, time.perf_counter() - began)
        if result.engine == "simpy":
            break
    for name, by_latency in SHARES.items():
        if simgrid:
            found = in_simgrid.played(simgrid, each.kind, each.ranks, SIZE, each.network, by_latency=by_latency)
            yield each.row(name, found["time_s"], found["wall_s"])
    if (kind_of(each.kind), kind_of(each.build)) == ("ring", "star") and find_spec("ns"):
        began = time.perf_counter()
        yield each.row("ns.py", _ring_in_ns(each.ranks), time.perf_counter() - began)


def missing() -> list[str]:
    """The peers that are not installed, each with how to install it."""
    found = [] if in_simgrid.interpreter() else ["SimGrid (Debian: apt-get install python3-simgrid)"]
    return found + ([] if find_spec("ns") else ["ns.py (pip install ns.py)"])


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
