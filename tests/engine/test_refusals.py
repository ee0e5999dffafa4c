"""What the engines are asked for and cannot play is refused with the path of what is wrong, and what would do."""

from __future__ import annotations

from typing import Any

import pytest

import netsim
from netsim import loading
from netsim.errors import ScenarioError
from netsim.families import FAMILIES

NETWORK: dict[str, Any] = {"ranks": 4, "size": "1 MB", "rate": "1 GB/s", "latency": "1 us"}
JOB: dict[str, Any] = {
    "model": {"layers": [{"kind": "dense", "input_shape": [9], "units": 9}]},
    "batch": 1,
    "strategy": "ring",
}
BASE: dict[str, Any] = {"cluster": {"workers": 3, "device": "v100", "link": "10gbe"}, "job": JOB}
CROWDED = {"kind": "parameter_server", "placement": "colocated", "servers": 9}


def refused(call: Any) -> str:
    with pytest.raises(ScenarioError) as error:
        call()
    return str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sharing": "fare"}, "sharing: no sharing 'fare'. Did you mean 'fair'?"),
        ({"engine": "quick"}, "engine: no engine 'quick'. There are: auto, fast, simpy"),
    ],
)
def test_a_collective_on_a_network_that_there_is_not(options: dict[str, Any], said: str) -> None:
    assert refused(lambda: netsim.allreduce("ring", **NETWORK, **options)) == said


@pytest.mark.parametrize(
    ("table", "ranks", "said"),
    [
        ({"kind": "torus", "dims": [2, 2]}, 5, "rows: 2 x 2 are 4 ranks, not 5"),
        (CROWDED, 3, "servers: 9 servers cannot be co-located with 3 workers; at most 3 can"),
        (
            {"kind": "hierarchical", "inside": "rabenseifner", "per_host": 3, "operation": "reduce_scatter"},
            6,
            "inside: operation: reduce_scatter takes a power of two of ranks, not 3",
        ),
    ],
)
def test_a_collective_that_does_not_fit_its_ranks(table: dict[str, Any], ranks: int, said: str) -> None:
    kind = FAMILIES["collectives"].build(table)
    assert refused(lambda: kind.fit(ranks)) == said


@pytest.mark.parametrize("dims", [[], [0, 2]])
def test_a_torus_without_ranks(dims: list[int]) -> None:
    built = refused(lambda: FAMILIES["collectives"].build({"kind": "torus", "dims": dims}))
    assert built == "dims must be numbers of ranks, each at least 1"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"job.strategy": CROWDED}, "job.strategy.servers"),
        (
            {"neighbour": [{"name": "other", "workers": 3, "job": {**JOB, "strategy": CROWDED}}]},
            "neighbour[0].job.strategy.servers",
        ),
    ],
)
def test_a_job_whose_strategy_does_not_fit_its_workers(changes: dict[str, Any], path: str) -> None:
    said = refused(lambda: netsim.simulate(loading.from_table(BASE, changes)))
    assert said == f"{path}: 9 servers cannot be co-located with 3 workers; at most 3 can"


def test_an_engine_that_there_is_not() -> None:
    said = refused(lambda: netsim.simulate(loading.from_table(BASE), engine="quick"))
    assert said == "engine: no engine 'quick'. There are: auto, fast, simpy"
