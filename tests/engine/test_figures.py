"""What a run and a collective say of themselves, figure by figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netsim import loading
from netsim.engine.plan import plan
from netsim.engine.run import busiest_link, check_engine, simulate, size_of, whole
from netsim.engine.single import CollectiveResult, collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.trace import Columns, LinkUse

COLLECTIVES = FAMILIES["collectives"]
ENGINES = ("auto", "simpy")
HOW: dict[str, Any] = {"ranks": 4, "size": 4e6, "rate": 1e9, "latency": 1e-3}  # a ring step: 1 ms and 1 ms


def played(kind: Any = "ring", **changes: Any) -> CollectiveResult:
    return collective(COLLECTIVES.build(kind), **HOW | changes)


@pytest.mark.parametrize("engine", ENGINES)
def test_all_figures_of_a_ring(engine: str) -> None:
    result = played(engine=engine)
    assert result.as_dict() == {
        "kind": "ring", "operation": "all_reduce", "ranks": 4, "size_bytes": 4e6, "rate_bytes_per_s": 1e9,
        "latency_s": 1e-3, "topology": "star", "sharing": "fair", "engine": "fast" if engine == "auto" else "simpy",
        "time_s": pytest.approx(12e-3, rel=1e-12), "ideal_time_s": pytest.approx(12e-3, rel=1e-12),
        "lower_bound_s": pytest.approx(6e-3, rel=1e-9), "messages": 24, "wire_bytes": 24e6,
        "busiest_link": "rank0.up", "busiest_link_bytes": 6e6,
    }  # fmt: skip
    assert result.algbw == pytest.approx(4e6 / 12e-3)
    assert result.busbw == pytest.approx(4e6 / 12e-3 * 2 * 3 / 4)


@pytest.mark.parametrize(
    ("operation", "times"),
    [("all_reduce", 3 / 2), ("broadcast", 1.0), ("reduce", 1.0), ("reduce_scatter", 3 / 4), ("all_gather", 3 / 4)],
)
def test_the_rate_of_a_bus_is_that_of_an_ideal_algorithms_links(operation: str, times: float) -> None:
    result = played({"kind": "ring", "operation": operation})
    assert result.busbw == pytest.approx(result.algbw * times)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_takes_no_time_and_has_no_rate(engine: str) -> None:
    alone = played(ranks=1, engine=engine)
    assert (alone.time_s, alone.messages, alone.algbw, alone.busiest_link, alone.busiest_link_bytes) == (
        0.0, 0, 0.0, None, 0.0
    )  # fmt: skip
    barrier = played({"kind": "ring", "operation": "barrier"}, engine=engine)
    assert (barrier.size_bytes, barrier.wire_bytes, barrier.algbw) == (0.0, 0.0, 0.0)
    assert barrier.time_s > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_each_host_may_be_late_servers_behind_the_ranks(engine: str) -> None:
    """Of one server that is late by 1 s, all wait for its sums; of a rank, a tree's root waits."""
    on_time = played("parameter_server", engine=engine)
    assert on_time.busiest_link == "server0.up"
    assert played("parameter_server", engine=engine, late={4: 1.0}).time_s == pytest.approx(1 + on_time.time_s)
    assert played("parameter_server", engine=engine, late={2: 1.0, 4: 0.5}).time_s > 1.0
    assert played(engine=engine, late={0: 0.0}).time_s == played(engine=engine).time_s


@pytest.mark.parametrize("engine", ENGINES)
def test_a_host_with_a_link_of_its_own_delays_the_others(engine: str) -> None:
    slow = played(engine=engine, links={1: Link(rate=0.5e9, latency=1e-3)})
    assert slow.time_s == pytest.approx(6 * 3e-3, rel=0.1)
    assert slow.busiest_link == "rank1.up"
    assert (slow.rate_bytes_per_s, slow.ideal_time_s) == (1e9, pytest.approx(12e-3))


