"""What messages cost beyond their latency and bytes: LogGP's overhead and gap, caps, curves, headers, forwarding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import simpy

import netsim
from netsim.collectives.rounds import Collective, Round
from netsim.engine.messages import Message
from netsim.engine.reference.play import Adder, Play, Steps
from netsim.engine.reference.sharing import SHARING, network_of
from netsim.errors import ScenarioError
from netsim.hardware import CurvePoint, Link
from netsim.loading import from_table
from netsim.topologies.base import Host
from netsim.topologies.star import star

Log = list[tuple[float, int, int]]


def sent(
    messages: list[tuple[int, int, float]], link: Link, sharing: str = "fair", forwarding: str = "cut_through"
) -> Log:
    """Deliveries (when, from whom, to whom) of messages (from, to, bytes) that are all sent at once."""
    log: Log = []
    hosts = [Host(f"host{i}", link.for_payload) for i in range(4)]
    env = simpy.Environment()
    network = network_of(sharing, forwarding)(env, star(hosts), lambda m, now: log.append((now, m.src, m.dst)))
    for order, (src, dst, nbytes) in enumerate(messages):
        network.send(src, dst, nbytes, lambda _: None, order=order)
    env.run()
    return log


def test_a_binomial_reduce_takes_what_loggopsim_says() -> None:
    """README of LogGOPSim (spcl/LogGOPSim): 8 hosts, 1,024 bytes, L = 2500, o = 1500, g = 1000, G = 6: hosts finish at
    34914, 24776, 13138, 13138 and 1500 four times; those that send, when they have spent their overhead on it. LogGP
    counts G for all bytes but the first."""

    class Reduce(Collective):
        def rounds(self, ranks: int) -> Iterator[Round]:
            for distance in (1, 2, 4):
                child = np.arange(distance, ranks, 2 * distance)
                yield Round.of(child, child - distance, add=True)

    env, link = simpy.Environment(), Link(rate=1 / 6, latency=2500.0, overhead=1500.0, gap=1000.0)
    ends: dict[int, float] = {}

    def sent(message: Message, now: float) -> None:
        ends[message.src], ends[0] = message.sent + 1500.0, now

    network = network_of("fair")(env, star([Host(f"host{i}", link) for i in range(8)]), sent)
    play = Play(network, [Adder(env, None)] * 8, Steps(Reduce(), 8), nbytes=1023.0, stream=0, label=None)
    for host in range(8):
        play.join(host)
    env.run()
    assert sorted(ends.values(), reverse=True) == pytest.approx([34914, 24776, 13138, 13138, *[1500] * 4], rel=1e-12)
    assert ends[0] == pytest.approx(34914) and ends[4] == pytest.approx(24776)


def test_a_tcp_message_takes_what_simgrids_lv08_says() -> None:
    """100 kB over 1 Mbit/s and 10 ms: 13.01 latencies, 0.97 of the rate, of which answers leave 1 in 1.05."""
    lv08 = Link(rate=125e3, latency=13.01 * 0.01, efficiency=0.97 / 1.05)
    ((ended, _, _),) = sent([(0, 1, 100e3)], lv08)
    assert ended == pytest.approx(0.996079, abs=5e-7)


@pytest.mark.parametrize("sharing", SHARING)
def test_each_message_costs_its_sender_and_its_receiver_an_overhead(sharing: str) -> None:
    log = sent([(0, 1, 10.0), (0, 2, 10.0)], Link(rate=10.0, latency=1.0, overhead=2.0), sharing)
    assert log == [(6.0, 0, 1), (8.0, 0, 2)]


@pytest.mark.parametrize("sharing", SHARING)
def test_a_gap_lies_between_the_messages_of_a_host(sharing: str) -> None:
    log = sent([(0, 1, 10.0), (0, 2, 10.0), (1, 3, 10.0)], Link(rate=10.0, latency=0.0, gap=5.0), sharing)
    assert log == [(1.0, 0, 1), (1.0, 1, 3), (6.0, 0, 2)]


def test_no_connection_is_faster_than_its_cap_and_others_take_the_rest() -> None:
    capped = Link(rate=10.0, latency=0.0, flow_rate=4.0)
    assert sent([(0, 1, 8.0)], capped) == [(2.0, 0, 1)]
    assert sent([(0, 3, 8.0), (1, 3, 8.0), (2, 3, 8.0)], capped) == [(2.4, 0, 3), (2.4, 1, 3), (2.4, 2, 3)]


def test_a_host_sends_and_receives_no_more_than_its_rate_in_all() -> None:
    both = [(0, 1, 10.0), (1, 0, 10.0)]
    assert sent(both, Link(rate=10.0, latency=0.0)) == [(1.0, 0, 1), (1.0, 1, 0)]
    assert sent(both, Link(rate=10.0, latency=0.0, host_rate=10.0)) == [(2.0, 0, 1), (2.0, 1, 0)]


def test_both_ways_of_a_half_duplex_link_share_its_rate() -> None:
    both = [(0, 1, 10.0), (1, 0, 10.0)]
    assert sent(both, Link(rate=10.0, latency=0.0, duplex="half")) == [(2.0, 0, 1), (2.0, 1, 0)]
    three = [(0, 1, 10.0), (2, 0, 10.0)]
    assert sent(three, Link(rate=10.0, latency=0.0, duplex="half")) == [(2.0, 0, 1), (2.0, 2, 0)]


@pytest.mark.parametrize("sharing", SHARING)
def test_a_curve_prices_a_message_by_its_size(sharing: str) -> None:
    curve = (CurvePoint(size=100.0, latency=3.0, rate=5.0),)
    link = Link(rate=10.0, latency=1.0, curve=curve)
    assert sent([(0, 1, 50.0)], link, sharing) == [(6.0, 0, 1)]
    assert sent([(0, 1, 100.0)], link, sharing) == [(23.0, 0, 1)]


@pytest.mark.parametrize("sharing", SHARING)
def test_headers_take_their_share_of_the_rate(sharing: str) -> None:
    assert sent([(0, 1, 10.0)], Link(rate=10.0, latency=0.0, efficiency=0.5), sharing) == [(2.0, 0, 1)]


def test_switches_that_store_and_forward_pass_a_message_on_when_they_have_all_of_it() -> None:
    link = Link(rate=10.0, latency=1.0)
    assert sent([(0, 1, 20.0)], link, "fifo") == [(3.0, 0, 1)]
    assert sent([(0, 1, 20.0)], link, "fifo", "store_and_forward") == [(5.0, 0, 1)]


def scenario(**cluster: Any) -> netsim.Scenario:
    table = {
        "cluster": {"workers": 3, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "10 us"}, **cluster},
        "job": {"model": "mobilenet_v1", "batch": 8, "strategy": {"kind": "ring"}},
    }
    return from_table(table, {})


def test_a_scenario_with_overheads_is_slower_by_no_less_than_a_rings_steps_of_them() -> None:
    link = {"rate": "10 Gbit/s", "latency": "10 us", "overhead": "50 us"}
    plain, costly = (netsim.simulate(scenario(**more)) for more in ({}, {"link": link}))
    assert (
        costly.engine == "simpy" and costly.summary()["why_simpy"] == "messages cost more than their latency and bytes"
    )
    assert costly.summary()["closed_form_iteration_time_s"] is None
    assert costly.summary()["iteration_time_s"] >= plain.summary()["iteration_time_s"] + 4 * 2 * 50e-6 * (1 - 1e-9)


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (
            {"forwarding": "store_and_forward"},
            'cluster.forwarding: store_and_forward is for links with queues; add sharing = "fifo"',
        ),
        (
            {"sharing": "fifo", "link": {"rate": "1 GB/s", "latency": "0 s", "host_rate": "1 GB/s"}},
            'cluster.link.host_rate: is shared out among messages; it needs sharing = "fair"',
        ),
        (
            {
                "link": {
                    "rate": "1 GB/s",
                    "latency": "0 s",
                    "curve": [
                        {"size": "2 kB", "latency": "0 s", "rate": "1 GB/s"},
                        {"size": "1 kB", "latency": "0 s", "rate": "1 GB/s"},
                    ],
                }
            },
            "cluster.link.curve: the sizes of the curve's rows must grow from row to row",
        ),
        (
            {"link": {"rate": "1 GB/s", "latency": "0 s", "efficiency": 1.5}},
            "cluster.link.efficiency: 1.5 is too large; it must be at most 1",
        ),
    ],
)
def test_costs_that_cannot_be_are_refused(cluster: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(**cluster)
    assert expected in str(caught.value).splitlines()
