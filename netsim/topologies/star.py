"""The star: every host on one switch that never slows anything down."""

from __future__ import annotations

from collections.abc import Sequence

from netsim.topologies.base import Host, Topology


def star(hosts: Sequence[Host]) -> Topology:
    """Every host on one ideal switch by a full-duplex link: `NAME.up` towards the switch, `NAME.down` from it.

    A link's latency is end to end, so that each of the two hops of a route has half of its own link's.
    """
    links = [host.link for host in hosts for _ in ("up", "down")]
    return Topology(
        hosts=tuple(hosts),
        names=tuple(f"{host.name}.{way}" for host in hosts for way in ("up", "down")),
        ends=tuple(ends for host in hosts for ends in ((host.name, "switch"), ("switch", host.name))),
        rates=tuple(link.rate for link in links),
        latencies=tuple(link.latency / 2 for link in links),
        route=lambda src, dst: (2 * src, 2 * dst + 1),
    )
