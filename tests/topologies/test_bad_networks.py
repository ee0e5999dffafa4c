"""What cannot be a network is refused, with one message for each thing that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.loading import dump, from_table, load
from netsim.topologies.base import Host, Topology

GOOD: dict[str, Any] = {
    "cluster": {"workers": 4, "device": "v100", "link": {"rate": "10 Gbit/s", "latency": "25 us"}},
    "job": {"model": "mobilenet_v1", "batch": 32, "strategy": "ring"},
}
ABOVE = {"rate": "40 Gbit/s", "latency": "1 us"}
TWO_LEAVES = [{"ends": [f"worker{number}", f"leaf{number // 2}"]} for number in range(4)]
NVLINK = {"rate": "300 GB/s", "latency": "2 us"}


def refusals(topology: Any, **cluster: Any) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        from_table({**GOOD, "cluster": {**GOOD["cluster"], **cluster, "topology": topology}})
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("topology", "told"),
    [
        ({"kind": "torus", "dims": [2, 3]}, ["cluster.topology.dims: 2 x 3 are 6 hosts, but there are 4"]),
        (
            {"kind": "torus", "dims": []},
            ["cluster.topology.dims: [] does not have the right number of entries"],
        ),
        (
            {"kind": "mesh", "dims": [4, 0]},
            ["cluster.topology.dims[1]: 0 is not a number of hosts; it must be at least 1"],
        ),
        (
            {"kind": "fat_tree", "k": 3},
            ["cluster.topology.k: 3 is odd; half of a switch's ports go up, so that 4 would do"],
        ),
        (
            {"kind": "fat_tree", "k": 2},
            ["cluster.topology.k: switches of 2 ports make a tree for 2 hosts, but there are 4; 4 would do"],
        ),
        (
            {"kind": "fat_tree", "link": {"rate": "0 Gbit/s", "latency": "-1 us"}},
            [
                "cluster.topology.link.rate: '0 Gbit/s' is too small; it must be more than 0 B/s",
                "cluster.topology.link.latency: '-1 us' is too small; it must be at least 0 s",
            ],
        ),
        (
            {"kind": "leaf_spine", "link": "10gbe", "oversubscription": 2.0},
            ["cluster.topology.oversubscription: is what link and spines make it; leave one of them out"],
        ),
        (
            {"kind": "leaf_spine", "link": {**ABOVE, "overhead": "1 us"}},
            [
                "cluster.topology.link: between switches has rate, latency, efficiency, duplex and burst; what "
                "messages cost, hosts' links say"
            ],
        ),
        (
            {"kind": "dragonfly", "per_router": 1, "routers": 1, "global_links": 1},
            ["cluster.topology.global_links: has room for 2 hosts, 2 groups of 1 routers with 1; there are 4"],
        ),
        ({"kind": "nodes"}, ["cluster.topology.per_host: is missing", "cluster.topology.link: is missing"]),
        (
            {"kind": "nodes", "per_host": 2, "link": NVLINK, "between": {"kind": "torus", "dims": [3]}},
            ["cluster.topology.between.dims: 3 are 3 hosts, but there are 2"],
        ),
        ({"kind": "torus", "dms": [2]}, ["cluster.topology.dms: no such key. Did you mean 'dims'?"]),
        ({"kind": "graph", "links": []}, ["cluster.topology.links: has no links"]),
        (
            {"kind": "graph", "links": 7},
            ["cluster.topology.links: 7 is neither a list of links nor the name of a .csv or .graphml file"],
        ),
        (
            {
                "kind": "graph",
                "links": [
                    {"ends": ["worker0", "worker0"]},
                    {"ends": ["worker0", "worker1"], "rate": "inf Gbit/s"},
                    {"ends": ["worker1", "worker2"], "rate": "0 B/s"},
                    {"ends": ["worker2", "worker3"], "speed": "1 B/s"},
                    {"ends": ["worker3", "worker0"]},
                    {"ends": ["worker0", "worker3"]},
                    {"ends": ["worker0"]},
                    "worker0 worker1",
                ],
            },
            [
                "cluster.topology.links[1].rate: 'inf Gbit/s' is not a number with a unit; for example '10 Gbit/s'",
                "cluster.topology.links[2].rate: '0 B/s' is too small; it must be more than 0 B/s",
                "cluster.topology.links[3].speed: no such key. There are: burst, duplex, ends, latency, rate",
                "cluster.topology.links[6].ends[1]: is missing",
                "cluster.topology.links[7]: 'worker0 worker1' is not a table; its keys would be ends, rate, latency, "
                "duplex, burst",
                "cluster.topology.links[0]: leads from worker0 to itself",
                "cluster.topology.links[5]: a link of worker0 and worker3 is there already ([4]); add up their rates "
                "in one",
            ],
        ),
        (
            {
                "kind": "graph",
                "links": [*TWO_LEAVES, {"ends": ["leaf0", "worker9"], **ABOVE}, {"ends": ["leaf0", "lef1"]}],
            },
            [
                "cluster.topology.links[4]: there is no host 'worker9'; there are worker0 to worker3",
                "cluster.topology.links[5]: 'lef1' is no host and has one link only, so that nothing can pass. Did you "
                "mean 'leaf1'?",
                "cluster.topology.links[5].rate: is missing; leaf0 and lef1 are no hosts",
                "cluster.topology.links[5].latency: is missing; leaf0 and lef1 are no hosts",
            ],
        ),
        (
            {"kind": "graph", "links": TWO_LEAVES},
            [
                "cluster.topology.links: there is no way from worker0 to worker2",
                "cluster.topology.links: there is no way from worker0 to worker3",
            ],
        ),
        (
            {"kind": "graph", "links": [*TWO_LEAVES, {"ends": ["leaf0", "leaf1"], **ABOVE, "duplex": "simplex"}]},
            [
                "cluster.topology.links: there is no way from worker2 to worker0",
                "cluster.topology.links: there is no way from worker3 to worker0",
            ],
        ),
        (
            {"kind": "graph", "links": TWO_LEAVES[:3]},
            [
                "cluster.topology.links: no link leads to 'worker3'. Did you mean 'worker2'?",
                "cluster.topology.links[2]: 'leaf1' is no host and has one link only, so that nothing can pass. Did "
                "you mean 'leaf0'?",
            ],
        ),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else None,
)
def test_a_bad_network_is_refused(topology: Any, told: list[str]) -> None:
    assert refusals(topology) == told


def test_a_link_has_two_ends_in_either_order() -> None:
    cables = [("worker0", "hub"), ("worker1", "hub"), ("worker2", "hub"), ("worker2", "worker3")]
    one, other = (
        FAMILIES["topologies"].build({"kind": "graph", "links": [{"ends": ends} for ends in order]})(
            [Host(f"worker{number}", Link(rate=(1 + number) * 1e9, latency=1e-5)) for number in range(4)]
        )
        for order in (cables, [cable[::-1] for cable in cables])
    )
    for src, dst in ((0, 1), (1, 3), (3, 0), (2, 1)):
        ways = [[(each.rates[link], each.latencies[link]) for link in each.route(src, dst)] for each in (one, other)]
        assert ways[0] == ways[1]


def test_of_a_host_alone_it_is_said_that_it_is_alone() -> None:
    links = [{"ends": ["worker0", "hub"]}, {"ends": ["worker1", "hub"]}]
    told = refusals({"kind": "graph", "links": links}, workers=1)
    assert told[0] == "cluster.topology.links[1]: there is no host 'worker1'; there are worker0 alone"


def test_nodes_of_hosts_must_be_enough_and_differ() -> None:
    links = [*TWO_LEAVES, {"ends": ["leaf0", "leaf1"], **ABOVE}]
    told = refusals({"kind": "graph", "links": links, "at": ["worker1", "worker1", "leaf1"]})
    assert told[:2] == [
        "cluster.topology.at: names 3 nodes, but there are 4 hosts",
        "cluster.topology.at: names 'worker1' twice",
    ]


def test_nodes_refuse_accelerators_of_one_host_with_unlike_links() -> None:
    group = [{"count": 3}, {"count": 1, "link": "1gbe"}]
    with pytest.raises(ScenarioError, match="per_host: worker2 to worker3 would be one host, but their links differ"):
        cluster = {key: value for key, value in GOOD["cluster"].items() if key != "workers"}
        nodes = {"kind": "nodes", "per_host": 2, "link": NVLINK}
        from_table({**GOOD, "cluster": {**cluster, "group": group, "topology": nodes}})


def test_nodes_refuse_links_that_price_messages() -> None:
    told = refusals({"kind": "nodes", "per_host": 2, "link": NVLINK}, link={**ABOVE, "overhead": "2 us"})
    assert told == [
        "cluster.topology: the link of worker0 says what messages cost; here links have rate, latency, efficiency, "
        "duplex, burst"
    ]


def test_a_hypercube_refuses_what_is_no_power_of_two_with_its_servers() -> None:
    with pytest.raises(ScenarioError, match="5 hosts are no power of two; 4 or 8 would do"):
        from_table(
            {**GOOD, "cluster": {**GOOD["cluster"], "topology": "hypercube"}}, {"job.strategy": "parameter_server"}
        )


GRAPHML = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="r" for="edge" attr.name="rate" attr.type="string"/>
  <key id="l" for="edge" attr.name="latency" attr.type="string"/>
  <graph edgedefault="undirected">
    <node id="worker0"/><node id="worker1"/><node id="worker2"/><node id="worker3"/><node id="hub"/>
    {edges}
  </graph>
</graphml>
"""
SPOKES = "".join(f'<edge source="worker{number}" target="hub"/>' for number in range(4))
BOMB = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]>'
CSV = "from,to,rate,latency\n" + "".join(f"worker{number},hub,,\n" for number in range(4))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "bad.csv",
            "a,b\n1,2\n",
            "bad.csv has no column from, to; its columns are from, to, rate, latency, duplex, burst",
        ),
        ("bad.csv", CSV.replace("latency", "lag"), "bad.csv has a column 'lag'; its columns are"),
        ("bad.csv", CSV + "worker0\n", "bad.csv, line 6: has not as many columns as the first line"),
        ("bad.csv", CSV + "hub,hub,,\n", "bad.csv, line 6: leads from hub to itself"),
        (
            "bad.csv",
            CSV + "hub,worker0,,\n",
            "a link of hub and worker0 is there already (bad.csv, line 2)",
        ),
        ("bad.csv", CSV.replace("worker0,hub,,", "worker0,hub,10,"), "bad.csv, line 2: rate: '10' has no unit"),
        ("bad.csv", "", "bad.csv has no column from, to"),
        ("bad.csv", "from,to\n", "has no links"),
        ("bad.txt", CSV, "bad.txt is neither .csv nor .graphml"),
        ("bad.graphml", "<graphml", "bad.graphml is no GraphML: "),
        ("bad.graphml", "<html/>", "bad.graphml is no GraphML: "),
        ("bad.graphml", BOMB + GRAPHML.format(edges=SPOKES), "bad.graphml has a <!DOCTYPE> declaration"),
        (
            "bad.graphml",
            GRAPHML.format(edges=SPOKES + '<edge source="hub" target="hub"/>'),
            "bad.graphml, edge hub to hub: leads from hub to itself",
        ),
        (
            "bad.graphml",
            GRAPHML.format(edges=SPOKES + '<edge source="hub" target="worker1"/>'),
            "a link of worker1 and hub is there already",
        ),
        (
            "bad.graphml",
            GRAPHML.format(edges=SPOKES.replace('"hub"/>', '"hub"><data key="r">0 B/s</data></edge>', 1)),
            "bad.graphml, edge worker0 to hub: rate: '0 B/s' is too small",
        ),
    ],
)
def test_a_bad_file_of_links_is_refused_with_the_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        FAMILIES["topologies"].build({"kind": "graph", "links": str(tmp_path / name)})
    assert told in str(error.value).replace(f"{tmp_path}/", "")


