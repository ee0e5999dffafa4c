"""The small optimisation: right gradients, and the same weights wherever the order of updates is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.learning.problems import Data, Network, digits
from netsim.learning.replay import Point, curve
from netsim.loading import from_table
from netsim.trace import Update

TABLE: dict[str, Any] = {
    "iterations": 24,
    "cluster": {"workers": 4, "device": "v100", "link": "10gbe"},
    "job": {"model": "squeezenet", "batch": 8, "strategy": "ring", "statistics": {"rate": 0.5, "target": 1.0}},
}


def points(changes: dict[str, Any] | None = None) -> list[Point]:
    trace = simulate(from_table(TABLE, changes or {}), detail="summary")
    learnt: list[Point] = trace.facts["learning"]
    return learnt


@pytest.mark.parametrize("hidden", [0, 3])
def test_the_gradient_is_the_slope_of_the_loss(hidden: int) -> None:
    train, _ = digits()
    few = Data(train.features[:20], train.labels[:20])
    network = Network(64, hidden)
    weights = network.start(1) + 0.1 * np.sin(np.arange(len(network.start(1))))
    gradient = network.gradient(weights, few)
    for place in range(0, len(weights), 37):
        nudge = np.zeros_like(weights)
        nudge[place] = 1e-6
        slope = (network.loss(weights + nudge, few) - network.loss(weights - nudge, few)) / 2e-6
        assert gradient[place] == pytest.approx(slope, abs=1e-7)  # central differences are right to 1e-9 here


def test_it_learns_and_says_how_well() -> None:
    trace = simulate(from_table(TABLE, {"iterations": 60}), detail="summary")
    summary = trace.summary()
    assert trace.facts["learning"][0].loss == pytest.approx(np.log(10))  # nothing learnt yet: ten digits, all alike
    assert summary["final_loss"] < 1.0 and summary["final_accuracy"] > 0.8
    assert 0 < summary["time_to_target_s"] <= 60 * summary["iteration_time_s"] * (1 + 1e-9)


def test_synchronous_strategies_learn_the_same_at_other_times() -> None:
    ring, tree = points(), points({"job.strategy": "tree"})
    assert [point.loss for point in ring] == [point.loss for point in tree]
    assert ring[-1].time < tree[-1].time


def test_a_sync_update_is_one_step_of_the_whole_batch() -> None:
    """Four workers of 8 samples each make the step of one worker that has all 32."""
    scenario = from_table(TABLE)
    together = [Update(1.0, worker, 0, 0, 1) for worker in range(4)]
    apart = [Update(1.0 + worker, worker, 0, 0, worker + 1) for worker in range(4)]  # async, all on the first weights
    assert curve(scenario, [8] * 4, together)[-1].loss == pytest.approx(curve(scenario, [8] * 4, apart)[-1].loss)


def test_a_gradient_is_computed_on_the_weights_that_its_worker_held() -> None:
    scenario = from_table(TABLE)
    fresh = [Update(float(step), 0, step, step, step + 1) for step in range(200)]
    stale = [update._replace(held=max(0, update.held - 40)) for update in fresh]
    assert curve(scenario, [8] * 4, fresh)[-1].loss < curve(scenario, [8] * 4, stale)[-1].loss


def test_what_was_thrown_away_changes_nothing() -> None:
    scenario = from_table(TABLE)
    kept = [Update(1.0, 0, 0, 0, 1), Update(1.0, 1, 0, 0, 1)]
    assert curve(scenario, [8] * 4, kept) == curve(scenario, [8] * 4, [*kept, Update(1.0, 2, 0, 0, -1)])


def test_local_sgd_with_one_step_is_the_plain_one_and_with_more_another() -> None:
    assert points({"job.local_steps": 1}) == points()
    assert points({"job.local_steps": 4})[-1].loss != points()[-1].loss
    assert points({"job.local_steps": 4})[-1].time < points()[-1].time


def test_local_sgd_over_servers_learns_what_it_learns_over_a_ring() -> None:
    """Servers hear of the steps that end with an exchange only; the others are learnt from as well."""
    ring = points({"job.local_steps": 4})
    servers = points({"job.local_steps": 4, "job.strategy": "parameter_server"})
    assert [point.loss for point in servers] == [point.loss for point in ring]


def test_unequal_shares_weigh_gradients_likewise() -> None:
    train, _ = digits()
    network = Network(64, 0)
    weights = network.start(0)
    parts = [Data(train.features[:6], train.labels[:6]), Data(train.features[6:8], train.labels[6:8])]
    whole = network.gradient(weights, Data(train.features[:8], train.labels[:8]))
    weighed = (6 * network.gradient(weights, parts[0]) + 2 * network.gradient(weights, parts[1])) / 8
    assert weighed == pytest.approx(whole)


def test_it_is_the_same_every_time_and_another_seed_is_another_order() -> None:
    assert points() == points()
    assert points({"seed": 1})[-1].loss != points()[-1].loss


@pytest.mark.parametrize(
    ("statistics", "message"),
    [({"rate": 0}, "job.statistics.rate: 0 is not a learning rate"), ({"units": 3}, "job.statistics.units: no such")],
)
def test_statistics_that_cannot_be_are_refused(statistics: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_table(TABLE, {"job.statistics": statistics})
    assert message in str(caught.value)
