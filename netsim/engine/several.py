"""What takes several runs of a scenario, or is worked out once a run is over: figures that its summary has more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from netsim.confidence import mean_of
from netsim.costs import costs
from netsim.engine.search import best_bucket, in_words, named
from netsim.learning.replay import curve, in_figures, updates_of_steps
from netsim.scenario import Scenario
from netsim.trace import Trace
from netsim.training.buckets import Search

Simulate = Callable[..., Trace]  # of a scenario, with an engine, a detail, and whom to tell of progress


def with_best_bucket(simulate: Simulate, scenario: Scenario, **options: Any) -> Trace:
    """The trace with the size of buckets that a search finds; its summary says which, and what was tried."""
    rule = scenario.job.bucket
    assert isinstance(rule, Search)

    def seconds(tried: Scenario) -> float:
        trace = simulate(tried, engine=options["engine"], detail="summary")
        return float(trace.summary()["iteration_time_s"])

    best, tried = best_bucket(scenario, rule, seconds)
    trace = simulate(replace(scenario, job=replace(scenario.job, bucket=best)), **options)
    found = {"bucket_chosen": named(best), "buckets_tried": in_words(tried)}
    return _with_more(replace(trace, scenario=scenario), found)


def with_replicas(simulate: Simulate, scenario: Scenario, **options: Any) -> Trace:
    """The first replica's trace, whose summary has the means over all replicas, with seeds from the scenario's on, and
    the confidence interval of the iteration time."""
    one = replace(scenario, replicas=1)
    first = simulate(one, **options)
    seeds = range(scenario.seed + 1, scenario.seed + scenario.replicas)
    rows = [first.summary()]
    rows += [simulate(replace(one, seed=seed), engine=options["engine"], detail="summary").summary() for seed in seeds]
    figures = [key for key, value in rows[0].items() if isinstance(value, float)]
    means = {
        key: mean_of([row[key] for row in rows]).mean for key in figures if all(row[key] is not None for row in rows)
    }
    times = [row["iteration_time_s"] for row in rows]
    sure = mean_of(times)
    found = {
        "replicas": scenario.replicas,
        "iteration_time_ci_low_s": sure.low,
        "iteration_time_ci_high_s": sure.high,
        "replica_iteration_times_s": times,
    }
    return _with_more(replace(first, scenario=scenario), {**means, **found})


def with_costs(trace: Trace) -> Trace:
    """The trace with the time, money and energy of epochs, where the scenario says how many samples there are."""
    if trace.scenario.job.samples is None:
        return trace
    return _with_more(trace, costs(trace.scenario, sum(trace.facts["samples"]), trace.summary()["iteration_time_s"]))


def with_learning(trace: Trace) -> Trace:
    """The trace with the curve of a small optimisation in the order of its updates, where that is asked for."""
    statistics = trace.scenario.job.statistics
    if statistics is None:
        return trace
    in_step = trace.scenario.job.local_steps > 1 or not trace.updates  # servers hear of no local steps
    updates = updates_of_steps(trace.steps) if in_step else list(trace.updates)
    points = curve(trace.scenario, trace.facts["samples"], updates)
    return _with_more(replace(trace, facts={**trace.facts, "learning": points}), in_figures(points, statistics.target))


def beside_equal_shares(simulate: Simulate, trace: Trace, *, engine: str) -> Trace:
    """The trace whose summary also says what equal shares of the same global batch would have done, and what workers
    that never wait would do at best: the sum of their speeds."""
    scenario = trace.scenario
    equal = replace(scenario, job=replace(scenario.job, shares="equal"))
    before = simulate(equal, engine=engine, detail="summary").summary()["samples_per_s"]
    found = trace.summary()
    ideal = found["samples_per_s"] / found["scaling_efficiency"]
    gains = {
        "equal_shares_samples_per_s": before,
        "ideal_samples_per_s": ideal,
        "gain_over_equal_shares": found["samples_per_s"] / before,
        "ideal_gain_over_equal_shares": ideal / before,
    }
    return _with_more(trace, gains)


def _with_more(trace: Trace, found: Mapping[str, Any]) -> Trace:
    """The trace with more figures in its summary."""
    return replace(trace, facts={**trace.facts, "more": {**trace.facts["more"], **found}})
