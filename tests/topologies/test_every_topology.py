"""What holds for every topology, with any options: the next one is covered on its first day."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import networkx
import numpy as np
import pytest

from netsim.errors import RunError
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies import _measures
from netsim.topologies._routes import mixed
from netsim.topologies.base import Host, Topology, without_numbers

FAMILY = FAMILIES["topologies"]
LINK = Link(rate=1e9, latency=8e-6)
NVLINK = {"rate": "100 GB/s", "latency": "1 us"}
TRIANGLE = [{"ends": ("worker0", "a")}, {"ends": ("worker1", "b")}, {"ends": ("worker2", "c")}] + [
    {"ends": ends, "rate": "1 GB/s", "latency": "4 us"} for ends in (("a", "b"), ("b", "c"), ("c", "a"))
]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "dragonfly": [{}, {"per_router": 1, "routers": 3, "global_links": 2}],
    "fat_tree": [{}, {"k": 8, "link": {"rate": "40 Gbit/s", "latency": "1 us"}}],
    "graph": [{"links": TRIANGLE}],
    "leaf_spine": [{}, {"per_leaf": 4, "spines": 2, "oversubscription": 2.0}, {"per_leaf": 8, "spines": 3}],
    "mesh": [{}, {"dims": [2, 2, 2]}, {"dims": [16]}],
    "nodes": [
        {"per_host": 4, "link": NVLINK},
        {"per_host": 4, "link": NVLINK, "nics": 2, "bus": {"rate": "16 GB/s", "latency": "2 us"}, "between": "ring"},
        {"per_host": 2, "link": NVLINK, "inside": "fully_connected", "between": {"kind": "fat_tree"}},
        {"per_host": 3, "link": NVLINK, "between": {"kind": "leaf_spine", "per_leaf": 2}},
    ],
    "torus": [{}, {"dims": [2, 2, 2]}, {"dims": [3, 5]}, {"dims": [4, 2, 2]}],
}
COUNTS = (1, 2, 3, 5, 8, 15, 16, 24)


def hosts(count: int, link: Link = LINK) -> list[Host]:
    return [Host(f"worker{number}", link) for number in range(count)]


def fitting(table: dict[str, Any], count: int) -> Topology | None:
    try:
        built: Topology = FAMILY.build(table)(hosts(count))
    except ValueError:
        raise
    except Exception:
        return None
    return built


NETWORKS = {
    f"{kind} {options} of {count}".replace("{} ", ""): network
    for kind in FAMILY.names()
    for options in VARIANTS.get(kind, [{}])
    for count in COUNTS
    if (network := fitting({"kind": kind, **options}, count))
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@every_network
def test_the_routes_of_many_pairs_are_those_of_each(network: Topology) -> None:
    src, dst = np.divmod(np.arange(len(network.hosts) ** 2), len(network.hosts))
    src, dst = src[src != dst], dst[src != dst]
    found = [[link for link in row if link >= 0] for row in network.routes(src, dst).tolist()]
    assert found == [list(network.route(*pair)) for pair in zip(src.tolist(), dst.tolist(), strict=True)]


@every_network
def test_the_fastest_port_is_found_on_the_links_where_it_is_known_at_once(network: Topology) -> None:
    if len(network.hosts) > 1:
        assert network.fastest_port == replace(network, ideal=False).fastest_port


def graph_of(network: Topology) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    graph.add_nodes_from(network.nodes)
    for (one, other), link in network.arcs.items():
        graph.add_edge(network.nodes[one], network.nodes[other], link=link)
    return graph


def pairs(network: Topology) -> list[tuple[int, int]]:
    count = len(network.hosts)
    return [(src, dst) for src in range(count) for dst in range(count) if src != dst]


def test_every_kind_has_a_network_here() -> None:
    assert {name.split()[0] for name in NETWORKS} == set(FAMILY.names())


@every_network
def test_links_that_play_the_same_part_are_called_alike_however_many_there_are(network: Topology) -> None:
    parts = {without_numbers(name) for name in network.names}
    assert len(parts) <= 10 and not any(letter.isdigit() for letter in "".join(parts))
    assert without_numbers("rack2b.host3.up") == "rack2b.host.up", "a number inside of a name is of the name"


@every_network
def test_routes_lead_from_link_to_link(network: Topology) -> None:
    way_of = {link: ends for ends, link in network.arcs.items() if link not in network.both_ways}
    for src, dst in pairs(network):
        at = src
        for link in network.route(src, dst):
            if link in network.both_ways:
                ends = {network.nodes.index(end) for end in network.ends[link]}
                assert at in ends
                (at,) = ends - {at}
            else:
                assert way_of[link][0] == at
                at = way_of[link][1]
        assert at == dst


@every_network
def test_routes_have_as_few_hops_as_there_may_be_in_both_directions(network: Topology) -> None:
    shortest = dict(networkx.all_pairs_shortest_path_length(graph_of(network)))
    for src, dst in pairs(network):
        few = shortest[network.nodes[src]][network.nodes[dst]]
        assert len(network.route(src, dst)) == len(network.route(dst, src)) == few


@every_network
def test_ecmp_draws_among_the_shortest_routes(network: Topology) -> None:
    drawn = replace(network, seed=7)
    for src, dst in pairs(network)[:60]:
        for stream in range(3):
            assert len(drawn.route(src, dst, stream)) == len(network.route(src, dst))
            assert drawn.route(src, dst, stream) == drawn.route(src, dst, stream)


@every_network
def test_links_have_names_ends_rates_and_latencies_of_their_own(network: Topology) -> None:
    assert len(set(network.names)) == len(network.names) == len(network.ends)
    assert len(network.rates) == len(network.latencies) == len(network.ends)
    assert all(rate > 0 for rate in network.rates) and all(latency >= 0 for latency in network.latencies)
    assert set(end for ends in network.ends for end in ends) <= set(network.nodes)
    assert len(network.places()) == len(network.nodes) == len(set(network.nodes))


@every_network
def test_routes_around_links_are_found_and_use_none_of_them(network: Topology) -> None:
    for src, dst in pairs(network)[:20]:
        used = network.route(src, dst)[:1]
        around = network.avoiding(used)
        graph = graph_of(network)
        graph.remove_edges_from([(a, b) for a, b, link in graph.edges(data="link") if link in used])
        ends = network.nodes[src], network.nodes[dst]
        if networkx.has_path(graph, *ends):
            assert len(around.route(src, dst)) == networkx.shortest_path_length(graph, *ends)
            assert not set(used) & set(around.route(src, dst))
        else:
            with pytest.raises(RunError, match=f"there is no way from {ends[0]} to {ends[1]}"):
                around.route(src, dst)


@every_network
def test_no_halves_of_few_hosts_are_cut_off_by_less_than_the_bisection(network: Topology) -> None:
    count = len(network.hosts)
    if not 2 <= count <= 8 or count % 2:
        return
    cuts = [_measures._flow_out_of(half, network) for half in combinations(range(count), count // 2) if 0 in half]
    assert _measures.bisection(network) == pytest.approx(min(cuts), rel=1e-12)


def test_flows_are_drawn_by_splitmix64() -> None:
    """The first numbers of its author's C program from seed 1234567, https://prng.di.unimi.it/splitmix64.c."""
    drawn = [mixed(1234567 + number * 0x9E3779B97F4A7C15) for number in range(3)]
    assert drawn == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def digest() -> str:
    """Of all routes of all networks, with and without ECMP."""
    seen = hashlib.sha256()
    for name, network in NETWORKS.items():
        for src, dst in pairs(network):
            ways = network.route(src, dst), replace(network, seed=3).route(src, dst, 1)
            seen.update(repr((name, src, dst, ways)).encode())
    return seen.hexdigest()


