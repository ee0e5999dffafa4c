from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.training.buckets import gather

NAMES = ["first", "second", "third", "fourth"]


def layers(rule: float | str, sizes: list[float]) -> list[tuple[int, ...]]:
    return [bucket.layers for bucket in gather(sizes, NAMES, rule)]


def test_buckets_come_in_the_order_of_the_backward_pass() -> None:
    assert layers("layer", [1, 2, 3, 4]) == [(3,), (2,), (1,), (0,)]


def test_layers_without_parameters_are_in_no_bucket() -> None:
    assert layers("layer", [1, 0, 3, 0]) == [(2,), (0,)]
    assert layers("all", [1, 0, 3, 0]) == [(2, 0)]


def test_a_bucket_closes_once_it_holds_its_size() -> None:
    assert layers(5, [1, 2, 3, 4]) == [(3, 2), (1, 0)]
    assert layers(4, [1, 2, 3, 4]) == [(3,), (2, 1), (0,)]


def test_a_layer_larger_than_a_bucket_is_a_bucket() -> None:
    assert layers(2, [1, 100, 1, 1]) == [(3, 2), (1,), (0,)]


def test_a_model_without_parameters_has_no_buckets() -> None:
    assert gather([0, 0], NAMES, "all") == ()


def test_buckets_are_named_after_their_first_and_last_layer() -> None:
    assert [bucket.name for bucket in gather([1, 2, 3, 4], NAMES, 5)] == ["fourth..third", "second..first"]
    assert [bucket.name for bucket in gather([0, 2, 0, 0], NAMES, 5)] == ["second"]


@given(
    sizes=st.lists(st.integers(0, 100), min_size=4, max_size=4),
    rule=st.one_of(st.sampled_from(["layer", "all"]), st.floats(1, 300)),
)
def test_every_gradient_is_in_one_bucket(sizes: list[float], rule: float | str) -> None:
    buckets = gather(sizes, NAMES, rule)
    assert sorted(layer for bucket in buckets for layer in bucket.layers) == [i for i in range(4) if sizes[i]]
    assert sum(bucket.nbytes for bucket in buckets) == pytest.approx(sum(sizes))
