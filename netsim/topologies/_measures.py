"""What a network is measured by: degree, diameter, bisection bandwidth, oversubscription; and where it is drawn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import Any

from netsim.topologies._routes import FewestHops
from netsim.topologies.base import Topology


def degrees(topology: Topology) -> list[int]:
    """Of each node, the nodes that it has a cable to."""
    neighbours = Counter(node for pair in {tuple(sorted(ends)) for ends in topology.arcs} for node in pair)
    return [neighbours[node] for node in range(len(topology.nodes))]


def diameter(topology: Topology) -> int:
    """Links on the shortest way between the two hosts that are farthest from one another; 0 for one host."""
    ways, hosts = FewestHops(len(topology.nodes), topology.arcs), range(len(topology.hosts))
    return max(far for dst in hosts for far in ways.distances(dst)[: len(hosts)] if far is not None)


def bisection(topology: Topology) -> float:
    """What one half of the hosts can send to the other half at most (bytes/s, one way): the least over the halves that
    the kind of network is known by, each by a maximal flow. Of a graph of one's own no more than an upper bound."""
    return min((_flow_out_of(half, topology) for half in topology.halves(topology) if half), default=0.0)


def _flow_out_of(half: Collection[int], topology: Topology) -> float:
    import networkx

    graph = networkx.DiGraph()
    for (one, other), link in topology.arcs.items():
        graph.add_edge(one, other, capacity=round(8 * topology.rates[link]))  # whole numbers: no dust of fractions
    for host in range(len(topology.hosts)):
        graph.add_edge(*(("from", host) if host in half else (host, "to")))  # without a capacity: as much as you like
    flow: float = networkx.maximum_flow_value(graph, "from", "to")
    return flow / 8


def oversubscription(topology: Topology) -> float | None:
    """The rates of half of the hosts' links over the bisection: 1 where all can send to the other half at full rate;
    None where there is no other half."""
    cut = bisection(topology)
    return math.fsum(host.link.rate for host in topology.hosts) / 2 / cut if cut else None


def placed_links(topology: Topology) -> list[dict[str, Any]]:
    """Each link with its ends, and where these are drawn."""
    places = dict(zip(topology.nodes, topology.places(), strict=True))
    columns = zip(topology.names, topology.ends, topology.rates, topology.latencies, strict=True)
    rows = []
    for name, (source, target), rate, latency in columns:
        (source_x, source_y), (target_x, target_y) = places[source], places[target]
        ends = {"source": source, "target": target, "source_x": source_x, "source_y": source_y}
        more = {"target_x": target_x, "target_y": target_y, "rate_bytes_per_s": rate, "latency_s": latency}
        rows.append({"link": name, **ends, **more})
    return rows
