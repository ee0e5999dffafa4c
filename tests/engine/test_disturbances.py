"""Links that fail and come back, others' messages, other jobs; and runs in which nothing can move any more."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

import netsim
from netsim.disturbances import Fault
from netsim.engine.health import Health, healths
from netsim.engine.messages import Message
from netsim.engine.record.clock import Backstage, Clock
from netsim.engine.reference.network import Network
from netsim.engine.reference.sharing import network_of
from netsim.engine.reference.waits import describe
from netsim.errors import RunError, ScenarioError
from netsim.families import FAMILIES, kind_of
from netsim.hardware import Link
from netsim.loading import dump, from_table, vary
from netsim.tables import save, trace_frames
from netsim.topologies.base import Host
from netsim.topologies.star import star

SHARINGS = ("fair", "fifo")
LINK = {"rate": "10 Gbit/s", "latency": "25 us"}
TINY = {"layers": [{"kind": "dense", "input_shape": [1000], "units": 1000}]}  # 4 MB of gradients


def ignore(_: Message) -> None:
    """Nobody waits for the message."""


def network(sharing: str, faults: dict[str, list[tuple[float, float]]], **more: Any) -> tuple[Network, list[float]]:
    """Three hosts on a star at 10 bytes/s, links whose share of the rate changes as said, and when messages came."""
    ends: list[float] = []
    topology = star([Host(f"host{i}", Link(rate=10.0, latency=0.0)) for i in range(3)])
    health = {topology.names.index(name): Health(changes) for name, changes in faults.items()}
    env = Clock()
    net = network_of(sharing)(env, topology, lambda _, now: ends.append(now), health=health, **more)
    env.hope = net.hopes
    return net, ends


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_message_takes_longer_while_a_link_is_slow(sharing: str) -> None:
    net, ends = network(sharing, {"host0.up": [(1.0, 0.5), (3.0, 1.0)]})
    net.send(0, 1, 40.0, ignore)  # 10 bytes, then 10 in two seconds, then 20 in two
    net.env.run()
    assert ends == [5.0]
    assert [tuple(change) for change in net.changes] == [(1.0, "host0.up", 0.5), (3.0, "host0.up", 1.0)]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_message_waits_for_a_failed_link_and_the_trace_says_so(sharing: str) -> None:
    net, ends = network(sharing, {"host1.down": [(1.0, 0.0), (3.0, 1.0)]})
    net.send(0, 1, 40.0, ignore)
    net.env.run()
    assert ends == [6.0]
    assert [tuple(each) for each in net.interruptions] == [(1.0, "host1.down", 0, 1, 40.0, "waits")]
    use = {each.link: each for each in net.use()}
    assert use["host1.down"].busy == pytest.approx(4.0)
    assert use["host1.down"].waited == pytest.approx(2.0)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_a_failed_link_leaves_free_goes_to_the_others(sharing: str) -> None:
    net, ends = network(sharing, {"host0.up": [(0.0, 0.0), (10.0, 1.0)]})
    net.send(0, 2, 40.0, ignore)
    net.send(1, 2, 40.0, ignore)
    net.env.run()
    assert ends == [4.0, 14.0]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_link_that_is_down_for_good_ends_the_run_whatever_goes_on_in_the_background(sharing: str) -> None:
    net, ends = network(sharing, {"host0.up": [(1.0, 0.0)], "host2.up": [(2.0 * k, k % 2) for k in range(1, 99999)]})
    net.send(0, 1, 40.0, ignore)
    tenant = net.tenant(range(3))

    def others() -> simpy.events.ProcessGenerator:
        while True:
            tenant.send(1, 2, 1.0, ignore)
            yield tenant.env.timeout(1.0)

    tenant.env.process(others())
    net.env.run()
    assert ends == []
    assert net.env.now <= 6.0
    assert [(message.src, message.dst, link and link.name) for message, link in net.held_up()] == [(0, 1, "host0.up")]


def test_the_clock_ends_when_only_the_backstage_goes_on() -> None:
    clock = Clock()
    backstage = Backstage(clock)

    def for_ever(env: simpy.Environment) -> simpy.events.ProcessGenerator:
        while True:
            yield env.timeout(1.0)

    def once() -> simpy.events.ProcessGenerator:
        yield clock.timeout(3.5)

    backstage.process(for_ever(backstage))
    clock.process(once())
    clock.run()
    assert clock.now == 3.5


Changes = st.lists(st.tuples(st.floats(0.1, 5), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=5)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(SHARINGS),
    Changes,
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(1, 50), st.floats(0, 5)).filter(
            lambda m: m[0] != m[1]
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_no_link_passes_more_than_it_could_at_any_time_and_all_bytes_come(
    sharing: str, changes: list[tuple[float, float]], messages: list[tuple[int, int, float, float]]
) -> None:
    times = np.cumsum([length for length, _ in changes]).tolist()
    of_link = [*zip(times, (share for _, share in changes), strict=True), ((times or [0.0])[-1] + 1.0, 1.0)]
    net, ends = network(sharing, {"host0.up": of_link})
    net.watch()

    def send(src: int, dst: int, nbytes: float, time: float) -> simpy.events.ProcessGenerator:
        yield net.env.timeout(time)
        net.send(src, dst, nbytes, ignore)

    for each in messages:
        net.env.process(send(*each))
    net.env.run()
    assert len(ends) == len(messages)
    assert net.meter
    health = Health(of_link)
    bins = [each for each in net.meter.bins([link.name for link in net.links], net.env.now)]
    for each in bins:
        could = 10.0 * (each.end - each.start)
        if each.link == "host0.up":
            could = sum(10.0 * share * (end - begin) for begin, end, share in _pieces(health, each.start, each.end))
        assert each.nbytes <= could * (1 + 1e-6) + 1e-6
    for name in ("host0.up", "host1.down", "host2.up"):
        end, host = ("src", int(name[4])) if name.endswith("up") else ("dst", int(name[4]))
        sent = sum(m[2] for m in messages if m[0 if end == "src" else 1] == host)
        assert sum(each.nbytes for each in bins if each.link == name) == pytest.approx(sent, rel=1e-6)


def _pieces(health: Health, begin: float, end: float) -> list[tuple[float, float, float]]:
    pieces = []
    while begin < end:
        change = health.after(begin)
        until = end if change is None else min(end, change[0])
        pieces.append((begin, until, health.at(begin)))
        begin = until
    return pieces


def test_where_faults_meet_the_worst_holds_and_drawn_ones_are_the_same_in_every_run() -> None:
    links = [("a", ("x", "y")), ("b", ("y", "x")), ("c", ("z", "y"))]
    both = [Fault(link="a", at=1.0, lasts=4.0, factor=0.5), Fault(link="x", at=2.0, lasts=1.0)]
    found = healths(both, links, 1)
    assert sorted(found) == [0, 1]
    assert [found[0].at(time) for time in (0.0, 1.0, 2.5, 3.0, 5.0)] == [1.0, 0.5, 0.0, 0.5, 1.0]
    assert [found[1].at(time) for time in (1.5, 2.0, 3.0)] == [1.0, 0.0, 1.0]
    drawn = [healths([Fault(link="x", mtbf=10.0, mttr=1.0)], links, 7) for _ in range(2)]
    first, again = ([each[link].after(time) for link in (0, 1) for time in range(0, 500, 50)] for each in drawn)
    assert first == again
    assert drawn[0][0].after(0.0) != drawn[0][1].after(0.0)
    downs = [piece[1] - piece[0] for piece in _pieces(drawn[0][0], 0.0, 20_000.0) if piece[2] == 0]
    assert np.mean(downs) == pytest.approx(1.0, rel=0.15)


def scenario(**more: Any) -> netsim.Scenario:
    table: dict[str, Any] = {
        "iterations": 4,
        "cluster": {"workers": 4, "device": "v100", "link": LINK, **more.pop("cluster", {})},
        "job": {"model": TINY, "batch": 8, "strategy": {"kind": "ring"}},
        **more,
    }
    return from_table(table)


def figures(**more: Any) -> dict[str, Any]:
    return netsim.simulate(scenario(**more), detail="summary").summary()


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("kind", ["ring", "tree", "parameter_server"])
def test_a_fault_that_never_comes_and_traffic_that_never_starts_change_nothing(sharing: str, kind: str) -> None:
    job = {"model": TINY, "batch": 8, "strategy": {"kind": kind}}
    traffic = {"size": "1 MB", "rate": "1 Gbit/s", "start": "1000 s"}
    quiet = netsim.simulate(scenario(cluster={"sharing": sharing}, job=job), engine="simpy").summary()
    cluster = {"sharing": sharing, "fault": [{"link": "worker0", "at": "1000 s"}], "traffic": [traffic]}
    said = netsim.simulate(scenario(cluster=cluster, job=job)).summary()
    told = {key: value for key, value in said.items() if key in quiet}
    assert told == {**quiet, "why_simpy": said["why_simpy"], "closed_form_iteration_time_s": None}


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_failed_link_costs_at_most_its_outage_and_the_trace_has_it(sharing: str) -> None:
    quiet = figures(cluster={"sharing": sharing})["iteration_time_s"]
    fault = {"link": "worker1.up", "at": "1 ms", "lasts": "20 ms"}
    trace = netsim.simulate(scenario(cluster={"sharing": sharing, "fault": [fault]}))
    longer = 4 * (trace.summary()["iteration_time_s"] - quiet)
    assert 0.01 < longer <= 0.02 * (1 + 1e-9)
    assert trace.summary()["link_failures"] == 1
    assert trace.engine == "fast"
    assert [(change.link, change.share) for change in trace.link_changes] == [("worker1.up", 0.0), ("worker1.up", 1.0)]
    assert {each.how for each in trace.interruptions} == {"waits"}


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_job_on_a_link_that_is_down_for_good_fails_at_once_and_says_who_waits(sharing: str) -> None:
    traffic = [{"size": "1 MB", "rate": "1 Gbit/s"}]
    other = {
        "name": "other",
        "workers": 2,
        "placement": "colocated",
        "job": {"model": TINY, "batch": 8, "strategy": "ring"},
    }
    cluster = {"sharing": sharing, "fault": [{"link": "worker1.up", "at": "1 ms"}], "traffic": traffic}
    with pytest.raises(RunError) as caught:
        netsim.simulate(scenario(cluster=cluster, neighbour=[other]))
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("nothing can move any more at ")
    assert first.endswith("and these still wait: worker0, worker1, worker2, worker3")
    assert "  bucket layer0 from worker1 to worker2 waits for link worker1.up, which is down for good" in lines
    assert "  worker0 waits for worker1 with bucket layer0" in lines


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("arrivals", ["poisson", "periodic", "back_to_back"])
def test_background_traffic_slows_the_job_down_is_counted_apart_and_is_the_same_for_a_seed(
    sharing: str, arrivals: str
) -> None:
    quiet = figures(cluster={"sharing": sharing})
    traffic = [{"size": "100 kB", "rate": "4 Gbit/s", "arrivals": arrivals, "sizes": "exponential"}]
    runs = [figures(cluster={"sharing": sharing, "traffic": traffic}, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0]["background_bytes"] != runs[2]["background_bytes"]
    assert runs[0]["iteration_time_s"] > quiet["iteration_time_s"]
    assert runs[0]["wire_bytes_per_iteration"] == quiet["wire_bytes_per_iteration"]
    assert runs[0]["why_simpy"] == "others use the network, too"
    trace = netsim.simulate(scenario(cluster={"sharing": sharing, "traffic": traffic}, seed=1))
    assert sum(trace.links["nbytes"]) == pytest.approx(2 * 4 * quiet["wire_bytes_per_iteration"])
    assert sum(trace.links["background"]) == pytest.approx(2 * runs[0]["background_bytes"])


@pytest.mark.parametrize("sizes", ["constant", "exponential", "pareto"])
@pytest.mark.parametrize("arrivals", ["poisson", "periodic"])
def test_traffic_offers_its_rate_on_the_mean(sizes: str, arrivals: str) -> None:
    traffic = [{"size": "10 kB", "rate": "1 Gbit/s", "arrivals": arrivals, "sizes": sizes}]
    job = {
        "model": {"layers": [{"kind": "dense", "input_shape": [600_000], "units": 100}]},
        "batch": 8,
        "strategy": "ring",
    }
    run = figures(cluster={"workers": 2, "traffic": traffic}, job=job, iterations=1)
    offered = run["background_bytes"] / run["iteration_time_s"]
    assert offered == pytest.approx(125e6, rel=0.3 if sizes == "pareto" else 0.06)


def test_traffic_stops_when_it_is_said_to() -> None:
    traffic = [{"size": "10 kB", "rate": "1 Gbit/s", "arrivals": "periodic", "start": "1 ms", "stop": "2 ms"}]
    assert figures(cluster={"traffic": traffic})["background_bytes"] == 13 * 10_000.0  # every 80 us from 1 ms on


OTHER: dict[str, Any] = {"name": "other", "workers": 4, "job": {"model": TINY, "batch": 8, "strategy": "ring"}}


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_neighbour_on_hosts_of_its_own_behind_an_ideal_switch_costs_nothing(sharing: str) -> None:
    quiet = figures(cluster={"sharing": sharing})
    run = figures(cluster={"sharing": sharing}, neighbour=[OTHER])
    assert run["iteration_time_s"] == pytest.approx(quiet["iteration_time_s"], rel=1e-12)
    assert run["neighbour.other.iteration_time_s"] == pytest.approx(quiet["iteration_time_s"], rel=1e-9)
    assert run["wire_bytes_per_iteration"] == quiet["wire_bytes_per_iteration"]


def test_two_equal_jobs_on_the_same_hosts_each_wait_for_the_other() -> None:
    quiet, run = figures(), figures(neighbour=[{**OTHER, "placement": "colocated"}])
    exchange = quiet["exposed_communication_s"]
    assert run["exposed_communication_s"] > 1.5 * exchange
    assert run["neighbour.other.iteration_time_s"] == pytest.approx(run["iteration_time_s"], rel=0.01)


def test_a_neighbour_with_servers_has_them_on_hosts_of_its_own() -> None:
    strategy = {"kind": "parameter_server", "servers": 2}
    neighbour = {**OTHER, "placement": "colocated", "job": {**OTHER["job"], "strategy": strategy}}
    trace = netsim.simulate(scenario(neighbour=[neighbour]))
    use = {each.link: each for each in trace.links}
    assert use["other.server0.up"].background > 0
    assert use["other.server0.up"].nbytes == 0
    assert use["worker0.up"].background > 0


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (
            {"cluster": {"fault": [{"link": "worker9", "at": "1 s"}]}},
            "cluster.fault[0].link: no link or node 'worker9'.",
        ),
        (
            {"cluster": {"fault": [{"link": "worker1"}]}},
            "cluster.fault[0].at: give either when it begins (at, lasts), or",
        ),
        (
            {"cluster": {"fault": [{"link": "worker1", "mtbf": "1 s"}]}},
            "cluster.fault[0].mttr: is missing; it goes with",
        ),
        (
            {"cluster": {"fault": [{"link": "worker1", "at": "1 s", "factor": 1.0}]}},
            "cluster.fault[0].factor: 1.0 is too large; it must be less than 1",
        ),
        (
            {"cluster": {"fault": [{"link": "worker1", "at": "1 s", "mtbf": "1 s", "mttr": "1 s"}]}},
            "cluster.fault[0].at: give either",
        ),
        ({"cluster": {"on_failure": "reroute"}}, "cluster.on_failure: is given, but there is no [[cluster.fault]]"),
        (
            {"cluster": {"traffic": [{"size": "1 MB", "rate": "1 Gbit/s", "src": "worker1", "dst": "worker1"}]}},
            "cluster.traffic[0].dst: 'worker1' is the source, too",
        ),
        (
            {"cluster": {"traffic": [{"size": "1 MB", "rate": "1 Gbit/s", "dst": "host"}]}},
            "cluster.traffic[0].dst: no host 'host'.",
        ),
        (
            {"cluster": {"traffic": [{"size": "1 MB", "rate": "11 Gbit/s", "dst": "worker0"}]}},
            "cluster.traffic[0].rate: 11 Gbit/s is no less than worker0's link carries (10 Gbit/s)",
        ),
        (
            {"cluster": {"traffic": [{"size": "1 MB", "rate": "41 Gbit/s"}]}},
            "cluster.traffic[0].rate: 41 Gbit/s",
        ),
        ({"neighbour": [{**OTHER, "workers": 1}]}, "neighbour[0].workers: 1 is not a number of workers"),
        ({"neighbour": [OTHER, OTHER]}, "neighbour[1].name: there is another neighbour 'other'"),
        (
            {"neighbour": [{**OTHER, "workers": 5, "placement": "colocated"}]},
            "neighbour[0].workers: 5 colocated workers need as many of the job's, which has 4",
        ),
        (
            {"neighbour": [{**OTHER, "placement": "colocated", "link": LINK}]},
            "neighbour[0].link: is given, but colocated workers use the links of the job's",
        ),
        (
            {"neighbour": [{**OTHER, "job": {**OTHER["job"], "batch": 0}}]},
            "neighbour[0].job.batch: 0 is not a batch size",
        ),
    ],
)
def test_disturbances_that_cannot_be_are_refused(more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(**more)
    assert any(line.startswith(complaint) for line in str(caught.value).splitlines()), str(caught.value)


def test_a_scenario_with_all_of_it_survives_being_written_and_read() -> None:
    fault = [{"link": "worker1", "mtbf": "1 s", "mttr": "10 ms"}, {"link": "worker0.up", "at": "1 s", "factor": 0.5}]
    traffic = [{"size": "1 MB", "rate": "1 Gbit/s", "src": "worker0", "arrivals": "periodic", "stop": "3 s"}]
    given = scenario(cluster={"fault": fault, "traffic": traffic, "on_failure": "reroute"}, neighbour=[OTHER])
    assert from_table(tomllib.loads(dump(given))) == given


# On networks with more than one way: a message whose link fails goes round it.


def around(
    sharing: str, changes: dict[str, list[tuple[float, float]]]
) -> tuple[Network, list[tuple[float, list[str]]]]:
    """Four hosts in a ring at 10 bytes/s, no latency; when messages came, and over which links."""
    came: list[tuple[float, list[str]]] = []
    topology = FAMILIES["topologies"].build("ring")([Host(f"host{i}", Link(rate=10.0, latency=0.0)) for i in range(4)])
    health = {topology.names.index(name): Health(each) for name, each in changes.items()}
    env = Clock()

    def record(message: Message, now: float) -> None:
        came.append((now, [link.name for link in message.links]))

    net = network_of(sharing)(env, topology, record, health=health, on_failure="reroute")
    env.hope = net.hopes
    return net, came


def link(one: int, other: int) -> str:
    """The name of the ring's link from a host to the next."""
    topology = FAMILIES["topologies"].build("ring")([Host(f"host{i}", Link(rate=1.0, latency=0.0)) for i in range(4)])
    return topology.names[topology.ends.index((f"host{one}", f"host{other}"))]


