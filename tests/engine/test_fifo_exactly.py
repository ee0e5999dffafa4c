"""Links that serve whole messages in order of arrival, against a simulation of few lines that knows nothing of ours.

Where all links have one rate, a message that has begun never waits for its bytes: its head comes to a link a latency
after the link before began with it, and waits for those that came before. Switches that store and forward get it when
its last byte has come, whatever the rates. Sizes and latencies are sums of powers of two, so that ties are exact.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.engine.reference.sharing import network_of
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies.base import Host, Topology

HOSTS = 6
LEAF_SPINE = {"kind": "leaf_spine", "per_leaf": 2, "spines": 1, "oversubscription": 2.0}  # links up have a host's rate
SHAPES = ["star", "line", LEAF_SPINE, {"kind": "torus", "dims": [2, 3]}]


class Sent(NamedTuple):
    at: float
    src: int
    order: int
    dst: int
    nbytes: float


def network(shape: object, rates: list[float]) -> Topology:
    hosts = [Host(f"host{i}", Link(rate=rate, latency=0.5)) for i, rate in enumerate(rates)]
    built: Topology = FAMILIES["topologies"].build(shape)(hosts)
    return built


def textbook(topology: Topology, messages: list[Sent], *, stored: bool) -> list[float]:
    """When each message is there. A queue of (when its head comes to its hop's link, from whom, which)."""
    free = [0.0] * len(topology.names)
    routes = {each: topology.route(each.src, each.dst) for each in messages}
    there: dict[Sent, float] = {}
    heads = [(each.at, each.src, each.order, each, 0) for each in messages]
    heapify(heads)
    while heads:
        now, *_, message, hop = heappop(heads)
        link = routes[message][hop]
        start = max(now, free[link])
        free[link] = start + message.nbytes / topology.rates[link]
        if hop + 1 < len(routes[message]):
            on = (free[link] if stored else start) + topology.latencies[link]
            heappush(heads, (on, message.src, message.order, message, hop + 1))
        else:
            there[message] = free[link] + topology.latencies[link]
    return [there[each] for each in messages]


def played(topology: Topology, messages: list[Sent], forwarding: str) -> list[float]:
    env = simpy.Environment()
    network, there = network_of("fifo", forwarding)(env, topology, None), [0.0] * len(messages)

    def life(number: int, each: Sent) -> simpy.events.ProcessGenerator:
        yield env.timeout(each.at)

        def came(_: object) -> None:
            there[number] = env.now

        network.send(each.src, each.dst, each.nbytes, came, order=each.order)

    for number, each in enumerate(messages):
        env.process(life(number, each))
    env.run()
    return there


halves = st.integers(0, 12).map(lambda count: count / 2)
ends = st.tuples(st.integers(0, HOSTS - 1), st.integers(0, HOSTS - 1)).filter(lambda pair: pair[0] != pair[1])
traffic = st.lists(st.tuples(halves, ends, st.integers(1, 8)), min_size=2, max_size=12).map(
    lambda drawn: [Sent(at, src, order, dst, float(size)) for order, (at, (src, dst), size) in enumerate(drawn)]
)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@given(messages=traffic)
@settings(max_examples=15, deadline=None)
def test_messages_cut_through_busy_links_of_one_rate_as_a_few_lines_say(shape: object, messages: list[Sent]) -> None:
    topology = network(shape, [2.0] * HOSTS)
    assert set(topology.rates) == {2.0}
    assert played(topology, messages, "cut_through") == textbook(topology, messages, stored=False)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@given(messages=traffic, rates=st.lists(st.sampled_from([0.5, 1.0, 4.0]), min_size=HOSTS, max_size=HOSTS))
@settings(max_examples=15, deadline=None)
def test_messages_are_stored_and_forwarded_over_any_rates_as_a_few_lines_say(
    shape: object, messages: list[Sent], rates: list[float]
) -> None:
    topology = network(shape, rates)
    told = textbook(topology, messages, stored=True)
    assert played(topology, messages, "store_and_forward") == pytest.approx(told, rel=1e-12)
