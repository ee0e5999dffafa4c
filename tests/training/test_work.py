"""The global batch dealt out to workers that are not equal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import from_table
from netsim.training.work import deal, samples_of

LINK = {"rate": "1 Tbit/s", "latency": "1 us"}
CLUSTER = {"device": "v100", "link": LINK, "group": [{"count": 2}, {"count": 1, "slowdown": 2.0}]}


def table(shares: Any, cluster: dict[str, Any] = CLUSTER, **job: Any) -> dict[str, Any]:
    own = {"model": "resnet18", "batch": 32, "strategy": "ring", "shares": shares, **job}
    return {"iterations": 2, "cluster": cluster, "job": own}


@given(
    total=st.integers(0, 10_000),
    weights=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20),
)
def test_nothing_is_lost_and_nobody_is_a_whole_sample_off(total: int, weights: list[float]) -> None:
    dealt = deal(total, weights)
    assert sum(dealt) == total
    assert all(abs(got - total * weight / sum(weights)) < 1 for got, weight in zip(dealt, weights, strict=True))


def test_proportional_shares_follow_speed() -> None:
    """One of three workers is half as fast: 2 : 2 : 1 of 96 samples is 38.4, 38.4 and 19.2."""
    assert samples_of(from_table(table("proportional"))) == [39, 38, 19]


def test_given_shares_are_one_a_worker_or_one_a_group() -> None:
    assert samples_of(from_table(table([3, 2, 1]))) == [48, 32, 16]
    assert samples_of(from_table(table([2, 1]))) == [38, 38, 20] or samples_of(from_table(table([2, 1]))) == [
        39,
        38,
        19,
    ]


Groups = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.integers(1, 3),
            "device": st.sampled_from(["v100", "p100", "k80"]),
            "slowdown": st.sampled_from([1.0, 1.3, 4.0]),
        }
    ),
    min_size=2,
    max_size=3,
)


@settings(deadline=None, max_examples=40)
@given(groups=Groups, batch=st.integers(12, 64))
def test_proportional_shares_are_never_slower_where_computing_is_all(groups: list[Any], batch: int) -> None:
    cluster = {"link": LINK, "group": groups}
    equal, proportional = (
        simulate(from_table(table(shares, cluster, batch=batch)), detail="summary").summary()
        for shares in ("equal", "proportional")
    )
    slack = equal["exposed_communication_s"]  # what little there is to send may come at a worse moment
    assert proportional["iteration_time_s"] <= equal["iteration_time_s"] + slack
    assert proportional["samples_per_s"] <= proportional["ideal_samples_per_s"] * (1 + 1e-9)


def test_the_gain_over_equal_shares_stands_beside_the_ideal() -> None:
    summary = simulate(from_table(table("proportional"))).summary()
    equal = simulate(from_table(table("equal"))).summary()
    assert summary["equal_shares_samples_per_s"] == equal["samples_per_s"]
    assert summary["gain_over_equal_shares"] == pytest.approx(summary["samples_per_s"] / equal["samples_per_s"])
    assert 1.4 < summary["gain_over_equal_shares"] < summary["ideal_gain_over_equal_shares"] < 1.7  # 5/3 at most
    assert "gain_over_equal_shares" not in equal


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ("fair", "job.shares: 'fair' will not do; it must be 'equal', 'proportional' or a list of numbers"),
        ([1, 0, 1], "job.shares: 0 is not a share; it must be more than 0"),
        ([1, 1, 1, 1], "has 4 numbers; it must be one for each of 3 workers, or one for each of 2 groups"),
        ([1000, 1, 1], "job.shares: leave worker 1 without a sample of 96; a larger batch would do"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares: Any, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        simulate(from_table(table(shares)))
    assert message in str(caught.value)
