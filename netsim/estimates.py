"""How large a run or a collective is, and how long it may take, before it is simulated: `--dry-run`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netsim.collectives.rounds import Collective
from netsim.engine.limits import Size, memory_limit
from netsim.engine.plan import plan
from netsim.engine.run import simulate, size_of
from netsim.errors import Problem, ScenarioError
from netsim.families import FAMILIES
from netsim.scenario import RANKS, Scenario
from netsim.units import Count, Quantity, parse

_BYTES = Quantity("B", at_least=0, at_most=1e18)
_MOST_TRIED = 2e5  # messages in an iteration, of which one is played to see how long it takes


def of_run(scenario: Scenario, *, engine: str, limit: float | None) -> dict[str, Any]:
    """Messages, memory (bytes; the most that an engine takes) and seconds that a run may take, by one round of its
    iterations; None for those of a run whose iteration is too long to be tried."""
    the_plan = plan(scenario)
    size = size_of(the_plan, "summary", at_once=True, limit=limit)
    a_step = the_plan.messages_per_iteration()
    return {
        "workers": the_plan.workers,
        "iterations": scenario.iterations,
        "replicas": scenario.replicas,
        "messages": a_step * scenario.iterations * scenario.replicas,
        "memory_bytes": size.memory,
        "memory_limit_bytes": memory_limit(limit),
        "refused": size.memory > memory_limit(limit),
        "estimate_s": _seconds(scenario, engine) if a_step <= _MOST_TRIED else None,
    }


def _seconds(scenario: Scenario, engine: str) -> float:
    """By one round of iterations, played twice, since the first one fills caches."""
    one = replace(scenario, iterations=scenario.job.local_steps, replicas=1)
    took = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        simulate(one, engine=engine, detail="summary")
        took = time.perf_counter() - begun
    return took * scenario.iterations / one.iterations * scenario.replicas


def of_collective(
    kind: Collective | Mapping[str, Any], *, ranks: int, size: str, limit: float | None
) -> dict[str, Any]:
    """Messages, and memory (bytes) that the reference would take for them. ScenarioError where they do not fit."""
    _refuse_unless({"ranks": (RANKS, ranks), "size": (_BYTES, size)})
    built: Collective = kind if isinstance(kind, Collective) else FAMILIES["collectives"].build(kind)
    built.fit(ranks)
    messages = built.messages_of(parse(size, "B"), ranks)
    memory = Size(workers=ranks, at_once=messages).memory
    return {"ranks": ranks, "messages": messages, "memory_bytes": memory, "memory_limit_bytes": memory_limit(limit)}


def _refuse_unless(given: Mapping[str, tuple[Count | Quantity, Any]]) -> None:
    """ScenarioError names all values that their marks do not read."""
    problems = []
    for path, (mark, value) in given.items():
        try:
            mark.read(value)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
    if problems:
        raise ScenarioError(problems)
