"""What would help is predicted from the path and confirmed by simulation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.engine.run import simulate
from netsim.explain.explanation import explanation
from netsim.explain.sensitivities import PATH_CHANGED, Sensitivity
from netsim.explain.told import Explanation, told
from netsim.families import FAMILIES

BASE: dict[str, Any] = {
    "cluster": {
        "workers": 4,
        "device": "v100",
        "link": {"rate": "10 Gbit/s", "latency": "100 us"},
        "reduction_rate": "20 GB/s",
    },
    "job": {"model": "mobilenet_v1", "batch": 8, "strategy": "ring", "overlap": False, "bucket": "all"},
}
FORETOLD = ("device 10 % faster", "hosts' links 10 % faster", "hosts' links twice as fast", "half the latency")


def explained(changes: dict[str, Any]) -> Explanation:
    return explanation(loading.from_table(BASE, changes), simulate)


RING = explained({})


def named(found: Explanation) -> dict[str, Sensitivity]:
    return {each.change: each for each in found.sensitivities}


@pytest.mark.parametrize("strategy", FAMILIES["strategies"].names())
def test_where_nothing_overlaps_the_path_foretells_to_the_last_digits(strategy: str) -> None:
    found = named(explained({"job.strategy": strategy}))
    for change in (*FORETOLD, "adding 10 % faster"):
        assert found[change].simulated_s == pytest.approx(found[change].predicted_s, rel=1e-9), change
        assert found[change].path_changed is False


@pytest.mark.parametrize(
    "topology",
    [
        {"kind": "leaf_spine", "per_leaf": 2, "spines": 1, "oversubscription": 4.0},
        {"kind": "leaf_spine", "per_leaf": 2, "spines": 1, "link": {"rate": "2 Gbit/s", "latency": "70 us"}},
    ],
    ids=["whose uplinks follow the hosts' links", "whose uplinks have a rate of their own"],
)
def test_links_within_the_network_are_foretold_as_the_topology_makes_them(topology: dict[str, Any]) -> None:
    found = named(explained({"cluster.topology": topology, "job.strategy": "halving_doubling"}))
    for change in FORETOLD[:2] + FORETOLD[3:]:
        assert found[change].simulated_s == pytest.approx(found[change].predicted_s, rel=1e-6), change


def test_a_second_server_halves_the_time_on_the_servers_port() -> None:
    changes = {"job.strategy": "parameter_server", "cluster.reduction_rate": "1 PB/s", "cluster.link.latency": "0 s"}
    found = named(explained(changes))["one more server"]
    assert found.predicted_s == pytest.approx(found.simulated_s, rel=1e-6)


def test_where_overlap_hides_what_was_waited_for_the_path_is_said_to_change() -> None:
    changes = {"job.overlap": True, "job.bucket": "1 MB", "job.batch": 64, "cluster.link.rate": "3 Gbit/s"}
    found = explained(changes)
    changed = [each for each in found.sensitivities if each.path_changed]
    assert changed and all(
        abs(each.predicted_s - each.simulated_s) > PATH_CHANGED * each.simulated_s for each in changed
    )
    assert "the path changed" in " ".join(told(found))


def test_bounds_leave_one_thing_each() -> None:
    found = explained({})
    parts, bounds = found.path.decomposition, found.bounds
    assert bounds["compute_only_s"] == pytest.approx(parts["compute"], rel=1e-6)
    assert bounds["latency_only_s"] == pytest.approx(parts["latency"], rel=1e-6)
    assert bounds["bandwidth_only_s"] == pytest.approx(parts["transfer"] + parts["reduction"], rel=1e-6)
    assert bounds["lower_bound_s"] <= found.path.length * (1 + 1e-9)


@pytest.mark.parametrize("bucket", ["layer", "all", "1 MB", *FAMILIES["buckets"].names()])
def test_whatever_makes_buckets_is_explained_beside_another_size(bucket: Any) -> None:
    assert any(
        change.startswith("buckets of") for change in named(explained({"job.bucket": bucket, "job.overlap": True}))
    )


def test_one_worker_has_a_device_to_change_and_nothing_else() -> None:
    found = explained({"cluster.workers": 1})
    assert list(named(found)) == ["device 10 % faster"]
    assert told(found)[0] == "An iteration of mobilenet_v1 takes 20.6 ms on 1 worker."


def test_the_sentences_say_what_is_waited_for_and_what_would_help() -> None:
    said = " ".join(told(explained({"job.strategy": "parameter_server", "cluster.link.rate": "1 Gbit/s"})))
    assert "The bottleneck is the network: the path waits on server0's incoming port for 542 ms" in said
    assert "one more server" in said and "half the latency would hardly be felt." in said
    assert "Faster with another strategy: halving doubling (" in said
    computing = " ".join(told(explained({"cluster.link.rate": "400 Gbit/s"})))
    assert "The bottleneck is computing" in computing


def test_bounds_leave_out_the_links_within_the_network_too() -> None:
    inside = {"kind": "nodes", "per_host": 2, "link": {"rate": "1 GB/s", "latency": "1 ms"}}
    found = explained({"cluster.topology": inside})
    assert found.bounds["compute_only_s"] == pytest.approx(found.path.decomposition["compute"], rel=1e-9)
    assert found.bounds["latency_only_s"] > 1e-3


def test_strategies_that_cannot_do_what_the_job_asks_for_are_not_tried() -> None:
    tried = named(explained({"job.sharding": "zero3", "job.bucket": "layer"}))
    assert "hosts' links twice as fast" in tried
    assert not {"strategy tree", "strategy parameter server"} & set(tried)


def test_a_strategy_that_is_hardly_faster_is_said_to_be_about_as_fast() -> None:
    said = " ".join(told(explained({"job.strategy": "ring", "cluster.reduction_rate": "1 PB/s"})))
    assert "About as fast: halving doubling (" in said
    assert "Slower: tree (" in said and "% more)" in said


@settings(deadline=None)
@given(st.lists(st.floats(-1.0, 0.9), min_size=1, max_size=5))
def test_every_strategy_that_was_tried_is_said_to_be_what_its_figures_say(shares: list[float]) -> None:
    names = ["tree", "halving doubling", "direct", "bruck", "parameter server"][: len(shares)]
    tried = [
        Sensitivity(f"strategy {name}", None, 0.1 * (1 - share), 0.1 * share, share)
        for name, share in zip(names, shares, strict=True)
    ]
    said = told(replace(RING, sensitivities=tuple(tried)))
    openings = {
        "Faster with another strategy:": lambda share: share >= 0.005,
        "About as fast:": lambda share: abs(share) < 0.005,
        "Slower:": lambda share: share <= -0.005,
    }
    for opening, fits in openings.items():
        sentence = "".join(each for each in said if each.startswith(opening))
        assert [name for name in names if f" {name} (" in sentence] == [
            name for name, share in zip(names, shares, strict=True) if fits(share)
        ]


def test_what_netsim_run_names_instead_is_said_where_it_is_another_kind_of_thing() -> None:
    base = explained({"job.strategy": "parameter_server", "cluster.link.rate": "1 Gbit/s"})
    assert base.path.bottleneck == "link server0.down" and str(base.summary["bottleneck"]).startswith("link server0.")
    assert "netsim run" not in " ".join(told(base))
    other = replace(base, summary={**base.summary, "bottleneck": "compute"})
    assert "By busy time, waited for or not, it would be computing, which is what netsim run names." in told(other)


def test_of_replicas_the_first_is_explained_and_compared_with_itself() -> None:
    noisy = {"job.strategy": "ring", "noise.jitter": 0.3, "iterations": 2}
    one, three = explained(noisy), explained({**noisy, "replicas": 3})
    assert (one.path.length, one.sensitivities) == (three.path.length, three.sensitivities)
