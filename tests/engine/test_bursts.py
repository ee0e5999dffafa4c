"""A burst: what an idle link passes at once before it keeps to its rate, as a token bucket does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

import netsim
from netsim import loading
from netsim.engine.reference.sharing import network_of
from netsim.engine.single import collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star

RATE, BURST, LATENCY = 10.0, 25.0, 1.0
LINK = Link(rate=RATE, latency=LATENCY, burst=BURST)


def arrivals(sent: list[tuple[float, int, int, float]], *links: Link, forwarding: str = "cut_through") -> list[float]:
    """When each message, (time, source, destination, bytes), has come."""
    env, ends = simpy.Environment(), dict[int, float]()
    hosts = tuple(Host(f"host{number}", link) for number, link in enumerate(links))
    net = network_of("fifo", forwarding)(env, star(hosts), lambda message, now: ends.update({message.label: now}))

    def send(number: int, time: float, src: int, dst: int, nbytes: float) -> simpy.events.ProcessGenerator:
        yield env.timeout(time)
        net.send(src, dst, nbytes, lambda _: None, order=number, label=number)

    for number, message in enumerate(sent):
        env.process(send(number, *message))
    env.run()
    return [ends[number] for number in range(len(sent))]


@pytest.mark.parametrize("nbytes", [0.0, 10.0, 25.0, 25.5, 1000.0])
def test_an_idle_way_passes_its_burst_at_once_and_the_rest_at_its_rate(nbytes: float) -> None:
    assert arrivals([(3.0, 0, 1, nbytes)], LINK, LINK) == [3.0 + LATENCY + max(0.0, nbytes - BURST) / RATE]


def test_a_burst_is_passed_once_and_comes_back_at_the_rate() -> None:
    """25 B at once, 10 B a second after; 15 B have come back by 1.5 s after the bucket was last empty."""
    found = arrivals([(0.0, 0, 1, 25.0), (0.0, 0, 1, 20.0), (3.5, 0, 1, 20.0), (100.0, 0, 1, 25.0)], LINK, LINK)
    assert found == pytest.approx([1.0, 3.0, 5.0, 101.0])


def test_switches_that_store_messages_first_pass_bursts_on_as_well() -> None:
    assert arrivals([(0.0, 0, 1, 45.0)], LINK, LINK, forwarding="store_and_forward") == [LATENCY + 2 * 2.0]


def test_a_burst_is_of_payload_as_rates_are() -> None:
    """Half of what passes are headers: half of the burst is left, and half of the rate."""
    link = Link(rate=RATE, latency=LATENCY, burst=BURST, efficiency=0.5).for_payload
    assert (link.rate, link.burst) == (5.0, 12.5)


@settings(deadline=None, max_examples=60)
@given(
    sent=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 90)), min_size=1, max_size=9),
    burst=st.floats(0, 120),
)
def test_a_port_passes_what_a_token_bucket_does_by_its_definition(
    sent: list[tuple[float, float]], burst: float
) -> None:
    """The j-th to the k-th message have passed no sooner than their bytes, less a burst, need at the rate from the
    j-th's coming on; and as soon as all that allows (Le Boudec, Thiran 2001, chapter 1.5: a greedy shaper)."""
    sent = sorted(dict(sent).items())
    link = Link(rate=RATE, latency=0.0, burst=burst)
    came = arrivals([(time, 0, 1, nbytes) for time, nbytes in sent], link, link)
    for k, (time, _) in enumerate(sent):
        bounds = [at + (sum(nbytes for _, nbytes in sent[j : k + 1]) - burst) / RATE for j, (at, _) in enumerate(sent)]
        assert came[k] == pytest.approx(max([time, *bounds[: k + 1]]), rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    links=st.lists(st.builds(Link, rate=st.floats(1, 50), latency=st.just(0.0), burst=st.floats(0, 200)), min_size=2),
    nbytes=st.floats(1, 300),
)
def test_alone_a_message_takes_what_its_slowest_link_needs_without_a_burst(links: list[Link], nbytes: float) -> None:
    (came,) = arrivals([(0.0, 0, 1, nbytes)], *links)
    assert came == pytest.approx(
        max([0.0, *((nbytes - (link.burst or 0.0)) / link.rate for link in links[:2])]), abs=1e-9
    )