def test_routes_are_the_same_in_every_process() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_every_topology as t; print(t.digest())"
    call = [sys.executable, "-c", code, os.path.dirname(__file__)]
    other = subprocess.run(call, env={**os.environ, "PYTHONHASHSEED": "12345"}, capture_output=True, text=True)
    assert other.stdout.strip() == digest(), other.stderr


B = 1e9
CABLES = {  # of n hosts with one cable each to a switch: those to hosts among them
    "star": lambda n: n,
    "ring": lambda n: n,
    "line": lambda n: n - 1,
    "fully_connected": lambda n: n * (n - 1) // 2,
    "hypercube": lambda n: n * (n.bit_length() - 1) // 2,
}
DIAMETER: dict[str, Callable[[int], int]] = {
    "star": lambda n: 2,
    "ring": lambda n: n // 2,
    "line": lambda n: n - 1,
    "fully_connected": lambda n: 1,
    "hypercube": lambda n: n.bit_length() - 1,
}
BISECTION: dict[str, Callable[[int], float]] = {
    "star": lambda n: n / 2 * B,
    "ring": lambda n: 2 * B,
    "line": lambda n: B,
    "fully_connected": lambda n: n * n / 4 * B,
    "hypercube": lambda n: n / 2 * B,
}


@pytest.mark.parametrize("count", [4, 8, 16, 64])
@pytest.mark.parametrize("kind", CABLES)
def test_textbook_networks_have_the_textbooks_figures(kind: str, count: int) -> None:
    """Dally, Towles: Principles and Practices of Interconnection Networks, 2004, chapters 3 to 5."""
    network: Topology = FAMILY.build(kind)(hosts(count))
    assert len(network.names) == 2 * CABLES[kind](count)
    assert _measures.diameter(network) == DIAMETER[kind](count)
    assert _measures.bisection(network) == BISECTION[kind](count)


