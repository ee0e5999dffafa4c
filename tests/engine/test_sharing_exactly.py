"""Sharing is exact on any graph: rates against a linear program at every event, queues against their definition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from netsim.engine.messages import Link, Message
from netsim.engine.reference import fair
from netsim.engine.reference.fair import Fair
from netsim.engine.reference.network import Network
from netsim.engine.reference.sharing import network_of
from netsim.hardware import Link as HostLink
from netsim.topologies.base import Host, Topology

Sent = tuple[int, int, float, float]  # from, to, bytes, when


def ignore(_: Message) -> None:
    """Nobody waits for the message."""


def max_min_by_linear_programs(paths: list[list[int]], capacities: list[float]) -> list[float]:
    """Textbook water filling (Bertsekas, Gallager, 6.5.2), each level by a linear program: raise the least rate of all
    flows that are not settled yet; settled are those that cannot have more without taking it from an equal one."""
    settled: dict[int, float] = {}
    bounded = [link for link, capacity in enumerate(capacities) if capacity < math.inf]
    uses = np.zeros((len(capacities), len(paths)))
    for flow, path in enumerate(paths):
        uses[path, flow] = 1
    uses, capacities = uses[bounded], [capacities[link] for link in bounded]
    while len(settled) < len(paths):
        free = [flow for flow in range(len(paths)) if flow not in settled]
        left = np.asarray(capacities) - uses @ [settled.get(flow, 0.0) for flow in range(len(paths))]
        crowd = uses[:, free].sum(axis=1)
        level = linprog([-1], A_ub=crowd[crowd > 0][:, None], b_ub=left[crowd > 0], bounds=(0, None)).x[0]
        full = (crowd > 0) & (left - crowd * level <= 1e-9 * np.maximum(1.0, np.asarray(capacities)))
        settled |= {flow: level for flow in free if full[uses[:, flow] > 0].any()}
    return [settled[flow] for flow in range(len(paths))]


def graph(rates: list[float], hosts: list[HostLink], latency: float = 0.0) -> Topology:
    """Hosts on a ring of as many switches, with chords: routes have two to many hops of different rates, and links
    carry what comes from everywhere."""
    count = len(hosts)
    cables = [(f"switch{i}", f"switch{(i + 1) % count}") for i in range(count)] + [("switch0", f"switch{count // 2}")]
    ends: list[tuple[str, str]] = []
    speeds: list[float] = []
    where: dict[tuple[str, str], int] = {}
    for i, host in enumerate(hosts):
        one, other = f"host{i}", f"switch{i}"
        where[one, other] = where[other, one] = len(ends)
        ends.append((one, other))
        speeds.append(host.rate)
        if host.duplex == "full":
            where[other, one] = len(ends)
            ends.append((other, one))
            speeds.append(host.rate)
    for number, (one, other) in enumerate(cables):
        for begin, end in ((one, other), (other, one)):
            where[begin, end] = len(ends)
            ends.append((begin, end))
            speeds.append(rates[number % len(rates)])

    def path(src: int, dst: int, _: int | None) -> tuple[int, ...]:
        around = [f"switch{i % count}" for i in range(src, src + (dst - src) % count + 1)]
        if src == 0 and dst >= count // 2:
            around = ["switch0", *(f"switch{i}" for i in range(count // 2, dst + 1))]
        return tuple(where[pair] for pair in itertools.pairwise([f"host{src}", *around, f"host{dst}"]))

    return Topology(
        hosts=tuple(Host(f"host{i}", host) for i, host in enumerate(hosts)),
        switches=tuple(f"switch{i}" for i in range(count)),
        names=tuple(f"{one}>{other}" for one, other in ends),
        ends=tuple(ends),
        rates=tuple(speeds),
        latencies=(latency,) * len(ends),
        path=path,
        places=list,
    )


def start(net: Network, sent: list[Sent]) -> None:
    def wait(src: int, dst: int, nbytes: float, time: float) -> simpy.events.ProcessGenerator:
        yield net.env.timeout(time)
        net.send(src, dst, nbytes, ignore, stream=int(nbytes) % 2)

    for each in sent:
        net.env.process(wait(*each))


Speed = st.floats(0.5, 50)
Hosts = st.lists(
    st.builds(
        HostLink,
        rate=Speed,
        latency=st.just(0.0),
        flow_rate=st.none() | Speed,
        host_rate=st.none() | Speed,
        duplex=st.sampled_from(["full", "half"]),
    ),
    min_size=5,
    max_size=5,
)
Messages = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(1, 300), st.floats(0, 10)).filter(lambda m: m[0] != m[1]),
    min_size=1,
    max_size=14,
)
Cables = st.lists(Speed, min_size=6, max_size=6)


@settings(deadline=None, max_examples=30)
@given(Hosts, Cables, Messages)
def test_at_every_event_fair_rates_are_those_of_linear_programs(
    hosts: list[HostLink], rates: list[float], sent: list[Sent]
) -> None:
    env = simpy.Environment()
    net = Fair(env, graph(rates, hosts), None)
    start(net, sent)
    while env.peek() < math.inf:
        now = env.peek()
        while env.peek() == now:
            env.step()
        flows = [flow for flow in net._flows.values() if flow.message]
        if flows:
            links = list(dict.fromkeys(link for flow in flows for link in flow.links))
            place = {link: number for number, link in enumerate(links)}
            paths = [[place[link] for link in flow.links] for flow in flows]
            caps = [min(hosts[m.src].cap_of(0), hosts[m.dst].cap_of(0)) for m in (f.message for f in flows) if m]
            capacities = [link.full for link in links] + caps  # caps once more, from the hosts themselves
            paths = [[*path, len(links) + number] for number, path in enumerate(paths)]
            assert [f.rate for f in flows] == pytest.approx(max_min_by_linear_programs(paths, capacities), rel=1e-6)
    assert net.messages == len(sent)
    assert net.nbytes == pytest.approx(sum(each[2] for each in sent), rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(Hosts, Cables, Messages)
def test_a_fair_connection_that_could_be_faster_waits_for_nobody_slower(
    hosts: list[HostLink], rates: list[float], sent: list[Sent]
) -> None:
    """Work is conserved: at every event each message has a full link on its way, on which nobody is faster; and the
    time that it loses to others is accounted for, link by link."""
    env, lost = simpy.Environment(), 0.0

    def delivered(message: Message, now: float) -> None:
        nonlocal lost
        alone = min([message.cap, *(link.full for link in message.links)])
        lost += now - message.start - message.nbytes / alone

    net = Fair(env, graph(rates, hosts), delivered)
    start(net, sent)
    while env.peek() < math.inf:
        now = env.peek()
        while env.peek() == now:
            env.step()
        for flow in (flow for flow in net._flows.values() if flow.message):
            assert any(
                sum(other.rate for other in link.flows) >= link.rate * (1 - 1e-9)
                and flow.rate >= max(other.rate for other in link.flows) * (1 - 1e-9)
                for link in flow.links
            )
    waited = sum(link.waited for link in (*net.links, *net._in_all.values()))
    assert waited == pytest.approx(lost, abs=1e-6)


def fifo_by_definition(topology: Topology, sent: list[Sent]) -> dict[Sent, float]:
    """Store and forward, hop by hop: every link takes the earliest to come (of several, the lowest source) as soon as
    it is free."""
    queue = [(time, src, number, 0) for number, (src, _, _, time) in enumerate(sent)]
    free, ends = [0.0] * len(topology.rates), {}
    while queue:
        first = min(queue)
        queue.remove(first)
        time, src, number, hop = first
        route = topology.route(src, sent[number][1])
        free[route[hop]] = max(time, free[route[hop]]) + sent[number][2] / topology.rates[route[hop]]
        if hop + 1 < len(route):
            queue.append((free[route[hop]], src, number, hop + 1))
        else:
            ends[sent[number]] = free[route[hop]]
    return ends


@settings(deadline=None, max_examples=40)
@given(Hosts, Cables, Messages)
def test_store_and_forward_serves_in_order_of_arrival_and_is_never_idle(
    hosts: list[HostLink], rates: list[float], sent: list[Sent]
) -> None:
    plain = [HostLink(rate=host.rate, latency=0.0, duplex=host.duplex) for host in hosts]
    sent = list({(m[0], m[1]): m for m in sent}.values())
    ends: dict[tuple[int, int], float] = {}
    env, topology = simpy.Environment(), graph(rates, plain)
    net = network_of("fifo", "store_and_forward")(env, topology, lambda m, now: ends.update({(m.src, m.dst): now}))
    start(net, sent)
    env.run()
    expected = {(src, dst): end for (src, dst, _, _), end in fifo_by_definition(topology, sent).items()}
    assert ends == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(Hosts, Cables, Messages)
def test_cutting_through_is_never_slower_than_storing_first_and_never_faster_than_the_slowest_link(
    hosts: list[HostLink], rates: list[float], sent: list[Sent]
) -> None:
    topology = graph(rates, [HostLink(rate=host.rate, latency=0.0, duplex=host.duplex) for host in hosts])
    (src, dst, nbytes, time) = sent[0]
    route = topology.route(src, dst)
    ends = {}
    for forwarding in ("cut_through", "store_and_forward"):
        env = simpy.Environment()
        net = network_of("fifo", forwarding)(env, topology, lambda m, now, f=forwarding: ends.update({f: now}))
        start(net, [sent[0]])
        env.run()
    slowest = time + nbytes / min(topology.rates[link] for link in route)
    assert ends["cut_through"] == pytest.approx(slowest, rel=1e-9)
    assert ends["store_and_forward"] == pytest.approx(time + sum(nbytes / topology.rates[link] for link in route))


@pytest.mark.parametrize("sharing", ["fair", "fifo"])
def test_equal_messages_that_start_together_all_take_what_the_narrowest_link_of_their_way_needs_for_all(
    sharing: str,
) -> None:
    """Both disciplines: n S / B."""
    hosts = [HostLink(rate=100.0, latency=0.0) for _ in range(5)]
    env, ends = simpy.Environment(), list[float]()
    net = network_of(sharing)(env, graph([10.0, 40.0, 40.0, 40.0, 40.0, 40.0], hosts), lambda _, now: ends.append(now))
    for number in range(6):
        net.send(0, 1, 30.0, ignore, stream=number, order=number)
    env.run()
    assert max(ends) == pytest.approx(6 * 30.0 / 10.0)
    assert net.use()["busy"].max() == pytest.approx(18.0)


def settled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many links each solution of rates was about."""
    sizes: list[int] = []
    solve: Callable[[Any], Any] = fair.max_min_rates

    def counting(links: dict[Link, None]) -> Any:
        sizes.append(len(links))
        return solve(links)

    monkeypatch.setattr(fair, "max_min_rates", counting)
    return sizes


