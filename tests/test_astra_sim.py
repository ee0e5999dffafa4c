"""Every figure of ASTRA-sim's analytical backends, on the topologies that it means, to the nanoseconds that it cuts.

congestion-aware: links serve whole messages in order of arrival, and switches store and forward. congestion-unaware:
nothing queues, which is a link between any two hosts, with the latency of the hops between them. What else it does
differently is taken out by name: its endpoint's delay, and the adding that it does not charge.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import simpy

from netsim.collectives.direct import Direct
from netsim.collectives.halving_doubling import HalvingDoubling
from netsim.collectives.ring import Ring
from netsim.collectives.rounds import Collective, Round
from netsim.engine.reference.play import Adder, Play, Steps
from netsim.engine.reference.sharing import network_of
from netsim.families import FAMILIES
from netsim.hardware import Link
from netsim.topologies.base import Host, Topology

FILE = Path(__file__).parent / "data" / "astra_sim.csv"


class InOrderTree(Collective):
    """Up and down one binary tree whose partners are 2^k apart: 0 and 2 send to 1, 4 and 6 to 5, 1 and 5 to 3, 3 to 7;
    what ASTRA-sim's doubleBinaryTree does with a buffer that is not split."""

    def rounds(self, ranks: int) -> Iterator[Round]:
        levels = []
        distance = 1
        while distance < ranks:
            children = range(distance - 1, ranks, 2 * distance)
            levels.append(
                [(child, child + distance if child & (2 * distance) == 0 else child - distance) for child in children]
            )
            distance *= 2
        levels[-1] = [(ranks // 2 - 1, ranks - 1)]
        for pairs in levels:
            child, parent = zip(*pairs, strict=True)
            yield Round.of(child, parent, add=True)
        for pairs in reversed(levels):
            child, parent = zip(*pairs, strict=True)
            yield Round.of(parent, child, add=False)


KINDS: dict[str, Collective] = {
    "ring": Ring(),
    "direct": Direct(),
    "halvingDoubling": HalvingDoubling(),
    "doubleBinaryTree": InOrderTree(),
}


def rows() -> list[dict[str, str]]:
    with FILE.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def between_any_two(hosts: list[Host], hops: list[list[int]]) -> Topology:
    """A link from each host to each, as late as so many of them."""
    pairs = [(i, j) for i in range(len(hosts)) for j in range(len(hosts)) if i != j]
    number = {pair: place for place, pair in enumerate(pairs)}
    return Topology(
        hosts=tuple(hosts),
        switches=(),
        names=tuple(f"{i}>{j}" for i, j in pairs),
        ends=tuple((f"host{i}", f"host{j}") for i, j in pairs),
        rates=(hosts[0].link.rate,) * len(pairs),
        latencies=tuple(hosts[0].link.latency * hops[i][j] for i, j in pairs),
        path=lambda src, dst, _: (number[src, dst],),
        places=list,
    )


def network_like(row: dict[str, str]) -> Topology:
    """The hops of its Switch are two links, each with the full latency."""
    ranks, rate, latency = int(row["n"]), float(row["rate_bytes_per_s"]), float(row["latency_s"])
    kind = {"Ring": "ring", "FullyConnected": "fully_connected", "Switch": "star"}[row["topology"]]
    link = Link(rate=rate, latency=2 * latency if kind == "star" else latency)
    topology: Topology = FAMILIES["topologies"].build(kind)([Host(f"host{i}", link) for i in range(ranks)])
    if row["backend"] == "congestion-aware":
        return topology
    hops = [[len(topology.route(i, j)) if i != j else 0 for j in range(ranks)] for i in range(ranks)]
    return between_any_two([Host(f"host{i}", Link(rate=rate, latency=latency)) for i in range(ranks)], hops)


def seconds(row: dict[str, str], kind: Collective, reduction_rate: float | None) -> float:
    """Of the collective alone, in netsim."""
    env, ranks = simpy.Environment(), int(row["n"])
    network = network_of("fifo", "store_and_forward")(env, network_like(row), None)
    steps = Steps(kind, ranks)
    adders = [Adder(env, reduction_rate) for _ in range(ranks)]
    play = Play(network, adders, steps, nbytes=float(row["size_bytes"]), stream=0, label=None)
    done = env.all_of([play.join(rank) for rank in range(ranks)])
    env.run(until=done)
    assert network.messages == int(row["messages"])
    return float(env.now)


@pytest.mark.parametrize("row", rows(), ids=lambda row: " ".join(row[key] for key in list(row)[:6]))
def test_collectives_take_as_long_as_in_astra_sim(row: dict[str, str]) -> None:
    ranks, nbytes, endpoint = int(row["n"]), float(row["size_bytes"]), float(row["endpoint_delay_s"])
    adding = float(row["reduce_bytes_per_s"]) if row["reduce_bytes_per_s"] else None
    levels, kind = ranks.bit_length() - 1, KINDS[row["algorithm"]]
    if row["algorithm"] == "direct":  # what comes at one moment is added side by side, not one after the other
        time = seconds(row, kind, None) + (nbytes / ranks / adding if adding else 0.0)
        in_line = 2
    elif row["algorithm"] == "halvingDoubling":  # the adding of the first halving is not charged
        time = seconds(row, kind, adding) - (nbytes / 2 / adding if adding else 0.0)
        in_line = 2 * levels
    elif row["algorithm"] == "doubleBinaryTree":  # a node adds its two children's when both have come
        time = seconds(row, kind, None) + ((2 * levels - 1) * nbytes / adding if adding else 0.0)
        in_line = 2 * levels
    else:
        time = seconds(row, kind, adding)
        in_line = 2 * (ranks - 1)
    time += (in_line + 1) * endpoint  # paid by the receiver at each step, and once at the start
    hops = {"Switch": 2, "FullyConnected": 1, "Ring": ranks // 2}[row["topology"]]
    queued = ranks * ranks if row["algorithm"] == "direct" else 1  # messages on one link, one after the other
    cut_off = (in_line * (hops + 3) + queued) * 1e-9  # each message to whole ns at each hop, each adding to three
    if row["algorithm"] == "direct" and row["backend"] == "congestion-unaware" and adding:
        cut_off += (hops - 1) * float(row["latency_s"])  # it adds before the farthest have come; how far is not known
    assert -1e-12 <= time - float(row["time_s"]) <= cut_off
