"""Rows that measure training throughput on clusters whose single device's speed is known from the same source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import from_table, vary
from netsim.scenario import Group, Scenario


@dataclass(frozen=True)
class Training:
    """A job whose workers compute as fast as one device alone was measured to (`alone`, samples/s)."""

    scenario: Scenario
    alone: float

    @classmethod
    def of(cls, base: Mapping[str, Any], row: Mapping[str, Any]) -> Training:
        """A row's columns are keys of the scenario by their paths, and `alone`; ScenarioError for what is wrong."""
        alone = row.get("alone")
        if not isinstance(alone, (int, float)) or alone <= 0:
            raise ScenarioError("must be the samples/s of one device alone", path="alone")
        return cls(from_table(base, {key: value for key, value in row.items() if key != "alone"}), float(alone))

    def samples_per_s(self) -> float:
        """As simulated; the device's computing is scaled so that one worker alone does `alone`."""
        single = simulate(vary(self.scenario, {"cluster.workers": 1}), detail="summary").summary()["samples_per_s"]
        cluster = self.scenario.cluster
        group = Group(count=cluster.workers or 1, slowdown=single / self.alone)
        scaled = replace(self.scenario, cluster=replace(cluster, workers=None, group=(group,)))
        return float(simulate(scaled, detail="summary").summary()["samples_per_s"])