def test_files_of_links_are_found_beside_the_scenario_and_kept_in_full(tmp_path: Path) -> None:
    (tmp_path / "net.graphml").write_text(GRAPHML.format(edges=SPOKES), encoding="utf-8")
    (tmp_path / "net.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "x.toml").write_text(
        '[cluster]\nworkers = 4\ndevice = "v100"\nlink = "10gbe"\ntopology = { kind = "graph", links = "net.csv" }\n'
        '[job]\nmodel = "mobilenet_v1"\nbatch = 32\nstrategy = "ring"\n'
        '[sweep]\n"cluster.topology.links" = ["net.csv", "net.graphml"]\n',
        encoding="utf-8",
    )
    scenario = load(tmp_path / "x.toml")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "y.toml").write_text(dump(scenario).partition("[sweep]")[0], encoding="utf-8")
    again = load(tmp_path / "elsewhere" / "y.toml")
    names = [host.name for host in scenario.cluster.hosts(0)]
    assert names == ["worker0", "worker1", "worker2", "worker3"]
    assert again.cluster.network(again.cluster.hosts(0)).names == (
        "worker0.up",
        "worker0.down",
        *(f"worker{number}.{way}" for number in range(1, 4) for way in ("up", "down")),
    )
    assert again.cluster.topology == scenario.cluster.topology


