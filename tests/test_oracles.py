"""Another simulator's figures: SimGrid's kernel shares links max-min fairly, too, and is programmed by other people."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import simpy

from netsim.collectives.binomial_tree import BinomialTree
from netsim.collectives.halving_doubling import HalvingDoubling
from netsim.collectives.parameter_server import ParameterServer
from netsim.collectives.recursive_doubling import RecursiveDoubling
from netsim.collectives.ring import Ring
from netsim.engine.reference.sharing import SHARING
from netsim.engine.single import collective
from netsim.hardware import Link
from netsim.topologies.base import Host
from netsim.topologies.star import star

FILE = Path(__file__).parent / "data" / "simgrid.csv"
KINDS = {
    "ring": Ring(),
    "ring (reduce-scatter + all-gather)": Ring(),
    "binomial tree reduce + broadcast": BinomialTree(),
    "binomial reduce + binomial broadcast": BinomialTree(),
    "recursive_doubling": RecursiveDoubling(),
    "rabenseifner": HalvingDoubling(),
    "parameter_server, one server, push all then pull all": ParameterServer(),
}


def rows() -> list[dict[str, str]]:
    with FILE.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


@pytest.mark.parametrize(
    "row",
    [row for row in rows() if row["algorithm"] in KINDS],
    ids=lambda row: f"{row['simulator']}, {row['algorithm']}, {row['n']} hosts, {row['size_bytes']} B",
)
def test_collectives_take_as_long_as_in_simgrid(row: dict[str, str]) -> None:
    result = collective(
        KINDS[row["algorithm"]],
        ranks=int(row["n"]),
        size=float(row["size_bytes"]),
        rate=float(row["rate_bytes_per_s"]),
        latency=float(row["latency_s"]),
    )
    # S4U prints whole nanoseconds; SMPI adds some 1e-7 s of its own bookkeeping a message.
    tolerance: dict[str, Any] = {"rel": 2e-4} if "smpi" in row["simulator"] else {"rel": 0, "abs": 1.001e-9}
    assert result.time_s == pytest.approx(float(row["time_s"]), **tolerance)
    assert result.messages == int(row["messages"])


def test_flows_that_end_one_by_one_take_as_long_as_in_simgrid() -> None:
    """Everyone to everyone at once, each with another size, so that rates are settled anew at each end."""
    (row,) = (row for row in rows() if row["algorithm"] == "alltoall_unequal")
    hosts, nbytes = int(row["n"]), float(row["size_bytes"])
    link = Link(rate=float(row["rate_bytes_per_s"]), latency=float(row["latency_s"]))
    env = simpy.Environment()
    ends: list[float] = []
    network = SHARING["fair"](
        env, star([Host(f"host{i}", link) for i in range(hosts)]), lambda _, now: ends.append(now)
    )
    for src in range(hosts):
        for dst in range(hosts):
            if src != dst:
                network.send(src, dst, nbytes * (1 + (src * hosts + dst) / hosts**2), lambda _: None)
    env.run()
    assert network.messages == int(row["messages"])
    assert max(ends) == pytest.approx(float(row["time_s"]), rel=0, abs=1.001e-9)
