from __future__ import annotations

from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star

TOPOLOGY = star([Host("a", Link(rate=1.0, latency=0.25)), Host("b", Link(rate=2.0, latency=0.5))])


def test_every_host_has_a_link_each_way() -> None:
    assert TOPOLOGY.names == ("a.up", "a.down", "b.up", "b.down")
    assert TOPOLOGY.rates == (1.0, 1.0, 2.0, 2.0)


def test_a_route_goes_up_from_one_host_and_down_to_the_other() -> None:
    assert [TOPOLOGY.names[link] for link in TOPOLOGY.route(0, 1)] == ["a.up", "b.down"]


def test_latency_from_end_to_end_is_half_of_each_hosts_own() -> None:
    assert sum(TOPOLOGY.latencies[link] for link in TOPOLOGY.route(1, 0)) == (0.25 + 0.5) / 2