@pytest.mark.parametrize("dims", [(4, 4), (8, 4), (4, 4, 4), (6, 2), (3, 4)])
def test_a_torus_has_the_textbooks_figures(dims: tuple[int, ...]) -> None:
    count, longest = 1, max(size for size in dims if size % 2 == 0)
    for size in dims:
        count *= size
    network: Topology = FAMILY.build({"kind": "torus", "dims": dims})(hosts(count))
    assert set(_measures.degrees(network)) == {sum(2 if size > 2 else 1 for size in dims)}
    assert _measures.diameter(network) == sum(size // 2 for size in dims)
    assert _measures.bisection(network) == 2 * count / longest * B


@pytest.mark.parametrize("dims", [(4, 4), (8, 4), (4, 4, 4), (6, 3)])
def test_a_mesh_has_the_textbooks_figures(dims: tuple[int, ...]) -> None:
    count, longest = 1, max(dims)
    for size in dims:
        count *= size
    network: Topology = FAMILY.build({"kind": "mesh", "dims": dims})(hosts(count))
    cables = sum(count // size * (size - 1) for size in dims)
    assert len(network.names) == 2 * cables
    assert _measures.diameter(network) == sum(size - 1 for size in dims)
    assert _measures.bisection(network) == count / longest * B


@pytest.mark.parametrize("k", [2, 4, 6, 8])
def test_a_fat_tree_has_the_papers_figures(k: int) -> None:
    """Al-Fares, Loukissas, Vahdat 2008: k^3 / 4 hosts, 5 k^2 / 4 switches of k ports, full bisection."""
    count = k**3 // 4
    network: Topology = FAMILY.build({"kind": "fat_tree", "k": k})(hosts(count))
    degrees = _measures.degrees(network)
    assert len(network.switches) == 5 * k * k // 4
    assert set(degrees[:count]) == {1} and set(degrees[count:]) == {k}
    assert _measures.diameter(network) == 6
    assert _measures.bisection(network) == count / 2 * B


@pytest.mark.parametrize("k", [2, 4, 6, 8])
def test_a_fat_tree_is_the_smallest_that_has_room(k: int) -> None:
    most = k**3 // 4
    for count, ports in ((most, k), (most + 1, k + 2)):
        network: Topology = FAMILY.build("fat_tree")(hosts(count))
        assert len(network.switches) == 5 * ports * ports // 4


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_a_leaf_spine_network_is_oversubscribed_as_asked_for(ratio: float) -> None:
    table = {"kind": "leaf_spine", "per_leaf": 8, "spines": 2, "oversubscription": ratio}
    network: Topology = FAMILY.build(table)(hosts(32))
    assert _measures.diameter(network) == 4
    assert _measures.bisection(network) == pytest.approx(16 * B / ratio)
    assert _measures.oversubscription(network) == pytest.approx(ratio)


def test_a_dragonfly_has_the_papers_figures() -> None:
    """Kim, Dally, Scott, Abts 2008: p = h = 2, a = 4 gives 9 groups, 36 routers, 72 hosts, at most 3 links between
    routers; routers have p + a - 1 + h ports."""
    network: Topology = FAMILY.build({"kind": "dragonfly", "per_router": 2, "routers": 4, "global_links": 2})(hosts(72))
    assert len(network.switches) == 36
    assert set(_measures.degrees(network)[72:]) == {2 + 3 + 2}
    assert _measures.diameter(network) == 5
    across = [ends for ends in network.ends if all("group" in end for end in ends) and ends[0][:6] != ends[1][:6]]
    assert len(across) == 2 * 9 * 8 // 2


@pytest.mark.parametrize("kind", ["fat_tree", "leaf_spine"])
def test_each_host_is_reached_over_links_that_none_of_its_switch_is_reached_over(kind: str) -> None:
    """So that a permutation of hosts never shares a link: D-mod-k."""
    network: Topology = FAMILY.build(kind)(hosts(16))
    for shift in range(1, 16):
        routes = [network.route(src, (src + shift) % 16) for src in range(16)]
        assert len({link for route in routes for link in route}) == sum(map(len, routes)), shift