@pytest.mark.parametrize("kind", FAMILIES["collectives"].names())
@pytest.mark.parametrize("burst", [2e4, 1e9])
def test_collectives_over_bursts_keep_all_rules_in_both_engines(kind: str, burst: float) -> None:
    link = Link(rate=1e9, latency=1e-5, burst=burst)
    of, options = FAMILIES["collectives"].build({"kind": kind, "slices": 2}), {"size": 1e6, "rate": 1e9}
    found, without = (
        collective(of, ranks=4, latency=1e-5, sharing="fifo", link=each, check=True, **options)
        for each in (link, Link(rate=1e9, latency=1e-5))
    )
    assert found.engine == "fast"
    assert found.ideal_time_s is None
    assert found.lower_bound_s <= found.time_s <= without.time_s * (1 + 1e-9)
    if burst > 1e8:  # nothing ever waits for the rate
        assert found.time_s <= 1e-5 * found.messages


BASE: dict[str, Any] = {
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "10 us", "burst": "64 kB"}},
    "job": {"model": "mobilenet_v1", "batch": 8, "strategy": "ring"},
}


def test_a_scenario_plays_bursts_fast_and_is_the_sooner_done_for_them() -> None:
    bursts = loading.from_table(BASE, {"cluster.sharing": "fifo"})
    none = loading.from_table(BASE, {"cluster.sharing": "fifo", "cluster.link.burst": "0 B"})
    fast, slow = (netsim.simulate(each, check=True) for each in (bursts, none))
    assert fast.engine == "fast"
    assert fast.summary()["closed_form_iteration_time_s"] is None
    assert fast.summary()["iteration_time_s"] < slow.summary()["iteration_time_s"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "cluster.sharing: links with a burst serve messages in order of arrival"),
        ({"cluster.link.burst": "-1 B"}, "cluster.link.burst: '-1 B'"),
        ({"cluster.link.burst": "inf B"}, "cluster.link.burst: 'inf B'"),
        ({"cluster.link.burst": 64000}, "cluster.link.burst: 64000"),
        ({"cluster.link.burst": "64 kB/s"}, "cluster.link.burst: '64 kB/s'"),
        (
            {"cluster.sharing": "fifo", "cluster.fault": [{"link": "worker1.up", "at": "1 s"}]},
            "cluster.fault: is of links with a burst",
        ),
        (
            {
                "cluster.link.burst": "0 B",
                "cluster.topology": {
                    "kind": "leaf_spine",
                    "per_leaf": 2,
                    "link": {"rate": "10 Gbit/s", "latency": "1 us", "burst": "1 kB"},
                },
            },
            "cluster.sharing: links with a burst serve messages in order of arrival",
        ),
    ],
)
def test_a_burst_that_will_not_do_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        loading.from_table(BASE, changes)
    assert expected in str(refused.value)
    assert len(refused.value.problems) == 1


def test_a_scenario_that_was_made_in_python_is_refused_as_well() -> None:
    made = loading.from_table(BASE, {"cluster.sharing": "fifo"})
    fault = loading.from_table(BASE, {"cluster.link.burst": "0 B", "cluster.fault": [{"link": "worker1", "at": "1 s"}]})
    for changed in ({"sharing": "fair"}, {"fault": fault.cluster.fault}):
        with pytest.raises(ScenarioError, match="links with a burst"):
            netsim.simulate(replace(made, cluster=replace(made.cluster, **changed)))


def test_a_collective_over_fairly_shared_links_has_no_bursts() -> None:
    with pytest.raises(ScenarioError, match="links with a burst serve messages in order of arrival"):
        collective(FAMILIES["collectives"].build("ring"), ranks=4, size=1e6, rate=1e9, latency=1e-5, link=LINK)


def test_links_of_ones_own_network_have_their_own_burst_or_that_of_a_hosts_link() -> None:
    hosts = [Host(f"worker{number}", LINK) for number in range(3)]
    links = [
        {"ends": ["worker0", "a"], "burst": "5 B"},
        {"ends": ["worker1", "a"]},
        {"ends": ["a", "b"], "rate": "10 B/s", "latency": "1 s"},
        {"ends": ["b", "worker2"], "burst": "0 B"},
    ]
    built = FAMILIES["topologies"].build({"kind": "graph", "links": links})(hosts)
    assert built.bursts == (5.0, 5.0, BURST, BURST, 0.0, 0.0, 0.0, 0.0)


def test_cards_of_hosts_with_several_accelerators_have_their_links_burst() -> None:
    nodes = {"kind": "nodes", "per_host": 2, "link": {"rate": "1 kB/s", "latency": "1 us"}}
    built = FAMILIES["topologies"].build(nodes)([Host(f"worker{number}", LINK) for number in range(4)])
    bursts = dict(zip(built.names, built.bursts, strict=True))
    assert {name: burst for name, burst in bursts.items() if burst} == {
        f"host{host}.nic0.{way}": BURST for host in (0, 1) for way in ("up", "down")
    }
