"""What max-min fair sharing costs in the reference: many flows at once, and an all-to-all whose flows end one by one.

    python benchmarks/sharing.py

1,000 flows that start together over the 1,024 links of a torus, settled once; and 64 hosts on a fat tree, each sending
to each, 4,032 messages of unequal sizes, for which rates are settled anew at each end.
"""

from __future__ import annotations

import os
import platform
import time

import simpy

from netsim.engine.reference.fair import Fair
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies.base import Host, Topology

RATE, LATENCY, SIZE = 1.25e9, 1e-5, 1e6


def network(kind: str, hosts: int) -> Fair:
    link = Link(rate=RATE, latency=LATENCY)
    topology: Topology = FAMILIES["topologies"].build(kind)([Host(f"host{i}", link) for i in range(hosts)])
    return Fair(simpy.Environment(), topology, None)


def together(flows: int) -> float:
    """Seconds on the wall until flows that start at one moment have their rates."""
    net = network("torus", 256)
    for flow in range(flows):
        src = flow % 256
        net.send(src, (src + 17 + 31 * (flow // 256)) % 256, SIZE, lambda _: None, stream=flow)
    net.env.run(until=40 * LATENCY)  # all first bytes have come to the connections
    began = time.perf_counter()
    net._settle_later(net.links)
    net.env.run(until=net.env.now + 1e-12)
    assert sum(flow.rate > 0 for flow in net._flows.values()) == flows
    return time.perf_counter() - began


def all_to_all(hosts: int) -> tuple[float, float]:
    """Seconds on the wall, and simulated."""
    net = network("fat_tree", hosts)
    began = time.perf_counter()
    for src in range(hosts):
        for dst in range(hosts):
            if src != dst:
                net.send(src, dst, SIZE * (1 + (src * hosts + dst) / hosts**2), lambda _: None)
    net.env.run()
    assert net.messages == hosts * (hosts - 1)
    return time.perf_counter() - began, float(net.env.now)


def main() -> None:
    """Print one line a case."""
    best = min(together(1000) for _ in range(5))
    print(f"1,000 flows over 1,024 links of a torus settle in {best * 1e3:.1f} ms")
    for hosts in (16, 64):
        wall, simulated = all_to_all(hosts)
        flows = hosts * (hosts - 1)
        print(f"all-to-all of {hosts} hosts on a fat tree: {flows:,} flows, {wall:.2f} s, {simulated:.4f} s simulated")
    print(f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, Python {platform.python_version()}")


if __name__ == "__main__":
    main()