def test_headers_leave_less_of_a_link() -> None:
    half = Link(rate=1e9, latency=1e-3, efficiency=0.5)
    result = played(link=half)
    assert (result.time_s, result.lower_bound_s) == (pytest.approx(6 * 3e-3), pytest.approx(12e-3))
    assert played(links={rank: half for rank in range(4)}).time_s == pytest.approx(6 * 3e-3)


def test_a_link_with_more_to_it_has_no_closed_form() -> None:
    assert played(link=Link(rate=1e9, latency=1e-3, overhead=1e-6)).ideal_time_s is None
    assert played(topology=FAMILIES["topologies"].build("ring")).ideal_time_s is None


def test_bursts_are_for_queues_that_do_not_fail() -> None:
    burst = Link(rate=1e9, latency=1e-3, burst=1e5)
    with pytest.raises(ScenarioError) as error:
        played(link=burst)
    assert str(error.value).startswith("sharing: links with a burst serve messages in order of arrival")
    assert played(link=burst, sharing="fifo").time_s < 12e-3
    job = {"model": {"layers": [{"kind": "dense", "input_shape": [9], "units": 9}]}, "batch": 1, "strategy": "ring"}
    link = {"rate": "1 GB/s", "latency": "1 ms", "burst": "100 kB"}
    queues = {"workers": 2, "device": "v100", "link": link, "sharing": "fifo"}
    scenario = loading.from_table({"cluster": queues, "job": job})
    simulate(scenario)
    for changes, told in (
        ({"sharing": "fair"}, "cluster.sharing: links with a burst"),
        ({"fault": ({"link": "worker1.up"},)}, "cluster.fault: is of links with a burst"),
    ):
        cluster = replace(scenario.cluster, **changes)
        with pytest.raises(ScenarioError) as error:
            simulate(replace(scenario, cluster=cluster))
        assert str(error.value).startswith(told)


def test_the_busiest_link_of_the_job_is_the_one_that_would_take_longest_for_all_that_it_carried() -> None:
    def busiest(*rows: LinkUse) -> str | None:
        found = busiest_link(Columns(LinkUse, rows))
        return found.link if found else None

    slow, quick = LinkUse("slow", 1.0, 5.0, 0.0, 1), LinkUse("quick", 10.0, 40.0, 0.0, 1)
    assert busiest(quick, slow) == "slow"
    assert busiest(quick._replace(background=20.0), slow) == "quick"
    assert busiest(quick._replace(background=90.0, messages=0), slow) == "slow"  # it is not the job's
    assert busiest(slow, slow._replace(link="twin")) == "slow"
    assert busiest(slow._replace(messages=0)) is None
    assert busiest(slow._replace(nbytes=0.0)) == "slow"
    assert busiest(quick._replace(messages=0), slow._replace(nbytes=0.0)) == "slow"


def test_bytes_are_whole_but_for_what_sums_of_fractions_are_off_by() -> None:
    assert [whole(1e6 + off) for off in (0.0, 0.9e-6, -0.9e-6)] == [1e6] * 3
    assert [whole(1e6 + off) for off in (1.1e-6, -1.1e-6, 0.5)] == [1e6 + 1.1e-6, 1e6 - 1.1e-6, 1e6 + 0.5]
    assert [whole(0.9e-12), whole(1.1e-12), whole(0.0)] == [0, 1.1e-12, 0]


def test_engines_have_names() -> None:
    for name in ("auto", "simpy", "fast"):
        check_engine(name)
    with pytest.raises(ScenarioError, match=r"^engine: no engine 'quick'\."):
        check_engine("quick")


BASE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "1 GB/s", "latency": "10 us"}},
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [100], "units": 100, "name": name} for name in "ab"]},
        "batch": 4, "strategy": "ring", "bucket": "layer", "accumulate": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize(("detail", "recorded"), [("summary", 0), ("last", 1), ("full", 3)])
