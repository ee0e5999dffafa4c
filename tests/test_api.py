from __future__ import annotations

import numpy as np
import pytest

import netsim
from netsim.loading import from_table

NETWORK = {"ranks": 8, "size": "64 MiB", "rate": "50 GB/s", "latency": "500 ns"}
TABLE = {
    "cluster": {"workers": 2, "device": "v100", "link": "10gbe"},
    "job": {"model": "mobilenet_v1", "batch": 1, "strategy": "ring"},
}


def test_an_all_reduce_is_one_call() -> None:
    result = netsim.allreduce("ring", **NETWORK)
    assert result.time_s == pytest.approx(2 * 7 * (500e-9 + 2**26 / 8 / 50e9), rel=1e-12)
    assert result.as_dict()["kind"] == result.kind == "ring"


def test_quantities_may_be_si_numbers() -> None:
    numbers = netsim.allreduce("ring", ranks=8, size=2.0**26, rate=50e9, latency=5e-7)
    assert numbers == netsim.allreduce("ring", **NETWORK)


def test_a_kind_may_be_a_table() -> None:
    assert netsim.allreduce({"kind": "ring", "slices": 4}, **NETWORK).messages == 4 * 2 * 7 * 8


def test_numbers_may_be_those_of_numpy() -> None:
    numbers = {"ranks": np.int64(8), "size": np.int64(2**26), "rate": np.float64(50e9), "latency": np.float64(5e-7)}
    assert netsim.allreduce("ring", **numbers) == netsim.allreduce("ring", **NETWORK)


def test_values_of_an_axis_may_be_an_array() -> None:
    scenario = from_table(TABLE)
    assert list(netsim.sweep(scenario, {"cluster.workers": 2 ** np.arange(1, 3)})["cluster.workers"]) == [2, 4]


@pytest.mark.parametrize("value", ["ring", {"kind": "ring"}, 4, None])
def test_one_value_in_the_place_of_a_list_is_refused(value: object) -> None:
    with pytest.raises(netsim.ScenarioError, match=r"job\.strategy: .* is not a list of values"):
        netsim.sweep(from_table(TABLE), {"job.strategy": value})


@pytest.mark.parametrize("ranks", [10**9, 10**400])
def test_ranks_beyond_what_any_cluster_has_are_refused(ranks: int) -> None:
    with pytest.raises(netsim.ScenarioError, match="is not a number of ranks; it must be at most 1000000"):
        netsim.allreduce("ring", **{**NETWORK, "ranks": ranks})


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"ranks": 0, "size": -1, "rate": 0.0, "latency": float("nan")}, ["size", "rate", "latency", "ranks"]),
        ({"ranks": True, "topology": "moon", "reduction_rate": "1"}, ["reduction_rate", "ranks", "topology"]),
        ({"size": 10**400, "rate": 1e-300, "latency": None}, ["size", "rate", "latency"]),
        ({"engine": "warp"}, ["engine"]),
        ({"engine": None}, ["engine"]),
        ({"sharing": "fare"}, ["sharing"]),
        ({"routing": "ecpm"}, ["routing"]),
    ],
)
def test_everything_that_is_wrong_with_a_call_is_said(change: dict[str, object], paths: list[str]) -> None:
    with pytest.raises(netsim.ScenarioError) as error:
        netsim.allreduce("ring", **{**NETWORK, **change})
    assert [problem.path for problem in error.value.problems] == paths


@pytest.mark.parametrize("seed", [0, 3])
def test_ecmp_draws_ways_that_both_engines_take(seed: int) -> None:
    """On a fat tree, ways by D-mod-k never meet in a shift; those that a hash draws do."""
    network = {**NETWORK, "ranks": 16, "topology": "fat_tree", "seed": seed}
    drawn = [netsim.allreduce("direct", **network, routing="ecmp", engine=engine) for engine in ("simpy", "fast")]
    assert drawn[0].time_s == pytest.approx(drawn[1].time_s, rel=1e-9)
    assert drawn[0].time_s > netsim.allreduce("direct", **network).time_s
    assert drawn[0].wire_bytes == netsim.allreduce("direct", **network).wire_bytes


def test_a_topology_that_servers_apart_do_not_fit_says_what_would_do() -> None:
    with pytest.raises(netsim.ScenarioError, match=r"9 hosts are no power of two.*1 of these 9.*colocated.* leaves 8"):
        netsim.allreduce("parameter_server", **{**NETWORK, "ranks": 8, "topology": "hypercube"})


def test_a_sweep_is_a_tidy_frame() -> None:
    frame = netsim.sweep(from_table(TABLE), {"job.strategy.kind": ["ring", "tree"], "cluster.workers": [2, 4]})
    assert frame.shape[0] == 4 and list(frame.columns[:2]) == ["job.strategy.kind", "cluster.workers"]
    assert frame.set_index(["job.strategy.kind", "cluster.workers"]).index.is_unique
