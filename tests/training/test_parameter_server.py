from __future__ import annotations

import pytest

from netsim.errors import ScenarioError
from netsim.hardware import Link
from netsim.training.parameter_server import ParameterServer

LINK = Link(rate=1.0, latency=0.5)


def test_split_keys_give_every_server_the_same() -> None:
    assert ParameterServer(servers=2).owned([4.0, 0.0, 6.0], 3) == ((2.0, 2.0), (0.0, 0.0), (3.0, 3.0))


def test_whole_keys_go_to_servers_in_turn_and_layers_without_parameters_take_no_turn() -> None:
    shares = ParameterServer(servers=2, keys="whole").owned([4.0, 0.0, 6.0, 8.0], 3)
    assert shares == ((4.0, 0.0), (0.0, 0.0), (0.0, 6.0), (8.0, 0.0))


def test_answers_of_one_bucket_overlap_with_pushes_of_the_next() -> None:
    """Two workers, one server, buckets of 1 and 2 B at 1 B/s: pushed at 2 and 6, answered from 2.5 and 6.5 on."""
    assert ParameterServer().ideal_exchange(2, [1.0, 2.0], [0.0, 0.0], LINK, None) == 6.5 + 4.0 + 0.5


def test_one_worker_waits_for_nothing() -> None:
    assert ParameterServer().ideal_exchange(1, [1.0], [3.0], LINK, None) == 3.0


@pytest.mark.parametrize("fields", [{"keys": "whole"}, {"slices": 2}, {"slice": 1e6}])
def test_there_is_no_closed_form_for_uneven_keys_or_slices(fields: dict[str, object]) -> None:
    assert ParameterServer(**fields).ideal_exchange(2, [1.0], [0.0], LINK, None) is None


def test_more_servers_than_workers_cannot_be_co_located() -> None:
    with pytest.raises(ScenarioError, match="5 servers cannot be co-located with 4 workers"):
        ParameterServer(servers=5, placement="colocated").shards(4)