def test_the_size_of_a_run_is_that_of_its_steps_and_of_what_is_kept(detail: str, recorded: int) -> None:
    """Of 2 buckets 24 messages each; a worker goes through 2 layers both ways."""
    the_plan = plan(loading.from_table(BASE))
    size = size_of(the_plan, detail, at_once=True)
    assert (size.workers, size.steps, size.at_once) == (4, 12, 48)
    assert size.records == recorded * (48 + 2 * 4 * 2)
    assert size_of(the_plan, detail, at_once=False).at_once == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_facts_of_a_run(engine: str) -> None:
    facts = simulate(loading.from_table(BASE), engine=engine, detail="summary").facts
    nbytes = 2 * 4 * (100 * 100 + 100)
    names = "strategy", "workers", "batch", "samples", "iterations", "seed", "buckets"
    assert {name: facts[name] for name in names} == {
        "strategy": "ring", "workers": 4, "batch": 4, "samples": [8, 8, 8, 8], "iterations": 3, "seed": 0, "buckets": 2
    }  # fmt: skip
    assert (facts["gradient_bytes"], facts["wire_bytes"]) == (nbytes, 3 * 2 * 3 * nbytes)
    assert (facts["formula_wire_bytes"], facts["messages"]) == (2 * 3 * nbytes, 3 * 48)
    assert facts["busiest_link"].link == "worker0.up"
    assert facts["why_simpy"] == ("it was asked for" if engine == "simpy" else None)
    latency = 48 * 3 * 10e-6
    wire = 3 * 48 * (nbytes / 2 / 4) / 1e9
    assert facts["latency_share"] == pytest.approx(latency / (latency + wire), rel=1e-9)
    alone = simulate(loading.from_table(BASE, {"cluster.workers": 1}), engine=engine, detail="summary").facts
    assert (alone["latency_share"], alone["wire_bytes"], alone["busiest_link"]) == (0.0, 0, None)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("detail", ["last", "full"])
def test_bins_of_links_are_of_the_iterations_that_were_recorded(engine: str, detail: str) -> None:
    trace = simulate(loading.from_table(BASE), engine=engine, detail=detail)
    bins, steps = trace.link_bins, trace.steps
    first = 0.0 if detail == "full" else steps["start"][steps["iteration"] == 2].min()
    assert bins["start"].min() == pytest.approx(first, abs=1e-12)
    assert bins["end"].max() == pytest.approx(steps["end"].max(), rel=1e-9)
    carried = sum(bins["nbytes"][bins["link"] == "worker0.up"])
    assert carried == pytest.approx(trace.links["nbytes"][0] * (1 if detail == "full" else 1 / 3), rel=1e-9)


def test_transfers_are_in_order_of_their_ends_then_of_who_sent_them() -> None:
    for engine in ENGINES:
        rows = list(simulate(loading.from_table(BASE), engine=engine).transfers)
        assert rows == sorted(rows, key=lambda row: (row.end, row.src, row.dst, row.start))


def test_a_collective_that_never_ends_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from netsim.engine.reference.network import Network

    monkeypatch.setattr(Network, "carry", lambda *_: None)
    with pytest.raises(Exception, match=r"^nothing can move any more at 0 s, and the collective is not done"):
        played(engine="simpy")


def test_a_limit_of_memory_is_of_a_collective_too() -> None:
    assert played(engine="simpy", limit_memory=4 * 20e3 + 24 * 600).time_s > 0
    with pytest.raises(ScenarioError, match=r"^ranks: 4 workers would need"):
        played(engine="simpy", limit_memory=4 * 20e3 + 24 * 600 - 1)
    with pytest.raises(ScenarioError, match=r"^ranks: "):
        played({"kind": "ring", "slices": 2}, engine="simpy", limit_memory=4 * 20e3 + 24 * 600)
    played(limit_memory=1.0)  # the fast engine lays out nothing