def test_hosts_of_a_graph_may_have_other_names_there() -> None:
    links = [{"ends": ["gpu-a", "hub"]}, {"ends": ["gpu-b", "hub"]}, {"ends": ["gpu-c", "hub"]}]
    build = FAMILIES["topologies"].build({"kind": "graph", "links": links, "at": ["gpu-b", "gpu-a", "gpu-c"]})
    network: Topology = build([Host(f"rank{number}", Link(rate=1.0, latency=2.0)) for number in range(2)])
    assert [network.names[link] for link in network.route(0, 1)] == ["rank0.up", "rank1.down"]
    assert network.ends[0] == ("rank1", "hub") and sum(network.latencies[link] for link in network.route(0, 1)) == 2.0


def test_a_directed_graphml_has_links_that_go_one_way(tmp_path: Path) -> None:
    ring = "".join(f'<edge source="worker{number}" target="worker{(number + 1) % 4}"/>' for number in range(4))
    text = GRAPHML.format(edges=ring).replace("undirected", "directed").replace('<node id="hub"/>', "")
    (tmp_path / "ring.graphml").write_text(text, encoding="utf-8")
    build = FAMILIES["topologies"].build({"kind": "graph", "links": str(tmp_path / "ring.graphml")})
    network: Topology = build([Host(f"worker{number}", Link(rate=1.0, latency=2.0)) for number in range(4)])
    assert len(network.names) == 4 and [len(network.route(0, other)) for other in (1, 2, 3)] == [1, 2, 3]
