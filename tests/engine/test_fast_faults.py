"""Links that slow down, fail and come back, on arrays: both engines, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.run import simulate
from netsim.errors import RunError
from netsim.families import FAMILIES
from netsim.scenario import Scenario

LAYERS = [{"kind": "dense", "input_shape": [301], "units": 50 + 40 * n, "name": name} for n, name in enumerate("abcd")]
BASE: dict[str, Any] = {
    "iterations": 4,
    "cluster": {
        "group": [
            {"count": 2},
            {"count": 1, "slowdown": 1.5},
            {"count": 1, "link": {"rate": "700 Mbit/s", "latency": "90 us"}},
        ],
        "device": "v100",
        "link": {"rate": "1 Gbit/s", "latency": "25 us"},
    },
    "job": {"model": {"layers": LAYERS}, "batch": 32, "strategy": {"kind": "ring"}, "bucket": "layer"},
    "noise": {"jitter": 0.1},
}
FAILS = {"link": "worker1", "at": "3 ms", "lasts": "4 ms"}
SLOW = {"link": "worker2.up", "factor": 0.3, "at": "1 ms", "lasts": "9 ms"}
DRAWN = {"link": "worker0", "mtbf": "4 ms", "mttr": "2 ms"}
DRAWN_SLOW = {"link": "worker3.down", "factor": 0.2, "mtbf": "3 ms", "mttr": "3 ms"}
WHEN, LENGTH = st.integers(0, 9), st.integers(1, 9)  # ms
AT_A_SERVER = {"link": "server0", "mtbf": "5 ms", "mttr": "1 ms"}
SERVERS = {"kind": "parameter_server", "servers": 2}
CASES: dict[str, dict[str, Any]] = {
    "a link fails": {"cluster.fault": [FAILS]},
    "at the beginning": {"cluster.fault": [{"link": "worker1.up", "at": "0 s", "lasts": "2 ms"}]},
    "slow for ever": {"cluster.fault": [{"link": "worker1", "factor": 0.5, "at": "2 ms"}]},
    "several at once": {"cluster.fault": [FAILS, SLOW, {"link": "worker1.up", "factor": 0.5, "at": "1 ms"}]},
    "drawn": {"cluster.fault": [DRAWN, DRAWN_SLOW]},
    "drawn, a tree": {"cluster.fault": [DRAWN, DRAWN_SLOW], "job.strategy": {"kind": "tree", "slices": 3}},
    "streams": {"cluster.fault": [DRAWN, FAILS], "job.streams": 3},
    "a line": {"cluster.fault": [{"link": "worker1->worker2", "at": "1 ms", "lasts": "5 ms"}],
               "cluster.topology": {"kind": "line"}, "job.strategy": "tree"},
    "servers": {"cluster.fault": [DRAWN, SLOW], "job.strategy": SERVERS},
    "a server's link": {"cluster.fault": [AT_A_SERVER], "job.strategy": SERVERS},
    "servers that add": {"cluster.fault": [DRAWN], "job.strategy": SERVERS, "cluster.reduction_rate": "31 MB/s"},
    "asynchronous servers": {"cluster.fault": [DRAWN, FAILS], "job.strategy": {**SERVERS, "mode": "async"}},
    "bounded servers": {
        "cluster.fault": [DRAWN, SLOW], "job.strategy": {**SERVERS, "mode": "ssp", "staleness": 1}
    },
    "priorities": {"cluster.fault": [DRAWN, FAILS], "job.schedule": "priority", "job.partition": "30 kB"},
    "slow links and messages that might go another way": {"cluster.fault": [SLOW], "cluster.on_failure": "reroute"},
}  # fmt: skip

QUEUES = {
    f"{forwarding}, {name}": {**changes, "cluster.sharing": "fifo", "cluster.forwarding": forwarding}
    for name, changes in CASES.items()
    for forwarding in ("cut_through", "store_and_forward")
    if name not in ("a line", "bounded servers", "servers that add")  # moments whose order matters
}
RECORDS = ("steps", "links", "transfers", "link_bins", "link_changes", "interruptions")


def scenario(changes: dict[str, Any]) -> Scenario:
    apart = "parameter_server" in str(changes.get("job.strategy"))
    link = {"cluster.server_link": {"rate": "900 Mbit/s", "latency": "20 us"}} if apart else {}
    return loading.from_table(BASE, {**link, **changes})


@pytest.mark.parametrize("changes", {**CASES, **QUEUES}.values(), ids={**CASES, **QUEUES})
@pytest.mark.parametrize("detail", ["full", "last"])
def test_whatever_is_recorded_is_alike_in_both_engines(changes: dict[str, Any], detail: str, alike: Any) -> None:
    reference, other = (simulate(scenario(changes), engine=engine, detail=detail) for engine in ("simpy", "fast"))
    alike(reference, other)
    assert len(other.link_changes), "nothing happened to links"
    assert sorted(each[1:] for each in other.updates) == sorted(each[1:] for each in reference.updates)


@settings(deadline=None, max_examples=50)
@given(
    strategy=st.sampled_from([*FAMILIES["strategies"].names(), "async", "ssp"]),
    faults=st.lists(
        st.builds(
            lambda link, factor, when: {"link": link, "factor": factor, **when},
            st.sampled_from(["worker0", "worker1.up", "worker2.down", "worker3"]),
            st.sampled_from([0.0, 0.1, 0.7]),
            st.one_of(
                st.builds(lambda at, lasts: {"at": f"{at} ms", "lasts": f"{lasts} ms"}, WHEN, LENGTH),
                st.builds(lambda up, down: {"mtbf": f"{up} ms", "mttr": f"{down} ms"}, LENGTH, LENGTH),
            ),
        ),
        min_size=1, max_size=3,
    ),
    sharing=st.sampled_from(["fair", "fifo"]),
    network=st.sampled_from([{}, {"cluster.topology": {"kind": "fat_tree"}}, {"cluster.link.latency": "0 s"}]),
    schedule=st.sampled_from([{}, {"job.overlap": False}, {"job.next_forward": "by_layer"}]),
    jitter=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_engines_agree_whatever_happens_to_links(
    strategy: str, faults: Any, sharing: str, network: Any, schedule: Any, jitter: float, seed: int, alike: Any
) -> None:
    own = {"kind": "parameter_server", "mode": strategy} if strategy in ("async", "ssp") else {"kind": strategy}
    free = {} if "mode" in own and "job.next_forward" in schedule else schedule
    changes = {"seed": seed, "job.strategy": own, "cluster.fault": faults, "noise.jitter": jitter, **network, **free}
    changes["cluster.sharing"] = sharing
    reference, other = (simulate(scenario(changes), engine=engine, detail="summary") for engine in ("simpy", "fast"))
    if other.engine == "fast":
        alike(reference, other)
    else:
        assert other.facts["why_simpy"] in (
            "messages come at one moment whose order matters", "what comes at one moment has an order that matters"
        )  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"link": "worker2", "mtbf": "1 ms", "mttr": "1 ms"}], ids=["alone", "beside"])
def test_a_job_that_waits_for_a_dead_link_ends_at_once_whoever_plays_it(more: dict[str, Any]) -> None:
    faults = [{"link": "worker1.up", "at": "2 ms"}, *([more] if more else [])]
    with pytest.raises(RunError, match=r"worker1\.up, which is down for good"):
        simulate(scenario({"cluster.fault": faults}), engine="fast")


@pytest.mark.parametrize("engine", ["simpy", "fast"])
def test_links_of_a_host_that_come_back_at_one_moment_are_waited_for(engine: str) -> None:
    """The first of them is of no use to those who wait for another one."""
    assert simulate(scenario(CASES["several at once"]), engine=engine).engine == engine


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cluster.on_failure": "reroute"}, "messages go another way where links fail"),
        ({"cluster.group": [{"count": 1}]}, "links change while nothing is sent"),
    ],
)
def test_what_only_the_reference_can_is_left_to_it(changes: dict[str, Any], reason: str) -> None:
    faults = {"cluster.fault": [{**FAILS, "link": "worker0"}]}
    assert simulate(scenario({**faults, **changes}), engine="fast").facts["why_simpy"] == reason


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_the_kernels_do_the_same_uncompiled(changes: dict[str, Any], same_uncompiled: Any) -> None:
    same_uncompiled(scenario(changes), RECORDS)
