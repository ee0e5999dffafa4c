"""One scenario explained: played with its causes, then with every change that might help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from netsim.explain.path import critical_path
from netsim.explain.sensitivities import STRATEGIES, Simulate, bounds, sensitivities
from netsim.explain.told import Explanation
from netsim.scenario import Scenario
from netsim.trace import Trace


def explanation(
    scenario: Scenario,
    simulate: Simulate,
    *,
    strategies: Sequence[str] = STRATEGIES,
    changed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Explanation:
    """Plays the scenario with its causes, then, if it is to be `changed`, every change of it. Of replicas the first.

    progress: hears of each iteration of that.
    Raises ScenarioError for a scenario whose records would not fit this machine's memory.
    """
    scenario = replace(scenario, replicas=1, job=replace(scenario.job, statistics=None))  # learning takes no time
    trace = _with_causes(scenario, simulate, progress)
    summary, path = trace.summary(), critical_path(trace)
    known = {
        "lower_bound_s": summary["lower_bound_iteration_time_s"],
        "closed_form_s": summary["closed_form_iteration_time_s"],
    }
    if not changed:
        return Explanation(summary, path, known, (), trace)
    found = sensitivities(scenario, path, simulate, strategies)
    return Explanation(summary, path, {**bounds(scenario, simulate), **known}, tuple(found), trace)


def _with_causes(scenario: Scenario, simulate: Simulate, progress: Callable[[int], None] | None) -> Trace:
    """A run whose activities know their causes: of the engine that is fastest and exact, or, where that one does not
    follow them, of the reference, which gives the same times."""
    trace = simulate(scenario, detail="full", progress=progress)
    return trace if len(trace.activities) else simulate(scenario, engine="simpy", detail="full", progress=progress)
