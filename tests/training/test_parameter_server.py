from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.training.parameter_server import Costs, ParameterServer

LINK = Link(rate=1.0, latency=0.5)
KEYS = get_args(get_type_hints(ParameterServer)["keys"])


def test_split_keys_give_every_server_the_same() -> None:
    assert ParameterServer(servers=2).owned([[3.0, 1.0], [], [6.0]], 3) == ((2.0, 2.0), (0.0, 0.0), (3.0, 3.0))


def test_whole_tensors_go_to_servers_in_turn_and_layers_without_parameters_take_no_turn() -> None:
    shares = ParameterServer(servers=2, keys="whole").owned([[4.0, 1.0], [], [6.0], [8.0, 2.0, 3.0]], 3)
    assert shares == ((4.0, 1.0), (0.0, 0.0), (6.0, 0.0), (2.0, 11.0))


def test_balanced_tensors_go_where_the_fewest_bytes_are() -> None:
    shares = ParameterServer(servers=3, keys="balanced").owned([[4.0, 1.0], [2.0, 1.0], [9.0, 1.0]], 3)
    assert shares == ((4.0, 1.0, 0.0), (0.0, 1.0, 2.0), (0.0, 9.0, 1.0))


@given(st.lists(st.lists(st.integers(1, 10**9), max_size=4)), st.integers(1, 9), st.sampled_from(KEYS))
def test_however_keys_are_placed_no_byte_is_lost(tensors: list[list[int]], servers: int, keys: Any) -> None:
    shares = ParameterServer(servers=servers, keys=keys).owned(tensors, 3)
    assert [sum(layer) for layer in shares] == pytest.approx([sum(layer) for layer in tensors], rel=1e-12)


@given(st.lists(st.integers(1, 10**9), min_size=1), st.integers(1, 9))
def test_balanced_loads_differ_by_no_more_than_the_largest_tensor(tensors: list[int], servers: int) -> None:
    (loads,) = ParameterServer(servers=servers, keys="balanced").owned([tensors], 3)
    assert max(loads) - min(loads) <= max(tensors)


def test_answers_of_one_bucket_overlap_with_pushes_of_the_next() -> None:
    """Two workers, one server, buckets of 1 and 2 B at 1 B/s: pushed at 2 and 6, answered from 2.5 and 6.5 on."""
    assert ParameterServer().ideal_exchange(2, [1.0, 2.0], [0.0, 0.0], LINK, None) == 6.5 + 4.0 + 0.5


def test_one_worker_waits_for_nothing() -> None:
    assert ParameterServer().ideal_exchange(1, [1.0], [3.0], LINK, None) == 3.0


@pytest.mark.parametrize(
    "fields",
    [
        {"keys": "whole"},
        {"keys": "balanced"},
        {"keys": "by_size"},
        {"slices": 2},
        {"slice": 1e6},
        {"backup": 1},
        {"mode": "async"},
        {"pull": "after_push"},
    ],
)
def test_there_is_no_closed_form_for_uneven_keys_or_slices(fields: dict[str, object]) -> None:
    assert ParameterServer(**fields).ideal_exchange(2, [1.0], [0.0], LINK, None) is None


def test_keys_by_size_go_whole_to_scattered_servers_or_to_all() -> None:
    """MXNet: key k below the bound goes to server 9973 k mod 4, so 1 to 1, 2 to 2; a larger one to all."""
    shares = ParameterServer(servers=4, keys="by_size", whole_below=4.0).owned([[1.0], [8.0], [], [2.0]], 3)
    assert shares == ((1.0, 0.0, 0.0, 0.0), (2.0, 2.0, 2.0, 2.0), (0.0,) * 4, (0.0, 0.0, 2.0, 0.0))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"staleness": 3}, 'staleness is the bound of mode = "ssp"'),
        ({"mode": "async", "backup": 1}, "backup workers are for mode"),
        ({"staggered": "neither"}, "staggered is of collectives"),
        ({"whole_below": 1e3}, "whole_below is for keys"),
    ],
)
def test_fields_that_would_move_nothing_are_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ParameterServer(**fields)


def test_a_bound_of_3_is_what_ssp_has_by_default() -> None:
    assert (ParameterServer(mode="ssp").bound, ParameterServer(mode="async").bound) == (3, float("inf"))


def test_what_a_byte_costs_a_server() -> None:
    """Without a device, reduction_rate; with one, three passes to add, and five of four bytes for each parameter."""
    plain = Costs.of(handling_rate=2.0, reduction_rate=4.0, memory_rate=None, element=4, at_once=False)
    assert (plain.handling(8.0), plain.adding(8.0), plain.applying(8.0)) == (4.0, 2.0, 0.0)
    device = Costs.of(handling_rate=None, reduction_rate=None, memory_rate=6.0, element=4, at_once=False)
    assert (device.handling(8.0), device.adding(8.0), device.applying(8.0)) == (0.0, 4.0, pytest.approx(8 * 5 / 6))
    half = Costs.of(handling_rate=None, reduction_rate=None, memory_rate=6.0, element=2, at_once=True)
    assert (half.adding(8.0), half.applying(8.0)) == (0.0, pytest.approx(8 / 2 * 4 * 5 / 6))


def test_more_servers_than_workers_cannot_be_co_located() -> None:
    with pytest.raises(ScenarioError, match="5 servers cannot be co-located with 4 workers"):
        ParameterServer(servers=5, placement="colocated").shards(4)