def test_what_a_failed_link_has_not_passed_goes_another_way() -> None:
    net, came = around("fair", {link(0, 1): [(1.0, 0.0), (50.0, 1.0)]})
    net.send(0, 1, 40.0, ignore)
    net.env.run()
    assert came == [(4.0, [link(0, 3), link(3, 2), link(2, 1)])]
    assert [(each.time, each.link, each.how) for each in net.interruptions] == [(1.0, link(0, 1), "rerouted")]


def test_a_fifo_message_that_is_cut_off_is_sent_anew_and_whole() -> None:
    net, came = around("fifo", {link(0, 1): [(1.0, 0.0), (50.0, 1.0)]})
    net.send(0, 1, 40.0, ignore)
    net.send(0, 1, 10.0, ignore, order=1)  # waits behind it
    net.env.run()
    detour = [link(0, 3), link(3, 2), link(2, 1)]
    assert came == [(5.0, detour), (6.0, detour)]
    assert [each.how for each in net.interruptions] == ["rerouted", "rerouted"]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_where_no_way_is_left_a_message_waits_for_the_first_that_comes_back(sharing: str) -> None:
    both = {link(0, 1): [(1.0, 0.0), (50.0, 1.0)], link(0, 3): [(0.5, 0.0), (2.0, 1.0)]}
    net, came = around(sharing, both)
    net.send(0, 1, 40.0, ignore)
    net.env.run()
    sent = 4.0 if sharing == "fifo" else 3.0
    assert came == [(2.0 + sent, [link(0, 3), link(3, 2), link(2, 1)])]
    assert [each.how for each in net.interruptions] == ["waits", "rerouted"]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_where_no_way_will_ever_be_left_the_run_ends(sharing: str) -> None:
    flapping = [(3.0 + time / 2, float(time % 2)) for time in range(9999)]
    net, came = around(sharing, {link(0, 1): [(1.0, 0.0)], link(0, 3): [(0.5, 0.0)], link(2, 3): flapping})
    net.send(0, 1, 40.0, ignore)
    net.env.run()
    assert came == []
    assert net.env.now < 10.0
    assert [(message.dst, waits_for) for message, waits_for in net.held_up()] == [(1, None)]


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("topology", ["ring", "torus", "fat_tree", "leaf_spine", "dragonfly", "fully_connected"])
def test_all_gradients_come_round_links_that_fail_now_and_then(sharing: str, topology: str) -> None:
    """Links between switches, or hosts where there are none, fail all the time; every byte comes all the same."""
    plain = scenario(cluster={"workers": 16, "topology": topology, "sharing": sharing}, iterations=2)
    network_there = plain.cluster.network(plain.hosts())
    switches = set(network_there.switches)
    inner = [
        name
        for name, ends in zip(network_there.names, network_there.ends, strict=True)
        if not switches or switches.issuperset(ends)
    ]
    faults = [{"link": name, "mtbf": "5 ms", "mttr": "2 ms"} for name in inner[::3]]
    cluster = {"workers": 16, "topology": topology, "sharing": sharing, "fault": faults}
    quiet = netsim.simulate(plain).summary()
    for on_failure in ("wait", "reroute"):
        trace = netsim.simulate(scenario(cluster={**cluster, "on_failure": on_failure}, iterations=2))
        run, frames = trace.summary(), trace_frames(trace)
        if sharing == "fair":  # in order of arrival what a failed link had passed is sent anew
            passed = frames["link_bins"].groupby("link")["bytes"].sum()
            carried = frames["links"].set_index("link")["bytes"][passed.index]
            assert passed.tolist() == pytest.approx(carried.tolist(), rel=1e-6)
        assert run["wire_bytes_per_iteration"] == pytest.approx(quiet["wire_bytes_per_iteration"], rel=1e-12)
        assert run["link_failures"] > 0
        assert run["interrupted_messages"] > 0
        assert run["iteration_time_s"] > 0


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_passed_links_over_time_adds_up_to_what_they_carried(sharing: str) -> None:
    traffic = [{"size": "100 kB", "rate": "4 Gbit/s", "stop": "2 ms"}]
    quiet, loud = (scenario(cluster={"sharing": sharing, **more}, iterations=2) for more in ({}, {"traffic": traffic}))
    for engine, one in (("simpy", quiet), ("auto", quiet), ("simpy", loud)):
        frames = trace_frames(netsim.simulate(one, engine=engine))
        bins, links = frames["link_bins"], frames["links"].set_index("link")
        passed = bins.groupby("link")["bytes"].sum()
        carried = (links["bytes"] + links["background_bytes"])[passed.index]
        assert passed.tolist() == pytest.approx(carried.tolist(), rel=1e-6)
        assert bins["utilisation"].max() <= 1 + 1e-6
        assert set(bins["link"]) == set(links.index[links["bytes"] + links["background_bytes"] > 0])
    last = netsim.simulate(quiet, engine="simpy", detail="last")
    assert sum(last.link_bins["nbytes"]) == pytest.approx(sum(last.links["nbytes"]) / 2, rel=1e-6)


