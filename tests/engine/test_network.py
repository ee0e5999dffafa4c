from __future__ import annotations

from collections.abc import Callable

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.engine.messages import Link, Message
from netsim.engine.record.meter import Meter
from netsim.engine.reference.fair import Flow, max_min_rates
from netsim.engine.reference.network import Network
from netsim.engine.reference.sharing import SHARING
from netsim.hardware import Link as HostLink
from netsim.topologies.base import Host
from netsim.topologies.star import star

Log = list[tuple[float, int, int]]


def ignore(_: Message) -> None:
    """Nobody waits for the message."""


def network(sharing: str, *rates: float, latency: float = 0.0) -> tuple[Network, Log]:
    """A star of hosts with these rates, and a log of deliveries: (when, from whom, to whom)."""
    log: Log = []
    hosts = [Host(f"host{i}", HostLink(rate=rate, latency=latency)) for i, rate in enumerate(rates)]
    env = simpy.Environment()
    return SHARING[sharing](env, star(hosts), lambda m, now: log.append((now, m.src, m.dst))), log


def at(net: Network, time: float, send: Callable[[], object]) -> None:
    def wait() -> simpy.events.ProcessGenerator:
        yield net.env.timeout(time)
        send()

    net.env.process(wait())


@pytest.mark.parametrize("sharing", SHARING)
def test_a_message_alone_takes_its_latency_and_its_bytes(sharing: str) -> None:
    net, log = network(sharing, 10.0, 10.0, latency=0.5)
    net.send(0, 1, 20.0, ignore)
    net.env.run()
    assert log == [(2.5, 0, 1)]


@pytest.mark.parametrize("sharing", SHARING)
def test_a_message_alone_goes_at_the_rate_of_its_slowest_link(sharing: str) -> None:
    for rates in [(10.0, 4.0), (4.0, 10.0)]:
        net, log = network(sharing, *rates)
        net.send(0, 1, 20.0, ignore)
        net.env.run()
        assert log == [(5.0, 0, 1)]


def test_fair_messages_share_a_port_and_speed_up_when_one_ends() -> None:
    net, log = network("fair", 10.0, 10.0, 10.0)
    net.send(0, 2, 10.0, ignore)
    net.send(1, 2, 30.0, ignore)
    net.env.run()
    assert log == [(2.0, 0, 2), (4.0, 1, 2)]


def test_a_fair_latecomer_takes_its_share_from_the_moment_it_comes() -> None:
    net, log = network("fair", 10.0, 10.0, 10.0)
    net.send(0, 2, 20.0, ignore)
    at(net, 1.0, lambda: net.send(1, 2, 20.0, ignore))
    net.env.run()
    assert log == [(3.0, 0, 2), (4.0, 1, 2)]


def test_what_a_slow_host_leaves_of_a_port_goes_to_the_others() -> None:
    net, log = network("fair", 2.0, 10.0, 10.0)
    net.send(0, 2, 10.0, ignore)
    net.send(1, 2, 40.0, ignore)
    net.env.run()
    assert log == [(5.0, 0, 2), (5.0, 1, 2)]


def test_fifo_messages_are_served_whole_in_order_of_arrival_and_ties_in_order_of_source() -> None:
    net, log = network("fifo", 10.0, 10.0, 10.0, 10.0)
    net.send(2, 3, 20.0, ignore)
    net.send(0, 3, 20.0, ignore)
    at(net, 1.0, lambda: net.send(1, 3, 10.0, ignore))
    net.env.run()
    assert log == [(2.0, 0, 3), (4.0, 2, 3), (5.0, 1, 3)]


def test_fifo_links_are_not_held_by_a_message_that_trickles_in() -> None:
    net, log = network("fifo", 1.0, 10.0, 10.0)
    net.send(0, 2, 10.0, ignore)
    net.send(1, 2, 50.0, ignore)
    net.env.run()
    assert log == [(5.0, 1, 2), (10.0, 0, 2)]


@pytest.mark.parametrize("sharing", SHARING)
def test_messages_from_one_host_to_another_follow_one_another(sharing: str) -> None:
    net, log = network(sharing, 10.0, 10.0, latency=1.0)
    for _ in range(3):
        net.send(0, 1, 10.0, ignore)
    net.env.run()
    assert log == [(2.0, 0, 1), (3.0, 0, 1), (4.0, 0, 1)]


def test_messages_on_two_streams_share_where_those_on_one_queue() -> None:
    net, log = network("fair", 10.0, 10.0)
    net.send(0, 1, 10.0, ignore, stream=0)
    net.send(0, 1, 10.0, ignore, stream=1)
    net.env.run()
    assert log == [(2.0, 0, 1), (2.0, 0, 1)]


