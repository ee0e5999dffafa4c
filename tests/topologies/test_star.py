from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netsim.hardware import Link
from netsim.topologies.base import AlikeHosts, Host, links_of
from netsim.topologies.star import star

TOPOLOGY = star([Host("a", Link(rate=1.0, latency=0.25)), Host("b", Link(rate=2.0, latency=0.5))])


def test_every_host_has_a_link_each_way() -> None:
    assert TOPOLOGY.names == ("a.up", "a.down", "b.up", "b.down")
    assert TOPOLOGY.rates == (1.0, 1.0, 2.0, 2.0)


def test_a_route_goes_up_from_one_host_and_down_to_the_other() -> None:
    assert [TOPOLOGY.names[link] for link in TOPOLOGY.route(0, 1)] == ["a.up", "b.down"]


def test_latency_from_end_to_end_is_half_of_each_hosts_own() -> None:
    assert sum(TOPOLOGY.latencies[link] for link in TOPOLOGY.route(1, 0)) == (0.25 + 0.5) / 2


KINDS = [Link(1.0, 0.25), Link(2.0, 0.5), Link(2.0, 0.5, duplex="half")]


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
def test_hosts_that_are_made_when_asked_for_make_the_same_star(kinds: list[Link]) -> None:
    own = dict(enumerate(kinds[1:], start=1))
    alike = AlikeHosts(len(kinds), lambda host: f"h{host}", kinds[0], own=own, apart=len(kinds) - 1)
    listed = star(list(alike))
    for name in ("hosts", "names", "ends", "rates", "latencies", "both_ways", "nodes", "arcs", "fastest_port"):
        assert getattr(star(alike), name) == getattr(listed, name), name
    assert [links_of(alike)[0][number] for number in links_of(alike)[1]] == kinds


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
def test_links_of_a_star_are_those_of_its_hosts_in_their_order(kinds: list[Link]) -> None:
    network = star([Host(f"h{number}", kind) for number, kind in enumerate(kinds)])
    ways = [
        (n, kind, way)
        for n, kind in enumerate(kinds)
        for way in (("both",) if kind.duplex == "half" else ("up", "down"))
    ]
    assert network.names == [f"h{n}.{way}" for n, _, way in ways]
    assert network.rates == [kind.rate for _, kind, _ in ways]
    assert network.latencies == [kind.latency / 2 for _, kind, _ in ways]
    assert network.ends == [("switch", f"h{n}") if way == "down" else (f"h{n}", "switch") for n, _, way in ways]
    assert network.both_ways == {number for number, (*_, way) in enumerate(ways) if way == "both"}
    assert np.asarray(network.rates).tolist() == list(network.rates) and network.names[-1:] == tuple(network.names)[-1:]