def pairs(count: int) -> Topology:
    """A link each from host 2 i to host 2 i + 1."""
    names = [f"host{i}" for i in range(2 * count)]
    return Topology(
        hosts=tuple(Host(name, HostLink(rate=10.0, latency=0.0)) for name in names),
        switches=(),
        names=tuple(f"link{i}" for i in range(count)),
        ends=tuple((f"host{2 * i}", f"host{2 * i + 1}") for i in range(count)),
        rates=(10.0,) * count,
        latencies=(0.0,) * count,
        path=lambda src, dst, flow: (src // 2,),
        places=list,
    )


def test_a_change_is_settled_for_what_it_can_reach_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = settled(monkeypatch)
    env = simpy.Environment()
    net = Fair(env, pairs(50), None)
    for pair in range(50):
        net.send(2 * pair, 2 * pair + 1, 100.0 + pair, ignore, stream=0)
        net.send(2 * pair, 2 * pair + 1, 200.0, ignore, stream=1)
    env.step()
    assert sizes == [50]  # all start at one moment, and are settled together
    env.run()
    assert sizes == [50] + [1] * 50  # each end by itself


def test_flows_that_start_and_end_together_are_settled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 flows over 1,000 links; what it costs on the wall is in benchmarks/sharing.py."""
    sizes = settled(monkeypatch)
    env = simpy.Environment()
    net = Fair(env, graph([7.0, 11.0, 13.0], [HostLink(rate=10.0, latency=0.0)] * 300), None)
    for flow in range(1000):
        net.send(flow % 300, (7 * flow + 1 + flow // 300) % 300, 1e4, ignore, stream=flow)
    env.run(until=0.001)
    assert len(net.links) > 1000
    assert len(sizes) == 1
