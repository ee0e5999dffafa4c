from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from netsim.checks import RULES
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.loading import from_table

LINK = {"rate": "10 Gbit/s", "latency": "25 us"}
SLOW = {"rate": "1 Gbit/s", "latency": "25 us"}
JOB: dict[str, Any] = {"model": "mobilenet_v1", "batch": 1, "strategy": "ring"}


def problems(cluster: dict[str, Any], job: dict[str, Any]) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        from_table({"cluster": cluster, "job": {**JOB, **job}})
    return [str(problem) for problem in error.value.problems]


SERVER = {"kind": "parameter_server"}


@pytest.mark.parametrize(
    ("cluster", "job", "complaint"),
    [
        ({"device": "v100", "link": LINK}, {}, "cluster.workers: is missing"),
        (
            {"workers": 1, "group": [{"count": 1}], "device": "v100", "link": LINK},
            {},
            "stands beside [[cluster.group]]",
        ),
        (
            {"group": [{"count": 600_000}] * 2, "device": "v100", "link": LINK},
            {},
            "cluster.group: has 1200000 workers in all; it must be at most 1000000",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"model": {"layers": [{"kind": "flatten", "input_shape": [2, 2]}]}},
            "job.model: has nothing to compute, so an iteration takes no time on v100",
        ),
        ({"workers": 2, "link": LINK}, {}, "cluster.device: is missing; the workers need a device"),
        ({"workers": 2, "device": "v100"}, {}, "cluster.link: is missing; the workers need a link"),
        (
            {"group": [{"count": 1, "device": "v100"}]},
            {},
            "cluster.group[0].link: is missing, and the cluster has no link",
        ),
        ({"workers": 2, "device": "v100", "link": LINK, "server_link": LINK}, {}, "the strategy has no servers"),
        (
            {"device": "v100", "group": [{"count": 1, "link": LINK}, {"count": 1, "link": SLOW}]},
            {"strategy": SERVER},
            "cluster.server_link: is missing; the groups' links differ",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK, "server_link": LINK},
            {"strategy": {**SERVER, "placement": "colocated"}},
            "co-located servers use their worker's link",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"strategy": {**SERVER, "placement": "colocated", "servers": 3}},
            "job.strategy.servers: 3 servers cannot be co-located with 2 workers; at most 2 can",
        ),
        ({"workers": 2, "device": "v100", "link": LINK}, {"strategy": SERVER, "streams": 2}, "job.streams: 2 streams"),
        (
            {"workers": 2, "device": "v100", "link": LINK, "server_device": "v100", "server_rate": "1 GB/s"},
            {},
            "cluster.server_rate: is given, but the strategy has no servers",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK, "server_device": "v100", "reduction_rate": "1 GB/s"},
            {"strategy": SERVER},
            "cluster.reduction_rate: is given, but the server's device says how fast it adds",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK, "stop": [{"host": "worker5", "at": "1 s", "lasts": "1 s"}]},
            {},
            "cluster.stop[0].host: no host 'worker5'; there are worker0 .. worker1",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK, "stop": [{"host": "worker1", "at": "1 s"}]},
            {},
            'is missing, so that the job would wait for ever; or add job.recovery.workers = "drop"',
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK, "stop": [{"host": "servers", "at": "1 s"}]},
            {"strategy": SERVER},
            "cluster.stop[0].lasts: is missing, so that the job would wait for ever; or add job.recovery.servers",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"recovery": {"workers": "drop"}, "sharding": "zero1"},
            "job.recovery.workers: \"drop\" does not go with job.sharding = 'zero1'",
        ),
        (
            {"workers": 4, "device": "v100", "link": LINK},
            {"recovery": {"workers": "drop"}, "strategy": {"kind": "torus_2d", "rows": 2}},
            'job.recovery.workers: "drop" would leave 3 workers: ',
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"strategy": SERVER, "recovery": {"workers": "drop", "reform": "1 s"}},
            "job.recovery.reform: is for all-reduces",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"strategy": SERVER, "recovery": {"servers": "replica"}},
            'job.recovery.servers: "replica" needs another server',
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"strategy": {**SERVER, "mode": "async"}, "recovery": {"checkpoint_every": 2}},
            "job.recovery.checkpoint_every: needs workers that go from iteration to iteration together",
        ),
        (
            {"workers": 2, "device": "v100", "link": LINK},
            {"strategy": {**SERVER, "backup": 2}},
            "job.strategy.backup: 2 of 2 workers cannot be backup; at least one gradient must count",
        ),
    ],
)
def test_rules_across_fields(cluster: dict[str, Any], job: dict[str, Any], complaint: str) -> None:
    assert any(complaint in problem for problem in problems(cluster, job))


def test_every_rule_says_what_it_asks_for() -> None:
    assert len(RULES) >= 4 and all(rule.__doc__ for rule in RULES)


@pytest.mark.parametrize("strategy", FAMILIES["strategies"].names())
def test_workers_that_are_all_alike_are_checked_without_going_through_them(strategy: str) -> None:
    from_table({"cluster": {"workers": 2, "device": "v100", "link": LINK}, "job": {**JOB, "strategy": strategy}})
    tracemalloc.start()
    try:
        from_table(
            {"cluster": {"workers": 2**19, "device": "v100", "link": LINK}, "job": {**JOB, "strategy": strategy}}
        )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2**19, "a byte of each worker"
