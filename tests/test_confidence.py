"""Replicas and paired differences; epochs in time, money and energy."""

from __future__ import annotations

from typing import Any

import pytest

from netsim import explain
from netsim.confidence import difference_of, mean_of
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import from_table

TABLE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {"workers": 4, "device": "v100", "link": "10gbe"},
    "job": {"model": "squeezenet", "batch": 16, "strategy": "ring"},
}


def summary(changes: dict[str, Any]) -> dict[str, Any]:
    return simulate(from_table(TABLE, changes), detail="summary").summary()


def test_an_interval_is_students() -> None:
    """Mean 2 and deviation 1 of three: 2 +- 4.3027 / sqrt(3), the quantile of any table."""
    sure = mean_of([1.0, 2.0, 3.0])
    assert (sure.mean, sure.high - 2.0) == (2.0, pytest.approx(4.30265 / 3**0.5, rel=1e-5))
    assert sure.low == pytest.approx(4.0 - sure.high)


def test_one_value_is_its_own_interval() -> None:
    assert (mean_of([3.0]).low, mean_of([3.0]).high) == (3.0, 3.0)


def test_what_pairs_have_in_common_drops_out() -> None:
    luck = [0.0, 5.0, -4.0, 9.0]
    ones, others = [10 + each for each in luck], [9 + each for each in luck]
    assert difference_of(ones, others) == mean_of([1.0] * 4)
    assert mean_of(ones).low < mean_of(others).high


def test_replicas_are_runs_with_seeds_from_the_scenarios_on() -> None:
    noisy = {"noise.jitter": 0.1, "seed": 5}
    found = summary({**noisy, "replicas": 3})
    alone = [summary({**noisy, "seed": seed})["iteration_time_s"] for seed in (5, 6, 7)]
    assert found["replica_iteration_times_s"] == alone
    assert found["iteration_time_s"] == pytest.approx(sum(alone) / 3)
    assert found["iteration_time_ci_low_s"] < found["iteration_time_s"] < found["iteration_time_ci_high_s"]


def test_without_noise_every_replica_is_the_same() -> None:
    found = summary({"replicas": 3})
    assert len(set(found["replica_iteration_times_s"])) == 1
    assert found["iteration_time_ci_low_s"] == found["iteration_time_ci_high_s"] == found["iteration_time_s"]
    assert summary({}).items() <= found.items()


def test_a_verdict_says_how_sure_a_lead_is() -> None:
    changes = {"noise.jitter": 0.1, "replicas": 4}
    rows = [{**summary({**changes, "job.strategy": kind}), "job.strategy.kind": kind} for kind in ("ring", "tree")]
    said = " ".join(explain.verdict(rows, "job.strategy.kind").sentences)
    assert "Over 4 replicas with the same noise its lead on the tree is" in said and "luck" not in said


def test_an_epoch_costs_its_devices_for_as_long_as_it_takes() -> None:
    changes = {
        "job.samples": 1000,
        "job.epochs": 3,
        "cluster.device.price_per_hour": 2.0,
        "cluster.device.power": "250 W",
    }
    found = summary(changes)
    assert found["steps_per_epoch"] == 16  # 64 samples a step: the last one is not full
    assert found["epoch_time_s"] == pytest.approx(16 * found["iteration_time_s"])
    assert found["training_time_s"] == pytest.approx(3 * found["epoch_time_s"])
    assert found["epoch_cost_usd"] == pytest.approx(4 * 2.0 * found["epoch_time_s"] / 3600)
    assert found["training_energy_kwh"] == pytest.approx(4 * 0.25 * found["training_time_s"] / 3600)


def test_what_is_not_known_is_not_counted() -> None:
    found = summary({"job.samples": 1000, "cluster.device": "gtx1080ti"})
    assert found["epoch_cost_usd"] is None and found["epoch_energy_kwh"] > 0
    assert "epoch_time_s" not in summary({})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicas": 0}, "replicas: 0 is not a number of replicas; it must be at least 1"),
        ({"job.samples": 0}, "job.samples: 0 is not a number of samples"),
        ({"job.epochs": 1.5}, "job.epochs: 1.5 is not a number of epochs; it must be a whole number"),
        (
            {"cluster.device.power": 300},
            "cluster.device.power: 300 has no unit; it must be text with a unit such as '300 W'",
        ),
        ({"cluster.device.price_per_hour": -1}, "cluster.device.price_per_hour: -1 is not a price"),
    ],
)
def test_replicas_and_epochs_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_table(TABLE, changes)
    assert message in str(caught.value)
