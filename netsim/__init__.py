"""netsim: a discrete-event simulator of distributed training.

>>> import netsim
>>> result = netsim.allreduce("ring", ranks=8, size="64 MiB", rate="50 GB/s", latency="500 ns")
>>> round(result.time_s * 1e3, 3)
2.356

Everything heavy is imported when it is first used, so that `import netsim` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netsim.errors import NetsimError, RunError, ScenarioError
from netsim.version import VERSION as __version__

if TYPE_CHECKING:
    from netsim.api import allreduce, explanation, sweep
    from netsim.engine.run import simulate
    from netsim.loading import expand, load
    from netsim.results import compare
    from netsim.scenario import Scenario
    from netsim.trace import Trace

__all__ = [
    "NetsimError",
    "RunError",
    "Scenario",
    "ScenarioError",
    "Trace",
    "__version__",
    "allreduce",
    "compare",
    "expand",
    "explanation",
    "load",
    "simulate",
    "sweep",
]

_HOMES = {
    "Scenario": "netsim.scenario",
    "Trace": "netsim.trace",
    "allreduce": "netsim.api",
    "compare": "netsim.results",
    "expand": "netsim.loading",
    "explanation": "netsim.api",
    "load": "netsim.loading",
    "simulate": "netsim.engine.run",
    "sweep": "netsim.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'netsim' has no attribute {name!r}")
    globals()[name] = getattr(import_module(_HOMES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
