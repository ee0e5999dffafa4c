"""Seeded noise: what it says it is, and nobody's luck depends on anybody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import dump, from_table, load
from netsim.noise import Noise, Straggler

EVERYTHING = Noise(jitter=0.2, measured=(1.0, 1.1, 3.0), straggler=(Straggler(slowdown=2.0, probability=0.2, lasts=3),))


def test_jitter_has_the_median_and_the_deviation_that_it_says() -> None:
    drawn = np.log(Noise(jitter=0.2).factors(3, 50, 400))
    assert abs(np.median(drawn)) < 0.01  # the standard error of the median of 20,000 draws is 0.0018
    assert drawn.std() == pytest.approx(0.2, rel=0.03)


def test_no_noise_is_a_factor_of_exactly_one() -> None:
    assert (Noise().factors(3, 2, 3) == np.ones((2, 3))).all()
    assert Noise().layer_factors(3, 0, 0, 5) is None


def test_the_luck_of_a_worker_depends_neither_on_others_nor_on_how_long_it_goes_on() -> None:
    few, many = EVERYTHING.factors(1, 2, 10), EVERYTHING.factors(1, 5, 30)
    assert (few == many[:2, :10]).all()
    assert len({tuple(row) for row in many.tolist()}) == 5


def test_another_source_leaves_a_sources_draws_as_they_are() -> None:
    alone = Noise(jitter=0.2).factors(1, 3, 20)
    both = Noise(jitter=0.2, straggler=(Straggler(slowdown=2.0, probability=0.3),)).factors(1, 3, 20)
    assert set(np.round(both / alone, 12).ravel()) == {1.0, 2.0}


def test_a_given_straggler_is_slow_when_and_as_much_as_it_says() -> None:
    factors = Noise(straggler=(Straggler(slowdown=3.0, workers=(1,), start=2, lasts=2),)).factors(0, 2, 6)
    assert factors.tolist() == [[1.0] * 6, [1.0, 1.0, 3.0, 3.0, 1.0, 1.0]]
    for_good = Noise(straggler=(Straggler(slowdown=3.0, workers=(0,), start=4),)).factors(0, 2, 6)
    assert for_good.tolist() == [[1.0, 1.0, 1.0, 1.0, 3.0, 3.0], [1.0] * 6]


def test_chance_makes_as_many_stragglers_as_it_says() -> None:
    once = Noise(straggler=(Straggler(slowdown=2.0, probability=0.1),)).factors(0, 40, 500)
    assert (once > 1).mean() == pytest.approx(0.1, abs=0.01)  # 20,000 draws: a standard error of 0.002
    thrice = Noise(straggler=(Straggler(slowdown=2.0, probability=0.1, lasts=3),)).factors(0, 40, 500)
    assert (thrice > 1).mean() == pytest.approx(1 - 0.9**3, abs=0.02)


def test_measured_steps_are_drawn_as_factors_on_their_median() -> None:
    factors = Noise(measured=(2.0, 2.2, 6.0)).factors(0, 10, 300)
    assert set(np.round(factors.ravel(), 9)) == {round(value / 2.2, 9) for value in (2.0, 2.2, 6.0)}


def scenario(**noise: Any) -> dict[str, Any]:
    cluster = {"workers": 3, "device": "v100", "link": "10gbe"}
    job = {"model": "squeezenet", "batch": 8, "strategy": "ring"}
    return {"iterations": 3, "cluster": cluster, "job": job, "noise": noise}


def test_layers_have_noise_of_their_own() -> None:
    calm, noisy = (simulate(from_table(scenario(**noise))) for noise in ({}, {"layer_jitter": 0.2}))
    lasts = [
        {(s.host, s.iteration, s.name): s.end - s.start for s in trace.spans if s.phase == "forward"}
        for trace in (calm, noisy)
    ]
    ratios = [lasts[1][span] / seconds for span, seconds in lasts[0].items()]
    assert np.log(ratios).std() == pytest.approx(0.2, rel=0.2)  # some 200 draws


def test_measured_steps_come_from_a_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "steps.csv").write_text("step_s\n0.1\n0.1\n0.3\n", encoding="utf-8")
    table = scenario(measured="steps.csv")
    text = dump(from_table({**table, "noise": {}})) + '\n[noise]\nmeasured = "steps.csv"\n'
    text = text.replace("[noise]\njitter = 0.0\nlayer_jitter = 0.0\n", "")
    (tmp_path / "it.toml").write_text(text, encoding="utf-8")
    loaded = load(tmp_path / "it.toml")
    assert loaded.noise.measured == (0.1, 0.1, 0.3)
    (tmp_path / "again.toml").write_text(dump(loaded), encoding="utf-8")
    assert load(tmp_path / "again.toml").noise == loaded.noise


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ({"layer_jitter": 4}, "noise.layer_jitter: 4 is not a jitter; it must be at most 3"),
        ({"measured": "nowhere.csv"}, "noise.measured: nowhere.csv cannot be read: no such file"),
        ({"measured": [1.0, 0.0]}, "noise.measured: 0.0 is not the time of a step"),
        ({"measured": 3}, "noise.measured: 3 is neither the name of a CSV file nor a list"),
        ({"straggler": [{"slowdown": 0}]}, "noise.straggler[0].slowdown: 0 is not a slow-down"),
        ({"straggler": [{"slowdown": 2, "workers": [3]}]}, "noise.straggler[0].workers: there is no worker 3"),
        ({"straggler": [{"slowdown": 2, "probability": 1.5}]}, "noise.straggler[0].probability: 1.5 is not a"),
        ({"straggler": [{"workers": [1]}]}, "noise.straggler[0].slowdown: is missing"),
    ],
)
def test_noise_that_cannot_be_is_refused(noise: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_table(scenario(**noise))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["time\n1\n", "step_s\n", "step_s\nfast\n", 'step_s\n"1\n'])
def test_a_file_that_has_no_times_of_steps_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "steps.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"noise.measured: .*steps.csv"):
        from_table(scenario(measured=str(tmp_path / "steps.csv")))
