"""Every collective on the network that it is made for: bytes, bounds, engines, other names, and the closed forms of
messages that go to neighbours over cables of their own. One without an entry here is played among all pairs."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any, NamedTuple

import numpy as np
import pytest

from netsim.collectives.rounds import Collective
from netsim.engine.single import CollectiveResult, collective
from netsim.families import FAMILIES, kind_of

from .test_every_collective import Renamed, fits

SIZE, RATE, LATENCY = 96e6, 1.25e9, 10e-6
Ranks = np.ndarray[Any, np.dtype[np.int64]]
RANKS = (2, 3, 4, 6, 8, 12, 16, 32)


class Natural(NamedTuple):
    """A network for so many ranks (None: there is none for that many), a symmetry of it, and the closed form there."""

    network: Callable[[int], dict[str, Any] | None]
    turned: Callable[[int], Ranks]  # other names for the ranks under which the network is the same
    seconds: Callable[[int], float | None] = lambda n: None


def power_of_two(kind: str) -> Callable[[int], dict[str, Any] | None]:
    return lambda n: {"kind": kind} if n & (n - 1) == 0 else None


def message(share: float) -> float:
    return LATENCY + share * SIZE / RATE


def shifted(n: int) -> Ranks:
    return (np.arange(n) + 1) % n


def flipped(n: int) -> Ranks:
    return np.arange(n) ^ (n - 1)


def torus(n: int) -> dict[str, Any]:
    return {"kind": "torus", "dims": list(FAMILIES["collectives"].build("torus").grid(n))}


def torus_2d(n: int) -> dict[str, Any]:
    return {"kind": "torus", "dims": list(FAMILIES["collectives"].build("torus_2d").grid(n))}


def ring_after_ring(*dims: int) -> float:
    """2 (d - 1) messages along each dimension, of a d-th of what is left."""
    seconds, share = 0.0, 1.0
    for size in reversed(dims):
        share /= size
        seconds += 2 * (size - 1) * message(share)
    return seconds


def levels(n: int, arity: int) -> int:
    depth, reached = 0, 1
    while reached < n:
        depth, reached = depth + 1, reached + arity ** (depth + 1)
    return depth


ALL_PAIRS = Natural(lambda n: {"kind": "fully_connected"}, lambda n: np.random.default_rng(1).permutation(n))
NATURAL = {
    "ring": Natural(lambda n: {"kind": "ring"}, shifted, lambda n: 2 * (n - 1) * message(1 / n)),
    "torus": Natural(torus, flipped, lambda n: ring_after_ring(*torus(n)["dims"])),
    "torus_2d": Natural(torus_2d, flipped, lambda n: ring_after_ring(*torus_2d(n)["dims"])),
    "halving_doubling": Natural(
        power_of_two("hypercube"), flipped, lambda n: 2 * log2(n) * LATENCY + 2 * (n - 1) / n * SIZE / RATE
    ),
    "rabenseifner": Natural(
        power_of_two("hypercube"), flipped, lambda n: 2 * log2(n) * LATENCY + 2 * (n - 1) / n * SIZE / RATE
    ),
    "recursive_doubling": Natural(power_of_two("hypercube"), flipped, lambda n: log2(n) * message(1)),
    "binomial_tree": Natural(power_of_two("hypercube"), flipped, lambda n: 2 * log2(n) * message(1)),
    "bcube": Natural(
        power_of_two("hypercube"), flipped, lambda n: 2 * log2(n) * LATENCY + 2 * (n - 1) / n * SIZE / RATE
    ),
    "direct": ALL_PAIRS._replace(seconds=lambda n: 2 * message(1 / n)),
    "bruck": ALL_PAIRS._replace(
        seconds=lambda n: 2 * (np.ceil(log2(n)) * LATENCY + (n - 1) / n * SIZE / RATE)  # any distance is one hop
    ),
    "tree": ALL_PAIRS._replace(seconds=lambda n: 2 * levels(n, 2) * message(1)),  # children have cables of their own
    "hierarchical": Natural(
        lambda n: {"kind": "nodes", "per_host": inside(n), "link": {"rate": "100 Gbit/s", "latency": "1 us"}},
        lambda n: (np.arange(n) + inside(n)) % n,
        lambda n: hierarchy(n),
    ),
    "parameter_server": Natural(
        lambda n: {"kind": "star"},
        lambda n: np.random.default_rng(1).permutation(n),
        lambda n: 2 * message(n),
    ),
}


def inside(n: int) -> int:
    return max(size for size in range(1, 9) if n % size == 0)


def hierarchy(n: int) -> float:
    """Rings inside, and g rings between m hosts that share a card, each on its g-th: 2 (m - 1) S / (m B) in all. What
    goes from host to host passes the networks inside both."""
    g, m = inside(n), n // inside(n)
    within = 2 * (g - 1) * (LATENCY / 10 + SIZE / g / (10 * RATE))
    return within + (2 * (m - 1) * (LATENCY + 2 * LATENCY / 10 + SIZE / m / RATE) if m > 1 else 0.0)


def natural(name: str) -> Natural:
    return NATURAL.get(name, ALL_PAIRS)


def members() -> list[Collective]:
    """Every collective in every operation that it has, and in lanes."""
    family = FAMILIES["collectives"]
    return [
        family.build({"kind": name, **fields})
        for name in family.names()
        for fields in (
            {"slices": 3},
            *({"operation": each} for each in family.member(name).operations),  # type: ignore[attr-defined]
        )
    ]


def played(kind: Collective, ranks: int, network: dict[str, Any], **changes: Any) -> CollectiveResult:
    topology = FAMILIES["topologies"].build(network)
    figures = {"ranks": ranks, "size": SIZE, "rate": RATE, "latency": LATENCY, "topology": topology}
    return collective(kind, **{**figures, **changes})


@pytest.mark.parametrize("name", FAMILIES["collectives"].names())
def test_where_every_message_goes_to_a_neighbour_the_closed_form_holds(name: str) -> None:
    kind, where = FAMILIES["collectives"].build(name), natural(name)
    for ranks in RANKS:
        network = where.network(ranks)
        seconds = where.seconds(ranks)
        if network is not None and seconds is not None:
            assert played(kind, ranks, network).time_s == pytest.approx(seconds, rel=1e-9), ranks


@pytest.mark.parametrize("kind", members(), ids=repr)
def test_on_its_own_network_a_collective_keeps_its_bound_and_its_bytes_and_engines_agree(kind: Collective) -> None:
    where = natural(kind_of(kind))
    for ranks in RANKS[:-2]:
        network = where.network(ranks)
        if network is None or not fits(kind, ranks):
            continue
        slow = played(kind, ranks, network, engine="simpy")
        assert slow.time_s >= slow.lower_bound_s * (1 - 1e-12)
        assert slow.wire_bytes == pytest.approx(kind.wire_bytes(ranks, slow.size_bytes), rel=1e-12)
        assert slow.messages == kind.slices * kind.messages(ranks)
        fast = played(kind, ranks, network)
        assert (fast.time_s, fast.messages) == (pytest.approx(slow.time_s, rel=1e-9), slow.messages)
        in_order = played(kind, ranks, network, sharing="fifo")
        assert in_order.time_s >= in_order.lower_bound_s * (1 - 1e-12)


@pytest.mark.parametrize("name", FAMILIES["collectives"].names())
def test_a_symmetry_of_the_network_changes_nothing(name: str) -> None:
    kind, where = FAMILIES["collectives"].build(name), natural(name)
    for ranks in (4, 8):
        network = where.network(ranks)
        assert network is not None
        renamed = Renamed(kind, where.turned(ranks))
        assert played(renamed, ranks, network).time_s == pytest.approx(played(kind, ranks, network).time_s, rel=1e-9)


def test_a_ring_both_ways_uses_both_directions_of_its_cables() -> None:
    kind = FAMILIES["collectives"].build({"kind": "ring", "two_way": True})
    for ranks in (3, 5, 8):
        seconds = 2 * (ranks - 1) * message(1 / (2 * ranks))
        assert played(kind, ranks, {"kind": "ring"}).time_s == pytest.approx(seconds, rel=1e-9)
