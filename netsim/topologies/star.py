"""The star: every host on one switch that never slows anything down."""

from __future__ import annotations

from collections.abc import Sequence

from netsim.topologies._places import circle
from netsim.topologies.base import Host, Topology


def star(hosts: Sequence[Host]) -> Topology:
    """Every host on one ideal switch: by `NAME.up` towards the switch and `NAME.down` from it, or, half duplex, by
    `NAME.both` either way.

    A link's latency is end to end, so that each of the two hops of a route has half of its own link's.
    """
    links = [(host, way) for host in hosts for way in (("up", "down") if host.link.duplex == "full" else ("both",))]
    first = {id(host): number for number, (host, _) in reversed(list(enumerate(links)))}
    up = [first[id(host)] for host in hosts]
    down = [number + (host.link.duplex == "full") for number, host in zip(up, hosts, strict=True)]
    return Topology(
        hosts=tuple(hosts),
        switches=("switch",),
        names=tuple(f"{host.name}.{way}" for host, way in links),
        ends=tuple(("switch", host.name) if way == "down" else (host.name, "switch") for host, way in links),
        rates=tuple(host.link.rate for host, _ in links),
        latencies=tuple(host.link.latency / 2 for host, _ in links),
        path=lambda src, dst, flow: (up[src], down[dst]),
        both_ways=frozenset(number for number, (_, way) in enumerate(links) if way == "both"),
        ideal=True,
        places=lambda: [*circle(len(hosts)), (0.0, 0.0)],
    )
