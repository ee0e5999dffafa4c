"""What `netsim topology` shows: the nodes and links of a scenario's network, what it is measured by, and where it is
drawn."""

from __future__ import annotations

from typing import Any

from netsim.families import kind_of
from netsim.scenario import Scenario
from netsim.topologies._measures import bisection, degrees, diameter, oversubscription, placed_links
from netsim.topologies.base import Topology, without_numbers

Row = dict[str, Any]


def topology_table(scenario: Scenario) -> Row:
    """What `netsim topology --json` prints: counts, degree, diameter, bisection, and each node and link.

    `diameter` counts links; `bisection_bytes_per_s` is one way; `oversubscription` is the rates of half of the hosts'
    links over it. Each link has the places at which its ends are drawn."""
    network = scenario.network()
    counts = degrees(network)
    of_hosts = counts[: len(network.hosts)]
    return {
        "scenario": scenario.name,
        "topology": kind_of(scenario.cluster.topology),
        "routing": scenario.cluster.routing,
        "hosts": len(network.hosts),
        "switches": len(network.switches),
        "links": len(network.names),
        "least_degree": min(of_hosts),
        "largest_degree": max(of_hosts),
        "diameter": diameter(network),
        "bisection_bytes_per_s": bisection(network),
        "oversubscription": oversubscription(network),
        "kinds_of_links": _kinds(network),
        "nodes": _nodes(network, counts),
        "each_link": placed_links(network),
    }


def _kinds(network: Topology) -> list[Row]:
    """Links that differ in the numbers in their names alone, with how many there are."""
    found: dict[tuple[str, float, float], Row] = {}
    for name, rate, latency in zip(network.names, network.rates, network.latencies, strict=True):
        kind = without_numbers(name)
        row = found.setdefault(
            (kind, rate, latency), {"links": kind, "count": 0, "rate_bytes_per_s": rate, "latency_s": latency}
        )
        row["count"] += 1
    return list(found.values())


def _nodes(network: Topology, degrees: list[int]) -> list[Row]:
    hosts = len(network.hosts)
    return [
        {"name": name, "kind": "host" if number < hosts else "switch", "degree": degree}
        for number, (name, degree) in enumerate(zip(network.nodes, degrees, strict=True))
    ]
