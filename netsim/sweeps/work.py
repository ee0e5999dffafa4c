"""What is done with a batch of points, here or anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netsim.errors import NetsimError, RunError, ScenarioError
from netsim.loading import from_table
from netsim.sweeps.points import Sweep
from netsim.sweeps.store import Outcome
from netsim.version import identity

Simulate = Callable[..., Any]
Done = tuple[list[Outcome], float]  # and the seconds that it took


@dataclass(frozen=True)
class Work:
    """Simulates a scenario's table at points of it. It travels to where that is done, with no more than it needs."""

    table: Mapping[str, Any]
    name: str
    engine: str
    code: str
    simulate: Simulate

    @classmethod
    def on(cls, sweep: Sweep, simulate: Simulate) -> Work:
        """What is to be done at the points of a sweep."""
        return cls(sweep.table, sweep.scenario.name, sweep.engine, sweep.code, simulate)

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> Done:
        """The outcomes at coordinates. Raises RunError where netsim is another than that which asks."""
        if self.code != identity():
            raise RunError(f"a worker has netsim {identity()}, and this is {self.code}; they must be the same")
        begun = time.perf_counter()
        return [self._outcome(coordinates) for coordinates in batch], time.perf_counter() - begun

    def _outcome(self, coordinates: Mapping[str, Any]) -> Outcome:
        """A bug in one point is noted down like any failure: the others are worth having."""
        try:
            scenario = from_table(self.table, coordinates, name=self.name)
            return Outcome(self.simulate(scenario, engine=self.engine, detail="summary").summary(), None)
        except NetsimError as error:
            return Outcome(None, str(error), refused=isinstance(error, ScenarioError))
        except MemoryError:
            return Outcome(None, "not enough memory")
        except Exception as error:
            return Outcome(None, f"a bug of netsim: {type(error).__name__}: {error}")
