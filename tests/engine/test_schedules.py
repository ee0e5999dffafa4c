"""Who takes part in what when, as arrays, is what the reference goes by, for every collective; and for servers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from netsim import loading
from netsim.collectives.rounds import PieceBytes
from netsim.engine.fast.schedules import (
    ABSENT,
    Schedule,
    of_collective,
    of_servers,
    orders_of_servers,
    sizes_of_collective,
    sizes_of_servers,
)
from netsim.engine.plan import Plan, plan
from netsim.engine.reference.play import Steps
from netsim.families import FAMILIES
from netsim.training.parameter_server import ParameterServer

Transfer = tuple[int, int, int, int, bool]  # from, to, first piece, pieces, whether added
COLLECTIVES = FAMILIES["collectives"]


def transfers(schedule: Schedule, places: np.ndarray[Any, Any]) -> list[Transfer]:
    columns = (getattr(schedule, name)[places].tolist() for name in ("src", "dst", "first", "count", "add"))
    return [(src, dst, first, count, bool(add)) for src, dst, first, count, add in zip(*columns, strict=True)]


def steps_of(schedule: Schedule, lane: int, host: int) -> list[list[Transfer]]:
    """What a host does in a lane, step by step."""
    begin, end = schedule.step_of[lane * schedule.hosts + host : lane * schedule.hosts + host + 2]
    edges = schedule.step_first[begin : end + 1].tolist()
    return [transfers(schedule, lane * schedule.a_lane + schedule.in_step[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("ranks", [2, 3, 4, 6])
@pytest.mark.parametrize("kind", COLLECTIVES.names())
def test_every_host_takes_the_steps_that_the_reference_takes(kind: str, ranks: int) -> None:
    collective = COLLECTIVES.build(kind)
    reference, schedule = Steps(collective, ranks), of_collective(collective, ranks)
    assert schedule is not None
    assert (schedule.owns, schedule.hosts, schedule.joining) == (len(reference.of), reference.hosts, reference.hosts)
    assert schedule.machines.tolist() == list(range(reference.hosts))
    assert transfers(schedule, schedule.real) == reference.transfers
    for lane, hosts in enumerate(reference.of):
        for host, steps in enumerate(hosts):
            assert steps_of(schedule, lane, host) == [[reference.transfers[each] for each in step] for step in steps]
    nobody = np.setdiff1d(np.arange(len(schedule.src)), schedule.real)
    assert len(schedule.src) == schedule.owns * schedule.a_lane
    assert transfers(schedule, nobody) == [(0, 0, 0, 0, False)] * len(nobody)


def test_of_one_rank_there_is_nothing_to_send() -> None:
    assert of_collective(COLLECTIVES.build("ring"), 1) is None


@pytest.mark.parametrize("how", [{}, {"slices": 3}, {"element": "4 B", "slices": 2}, {"element": "4 B"}], ids=str)
@pytest.mark.parametrize("kind", ["ring", "direct", "double_binary_tree", "halving_doubling"])
def test_every_transfer_has_the_bytes_of_its_pieces(kind: str, how: dict[str, Any]) -> None:
    ranks, sizes = 4, [1000.0, 52.0]
    collective = COLLECTIVES.build({"kind": kind, **how})
    schedule = of_collective(collective, ranks)
    assert schedule is not None
    cut = sizes_of_collective(collective, ranks, sizes, schedule)
    assert cut.slices == [collective.lanes(nbytes, ranks) for nbytes in sizes]
    for bucket, nbytes in enumerate(sizes):
        of = PieceBytes(collective, ranks, nbytes, slices=cut.slices[bucket])
        for part in range(cut.slices[bucket]):
            due = of(schedule.first, schedule.count, slice=part)[schedule.real]
            if of.uneven:
                found = cut.uneven[bucket].reshape(cut.slices[bucket], -1)[part]
            else:
                assert len(cut.uneven[bucket]) == 0
                found = schedule.count * np.repeat(cut.piece[bucket], schedule.a_lane)
            assert found[schedule.real].tolist() == pytest.approx(due.tolist(), rel=1e-12)


def served(**strategy: Any) -> tuple[Plan, ParameterServer]:
    layers = [{"kind": "dense", "input_shape": [10], "units": 10, "bias": False, "name": name} for name in "ab"]
    table = {
        "cluster": {"workers": 3, "device": "v100", "link": "10gbe"},
        "job": {
            "model": {"layers": layers}, "batch": 1, "bucket": "layer",
            "strategy": {"kind": "parameter_server", "servers": 2, **strategy},
        },
    }  # fmt: skip
    the_plan = plan(loading.from_table(table))
    assert isinstance(the_plan.strategy, ParameterServer)
    return the_plan, the_plan.strategy


@pytest.mark.parametrize(("placement", "machines"), [("apart", [0, 1, 2, 3, 4]), ("colocated", [0, 1, 2, 0, 1, 2])])
def test_each_server_gets_from_all_workers_then_gives_to_all(placement: str, machines: list[int]) -> None:
    how = {"placement": placement} if placement == "apart" else {"placement": placement, "servers": 3}
    the_plan, strategy = served(**how)
    schedule, servers = of_servers(the_plan, strategy), len(machines) - 3
    assert (schedule.owns, schedule.joining, schedule.hosts) == (servers, 3, 3 + servers)
    assert schedule.machines.tolist() == machines
    for server in range(servers):
        at = 3 + server
        pushes = [(worker, at, 0, 1, True) for worker in range(3)]
        pulls = [(at, worker, 0, 1, False) for worker in range(3)]
        assert steps_of(schedule, server, at) == [pushes, pulls]
        for worker in range(3):
            assert steps_of(schedule, server, worker) == [[pushes[worker]], [pulls[worker]]]
        for other in range(servers):
            if other != server:
                assert steps_of(schedule, server, 3 + other) == []


def test_servers_own_equal_parts_of_split_keys_and_whole_ones_of_whole_keys() -> None:
    split = sizes_of_servers(*served(slices=2))
    assert (split.slices, split.piece.tolist()) == ([2, 2], [[100.0, 100.0]] * 2)  # 100 floats in halves of halves
    whole = sizes_of_servers(*served(keys="whole"))
    assert sorted(whole.piece.ravel().tolist()) == [ABSENT, ABSENT, 400.0, 400.0]
    assert (whole.piece.max(axis=1).tolist(), whole.piece.max(axis=0).tolist()) == ([400.0, 400.0], [400.0, 400.0])
    assert [each.tolist() for each in whole.uneven] == [[], []]
    assert ABSENT < 0


def test_each_worker_begins_with_another_server_and_each_server_with_another_worker() -> None:
    """Worker w with server w + 1, server s with worker s + 1; slices follow one another."""
    the_plan, strategy = served(slices=2)
    sizes = sizes_of_servers(the_plan, strategy)
    orders = orders_of_servers(the_plan, strategy, sizes).reshape(2, 2, 2, 2, 3)  # bucket, slice, server, way, worker
    for bucket in range(2):
        for part in range(2):
            for server in range(2):
                rank = [(server - worker - 1) % 2 for worker in range(3)]
                assert orders[bucket, part, server, 0].tolist() == [2 * part + each for each in rank]
                assert orders[bucket, part, server, 1].tolist() == [(worker - server - 1) % 3 for worker in range(3)]


def test_a_server_without_a_part_of_a_bucket_has_no_turn_in_it() -> None:
    the_plan, strategy = served(keys="whole")
    sizes = sizes_of_servers(the_plan, strategy)
    orders = orders_of_servers(the_plan, strategy, sizes).reshape(2, 1, 2, 2, 3)
    for bucket, piece in enumerate(sizes.piece.tolist()):
        owner = piece.index(400.0)
        assert orders[bucket, 0, owner, 0].tolist() == [0, 0, 0]  # the only one