def test_a_result_folder_keeps_what_disturbed_links(tmp_path: Path) -> None:
    fault = [{"link": "worker1.up", "at": "1 ms", "lasts": "5 ms"}]
    save(tmp_path, {"axes": {}}, [], {"ring": netsim.simulate(scenario(cluster={"fault": fault}))})
    kept = {file.stem for file in (tmp_path / "data").glob("*.csv")}
    assert {"link_bins", "link_changes", "interruptions"} <= kept
    save(tmp_path / "quiet", {"axes": {}}, [], {"ring": netsim.simulate(scenario())})
    assert not (tmp_path / "quiet" / "data" / "link_bins.csv").exists()


def test_a_path_may_lead_through_a_list_of_tables() -> None:
    given = scenario(neighbour=[OTHER], cluster={"fault": [{"link": "worker0", "at": "1 s"}]})
    varied = vary(given, {"neighbour.0.job.strategy.kind": "tree", "cluster.fault.0.factor": 0.5})
    assert (kind_of(varied.neighbour[0].job.strategy), varied.cluster.fault[0].factor) == ("tree", 0.5)
    with pytest.raises(ScenarioError, match=r"neighbour\.1\.workers: there is no table number 1"):
        vary(given, {"neighbour.1.workers": 3})


@pytest.mark.parametrize(("waiting", "lines"), [(12, 12), (13, 13), (2, 14)])
def test_a_dozen_of_those_that_wait_and_of_the_reasons_are_told(waiting: int, lines: int) -> None:
    hosts = tuple(f"h{host}" for host in range(waiting))
    of_host_0 = [(0, 1, 7)] * (lines - 2)
    plan = SimpleNamespace(hosts=hosts, named=lambda bucket: f"b{bucket}")
    exchange: Any = SimpleNamespace(plan=plan, waits=lambda: iter(of_host_0))
    message = SimpleNamespace(label=(3, 5), src=1, dst=0)
    down = SimpleNamespace(name="h1.up")
    network: Any = SimpleNamespace(
        env=SimpleNamespace(now=2.5), held_up=lambda: [(message, down), (message, None)]
    )  # fmt: skip
    first, *rest = describe(exchange, network, range(waiting)).split("\n  ")
    who = ", ".join(hosts[:12]) + (", ..." if waiting == 13 else "")
    assert first == f"nothing can move any more at 2.5 s, and these still wait: {who}"
    assert rest[:2] == [
        "bucket b5 from h1 to h0 waits for link h1.up, which is down for good",
        "bucket b5 from h1 to h0 waits for a route: none is left",
    ]
    assert rest[2:12] == ["h0 waits for h1 with bucket b7"] * 10
    assert rest[12:] == ([f"and {lines - 12} more"] if lines > 12 else [])
