"""`netsim topology`, and networks as they are typed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import netsim
from netsim.cli import cli
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.loading import dump, from_table
from netsim.topology_tables import topology_table

ROOT = Path(__file__).parents[2]
SCENARIO = str(ROOT / "scenarios" / "overlap.toml")
LEAVES = 'cluster.topology={ kind = "leaf_spine", per_leaf = 4, spines = 2, oversubscription = 2.0 }'


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, ["topology", SCENARIO, *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_table_of_a_network_tells_what_it_is_measured_by() -> None:
    lines = run("--set", "cluster.workers=16", "--set", LEAVES).splitlines()
    figures = {key.strip(): value.strip() for key, _, value in (line.rpartition("  ") for line in lines[:11])}
    assert figures["switches"] == "6" and figures["diameter"] == "4" and figures["oversubscription"] == "2"


def test_json_has_every_node_and_link() -> None:
    table = json.loads(run("--set", "cluster.workers=8", "--set", "cluster.topology=hypercube", "--json"))
    assert (table["hosts"], table["switches"], table["links"], table["diameter"]) == (8, 0, 24, 3)
    assert len(table["nodes"]) == 8 and len(table["each_link"]) == 24
    assert {node["degree"] for node in table["nodes"]} == {3}


@pytest.mark.parametrize("more", [[], ["--heat"]], ids=["rates", "heat"])
def test_a_network_is_drawn(tmp_path: Path, more: list[str]) -> None:
    file = tmp_path / "drawn.png"
    run("--set", "cluster.workers=4", "--set", "cluster.topology=ring", "--plot", str(file), *more)
    assert file.read_bytes().startswith(b"\x89PNG")


def test_the_first_line_of_each_kind_is_one_sentence() -> None:
    listed = CliRunner().invoke(cli, ["list", "topologies", "--json"], catch_exceptions=False)
    for name, said in json.loads(listed.stdout)["topologies"].items():
        assert said.endswith(".") and len(said) <= 140, name


def test_a_star_is_played_without_networkx() -> None:
    code = (
        "import sys, netsim; netsim.allreduce('ring', ranks=4, size='1 MB', rate='1 GB/s', latency='1 us');"
        "netsim.allreduce('ring', ranks=4, size='1 MB', rate='1 GB/s', latency='1 us', topology='fat_tree');"
        "print('networkx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


GOOD: dict[str, Any] = {
    "cluster": {"workers": 8, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 32, "strategy": "ring"},
}


@pytest.mark.parametrize("kind", sorted(set(FAMILIES["topologies"].names()) - {"graph", "nodes"}))
@pytest.mark.parametrize("strategy", ["ring", {"kind": "parameter_server", "placement": "colocated"}])
def test_a_scenario_runs_on_every_network(kind: str, strategy: Any) -> None:
    """Whatever the network: bytes arrive, no link carries more than its rate, and no step is below the bound."""
    trace = netsim.simulate(from_table(GOOD, {"cluster.topology": kind, "job.strategy": strategy}))
    summary = trace.summary()
    assert summary["wire_bytes_per_iteration"] == pytest.approx(summary["formula_wire_bytes_per_iteration"])
    assert summary["iteration_time_s"] >= summary["lower_bound_iteration_time_s"] * (1 - 1e-12)
    assert (summary["closed_form_iteration_time_s"] is None) == (kind != "star")
    for use in trace.links:
        assert use.nbytes <= use.rate * summary["iteration_time_s"] * (1 + 1e-9)


@pytest.mark.parametrize("kind", FAMILIES["topologies"].names())
def test_a_resolved_scenario_keeps_its_network(kind: str) -> None:
    more = {
        "leaf_spine": {"oversubscription": 2.0},
        "nodes": {"per_host": 4, "link": "nvlink3", "between": {"kind": "fat_tree", "link": "25gbe"}},
        "graph": {"links": [{"ends": [f"worker{n}", "hub"], "rate": "1 Gbit/s"} for n in range(8)]},
    }
    scenario = from_table(GOOD, {"cluster.topology": {"kind": kind, **more.get(kind, {})}})
    again = from_table(tomllib.loads(dump(scenario)))
    network, its = scenario.network(), again.network()
    assert (network.names, network.rates, network.latencies) == (its.names, its.rates, its.latencies)
    assert dump(again) == dump(scenario)


def test_servers_apart_take_a_place_like_any_other_host() -> None:
    strategy = {"kind": "parameter_server", "servers": 1}
    scenario = from_table(GOOD, {"cluster.workers": 15, "cluster.topology": "torus", "job.strategy": strategy})
    assert [host.name for host in scenario.network().hosts][-2:] == ["worker14", "server0"]
    assert topology_table(scenario)["hosts"] == 16


@pytest.mark.parametrize(("servers", "said"), [(1, "17 (16 and 1 server apart)"), (2, "18 (16 and 2 servers apart)")])
def test_servers_apart_are_counted_where_dims_do_not_fit(servers: int, said: str) -> None:
    strategy = {"kind": "parameter_server", "servers": servers}
    torus = {"kind": "torus", "dims": [4, 4]}
    with pytest.raises(ScenarioError, match=re.escape(f"4 x 4 are 16 hosts, but there are {said}")):
        from_table(GOOD, {"cluster.workers": 16, "cluster.topology": torus, "job.strategy": strategy})


def test_ecmp_spreads_by_the_seed_of_the_scenario() -> None:
    tree = {"cluster.topology": "fat_tree", "cluster.routing": "ecmp"}
    ways = {
        tuple(
            from_table(GOOD, {**tree, "seed": seed}).network().route(src, dst) for src in range(8) for dst in range(8)
        )
        for seed in (1, 1, 2)
    }
    assert len(ways) == 2