def test_within_a_host_a_message_takes_no_time_and_no_link() -> None:
    net, log = network("fair", 10.0, 10.0)
    heard: list[float] = []
    net.send(0, 0, 10.0, lambda message: heard.append(message.nbytes))
    assert (heard, net.env.now, net.nbytes, log) == ([10.0], 0.0, 0.0, [])


Messages = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(1, 1e3), st.floats(0, 20)).filter(lambda m: m[0] != m[1]),
    min_size=1,
    max_size=25,
)


@settings(deadline=None)
@given(st.sampled_from(list(SHARING)), Messages, st.lists(st.floats(1, 50), min_size=5, max_size=5))
def test_bytes_are_conserved_and_no_link_runs_above_its_rate_or_idles_with_work(
    sharing: str, messages: list[tuple[int, int, float, float]], rates: list[float]
) -> None:
    net, log = network(sharing, *rates, latency=0.25)
    for src, dst, nbytes, time in messages:
        at(net, time, lambda src=src, dst=dst, nbytes=nbytes: net.send(src, dst, nbytes, ignore))
    net.env.run()
    assert len(log) == net.messages == len(messages)
    total = sum(nbytes for _, _, nbytes, _ in messages)
    assert net.nbytes == pytest.approx(total, rel=1e-12)
    for use in net.use():
        host, way = int(use.link[4]), use.link[6:]
        mine = [m for m in messages if m[0 if way == "up" else 1] == host]
        assert use.messages == len(mine)
        assert use.nbytes == pytest.approx(sum(m[2] for m in mine), rel=1e-12)
        assert use.nbytes <= use.rate * use.busy * (1 + 1e-9)
        assert use.busy <= net.env.now * (1 + 1e-9)
    for end, src, dst in log:
        fastest = min(m[2] / min(rates[src], rates[dst]) + m[3] + 0.25 for m in messages if m[:2] == (src, dst))
        assert end >= fastest * (1 - 1e-9)


@settings(deadline=None)
@given(
    paths=st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True), min_size=1, max_size=20),
    rates=st.lists(st.floats(0.1, 100), min_size=8, max_size=8),
)
def test_rates_are_max_min_fair(paths: list[list[int]], rates: list[float]) -> None:
    """The defining property (Bertsekas, Gallager): every flow has a full link on which nobody is faster."""
    links = [Link(f"link{i}", rate, 0.0) for i, rate in enumerate(rates)]
    flows = [Flow([links[i] for i in path]) for path in paths]
    for flow in flows:
        for link in flow.links:
            link.flows[flow] = None
    given_rates = {flow: rate for flow, (rate, _) in max_min_rates(dict.fromkeys(links)).items()}
    for link in links:
        assert sum(given_rates[flow] for flow in link.flows) <= link.rate * (1 + 1e-9)
    for flow in flows:
        assert any(
            sum(given_rates[other] for other in link.flows) >= link.rate * (1 - 1e-9)
            and given_rates[flow] >= max(given_rates[other] for other in link.flows) * (1 - 1e-9)
            for link in flow.links
        )


Stretches = st.lists(st.tuples(st.floats(0, 30), st.floats(-1, 9), st.sampled_from([0.0, 1.0, 7.0])), max_size=12)


@settings(deadline=None)
@given(st.sampled_from([0.0, 2.5]), Stretches)
def test_a_meter_has_the_bytes_of_each_bin_from_when_it_was_turned_on(
    start: float, stretches: list[tuple[float, float, float]]
) -> None:
    """Whatever the order in which it is told; where nothing passes, it is as if nothing was said."""
    meter, passing = Meter(["wire", "idle"], start, bins=8), Meter(["wire", "idle"], start, bins=8)
    for begin, length, rate in stretches:
        meter.passed("wire", begin, begin + length, rate)
        if rate > 0 and begin + length > start:
            passing.passed("wire", begin, begin + length, rate)
    end = max((begin + length for begin, length, rate in stretches), default=0.0)
    bins = list(meter.bins(["wire", "idle"], end))
    assert bins == list(passing.bins(["wire", "idle"], end))
    for each in bins:
        inside = ((min(b + n, each.end) - max(b, each.start), rate) for b, n, rate in stretches)
        assert each.nbytes == pytest.approx(sum(rate * max(0.0, lasts) for lasts, rate in inside), abs=1e-9)
    total = sum(rate * max(0.0, begin + length - max(begin, start)) for begin, length, rate in stretches)
    assert sum(each.nbytes for each in bins) == pytest.approx(total, abs=1e-9)
    assert {each.link for each in bins} <= {"wire"} and len(bins) <= 8
    assert [each.start for each in bins[1:]] == [each.end for each in bins[:-1]]
