"""What takes several runs: which are made, with which seed and detail, and what the summary has more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netsim import loading
from netsim.confidence import mean_of
from netsim.engine import several
from netsim.engine.run import simulate
from netsim.scenario import Scenario
from netsim.trace import Trace

BASE: dict[str, Any] = {
    "iterations": 2,
    "seed": 5,
    "cluster": {
        "group": [{"count": 1}, {"count": 1, "slowdown": 2.0}],
        "device": "v100",
        "link": {"rate": "1 GB/s", "latency": "10 us"},
        "server_link": {"rate": "1 GB/s", "latency": "10 us"},
    },
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [100], "units": 100, "name": name} for name in "ab"]},
        "batch": 4,
        "strategy": "ring",
    },
    "noise": {"jitter": 0.2},
}


def scenario(**changes: Any) -> Scenario:
    base = BASE
    if "job.strategy" not in changes:
        cluster = {key: value for key, value in BASE["cluster"].items() if key != "server_link"}
        base = {**BASE, "cluster": cluster}
    return loading.from_table(base, changes)


class Runs:
    """simulate, and how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Scenario, dict[str, Any]]] = []

    def __call__(self, asked: Scenario, **how: Any) -> Trace:
        self.asked.append((asked, how))
        return simulate(asked, **how)


def test_replicas_have_seeds_one_after_another_and_their_means() -> None:
    runs, several_of = Runs(), scenario(replicas=3)
    heard: list[int] = []
    trace = several.with_replicas(runs, several_of, engine="simpy", detail="full", progress=heard.append)
    assert [(asked.seed, asked.replicas) for asked, _ in runs.asked] == [(5, 1), (6, 1), (7, 1)]
    assert [how for _, how in runs.asked] == [
        {"engine": "simpy", "detail": "full", "progress": heard.append}, *[{"engine": "simpy", "detail": "summary"}] * 2
    ]  # fmt: skip
    alone = [simulate(replace(several_of, seed=seed, replicas=1)).summary() for seed in (5, 6, 7)]
    found, times = trace.summary(), [row["iteration_time_s"] for row in alone]
    assert (found["replicas"], found["replica_iteration_times_s"]) == (3, pytest.approx(times))
    sure = mean_of(times)
    assert [found[f"iteration_time_{name}"] for name in ("ci_low_s", "ci_high_s", "s")] == pytest.approx(
        [sure.low, sure.high, sure.mean]
    )
    assert found["samples_per_s"] == pytest.approx(sum(row["samples_per_s"] for row in alone) / 3, rel=1e-12)
    assert trace.scenario is several_of


def test_the_best_bucket_is_found_without_records_and_played_with_them() -> None:
    runs, searched = (
        Runs(),
        scenario(**{"job.bucket": {"kind": "search", "smallest": "20 kB", "refine": 0, "steps": 1}}),
    )
    trace = several.with_best_bucket(runs, searched, engine="simpy", detail="last")
    *tried, (last, how) = runs.asked
    assert all(each == {"engine": "simpy", "detail": "summary"} for _, each in tried)
    assert how == {"engine": "simpy", "detail": "last"} and last.job.bucket != searched.job.bucket
    best = min(tried, key=lambda each: float(simulate(each[0]).summary()["iteration_time_s"]))[0]
    assert last.job.bucket == best.job.bucket and last.iterations == 2
    assert trace.scenario is searched
    assert {"bucket_chosen", "buckets_tried"} <= set(trace.summary())


def test_costs_are_those_of_all_samples_of_an_iteration_where_it_is_said_how_many_there_are() -> None:
    plain = simulate(scenario())
    assert several.with_costs(plain) is plain
    epochs = scenario(**{"job.samples": 800, "job.accumulate": 2})
    found = simulate(epochs).summary()
    assert found["epoch_time_s"] == pytest.approx(800 / (2 * 4 * 2) * found["iteration_time_s"])


def test_shares_by_speed_stand_beside_equal_ones() -> None:
    runs = Runs()
    trace = simulate(scenario(**{"job.shares": "proportional"}), engine="simpy")
    beside = several.beside_equal_shares(runs, replace(trace, facts={**trace.facts, "more": {}}), engine="simpy")
    ((equal, how),) = runs.asked
    assert (equal.job.shares, how) == ("equal", {"engine": "simpy", "detail": "summary"})
    found, before = beside.summary(), simulate(equal).summary()["samples_per_s"]
    assert found["equal_shares_samples_per_s"] == before
    assert found["gain_over_equal_shares"] == pytest.approx(found["samples_per_s"] / before)
    assert found["ideal_samples_per_s"] == pytest.approx(found["samples_per_s"] / found["scaling_efficiency"])
    assert found["ideal_gain_over_equal_shares"] == pytest.approx(found["ideal_samples_per_s"] / before)


@pytest.mark.parametrize(
    ("changes", "of_steps"),
    [
        ({}, True),
        ({"job.strategy": {"kind": "parameter_server", "mode": "async"}}, False),
        ({"job.strategy": {"kind": "parameter_server"}, "job.local_steps": 2}, True),  # servers hear of every second
    ],
    ids=str,
)
def test_what_is_learnt_is_learnt_from_updates_or_from_steps(
    changes: dict[str, Any], of_steps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    curve = several.curve
    monkeypatch.setattr(several, "curve", lambda *given: heard.append(given[2]) or curve(*given))
    trace = simulate(scenario(**{"job.statistics": {"batch": 4}, **changes}))
    assert len(heard) == 1
    assert heard[0] == (several.updates_of_steps(trace.steps) if of_steps else list(trace.updates))
    assert len(heard[0]) == 4
    assert "learning" in trace.facts
