"""The star: every host on one switch that never slows anything down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netsim.topologies._places import circle
from netsim.topologies._rows import Numbers, Rows
from netsim.topologies.base import Host, Topology, links_of


def star(hosts: Sequence[Host]) -> Topology:
    """Every host on one ideal switch: by `NAME.up` towards the switch and `NAME.down` from it, or, half duplex, by
    `NAME.both` either way.

    A link's latency is end to end, so that each of the two hops of a route has half of its own link's.
    """
    kinds, kind_of = links_of(hosts)
    both = np.asarray([kind.duplex == "half" for kind in kinds])[kind_of]
    width = np.where(both, 1, 2)
    links, down = int(width.sum()), np.cumsum(width) - 1
    up = np.where(both, down, down - 1)

    def owner(link: int) -> int:
        return int(np.searchsorted(down, link))

    def of_links(values: list[float]) -> Numbers:
        """One a kind of host, as one a link."""
        if len(values) == 1:  # of a million hosts that are alike, too
            return Numbers(np.broadcast_to(values[0], links))
        return Numbers(np.asarray(values)[np.repeat(kind_of, width)])

    def way(link: int) -> str:
        host = owner(link)
        return "both" if both[host] else "up" if link == up[host] else "down"

    def ends(link: int) -> tuple[str, str]:
        name = hosts[owner(link)].name
        return ("switch", name) if way(link) == "down" else (name, "switch")

    return Topology(
        hosts=hosts if isinstance(hosts, Rows) else tuple(hosts),
        switches=("switch",),
        names=Rows(links, lambda link: f"{hosts[owner(link)].name}.{way(link)}"),
        ends=Rows(links, ends),
        rates=of_links([each.rate for each in kinds]),
        latencies=of_links([each.latency / 2 for each in kinds]),
        path=lambda src, dst, flow: (up.item(src), down.item(dst)),
        paths=lambda src, dst: np.stack([up[src], down[dst]], axis=1),
        both_ways=frozenset(up[both].tolist()),
        bursts=of_links([each.burst or 0.0 for each in kinds]) if any(each.burst for each in kinds) else (),
        ideal=True,
        places=lambda: [*circle(len(hosts)), (0.0, 0.0)],
    )
