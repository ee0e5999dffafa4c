"""All that is said of one scenario: its critical path, what would help, and how far from the possible it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netsim.explain.path import CriticalPath, critical_path
from netsim.explain.sensitivities import STRATEGIES, Sensitivity, Simulate, bounds, sensitivities
from netsim.explain.told import told
from netsim.markup import bar, paragraphs, table
from netsim.scenario import Scenario
from netsim.trace import Trace
from netsim.units import show
from netsim.wording import part_name


@dataclass(frozen=True)
class Explanation:
    """Why an iteration takes its time; times in s, of an iteration on the mean over the run."""

    summary: dict[str, Any]  # of the run
    path: CriticalPath
    bounds: dict[str, float | None]
    sensitivities: tuple[Sensitivity, ...]
    trace: Trace = field(repr=False)

    def _repr_html_(self) -> str:
        """The sentences, the parts of the path, and what would help, in notebooks."""
        whole = self.path.length or 1.0
        parts = sorted(self.path.decomposition.items(), key=lambda each: -each[1])
        path = [
            (part_name(part), show(each, "s"), f"{each / whole:.1%}", bar(each / whole)) for part, each in parts if each
        ]
        helps = [
            (each.change, "–" if each.predicted_s is None else show(each.predicted_s, "s"), show(each.simulated_s, "s"),
             f"{-each.saves_share:+.1%}", "path changed" if each.path_changed else "")
            for each in self.sensitivities
        ]  # fmt: skip
        said = paragraphs(told(self)) + table(path, headers=("critical path", "an iteration", "share", ""))
        return said + (table(helps, headers=("if", "predicted", "simulated", "change", "")) if helps else "")

    def as_dict(self) -> dict[str, Any]:
        """What `netsim explain --json` prints."""
        kept = ("scenario", "engine", "seed", "strategy", "model", "workers", "iterations", "iteration_time_s")
        return {
            **{key: self.summary[key] for key in kept},
            "decomposition": self.path.decomposition,
            "bottleneck": self.path.bottleneck,
            "compute_by_layer": self.path.by("compute"),
            "time_by_link": self.path.by_link,
            "waiting_by_rival": self.path.by("sharing", "queueing"),
            "bounds": self.bounds,
            "sensitivities": [each.as_dict() for each in self.sensitivities],
        }


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
