"""Rows that measure training throughput on clusters whose single device's speed is known from the same source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.loading import from_table, vary
from netsim.scenario import Scenario


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
        changes = {key: value for key, value in row.items() if key != "alone"}
        return cls(vary(from_table(base), changes), float(alone))

    def samples_per_s(self) -> float:
        """As simulated; the device's computing is scaled so that one worker alone does `alone`."""
        workers = sum(group.count for group in self.scenario.cluster.groups)
        single = simulate(vary(self.scenario, {"cluster.workers": 1}), detail="summary").summary()["samples_per_s"]
        changes = {"cluster.group": [{"count": workers, "slowdown": single / self.alone}]}
        table = {**self.scenario.table, "cluster": dict(self.scenario.table["cluster"])}
        table["cluster"].pop("workers", None)
        scaled = vary(from_table(table), changes)
        return float(simulate(scaled, detail="summary").summary()["samples_per_s"])
