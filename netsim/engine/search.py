"""The best size of buckets, found by simulating a few steps with each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from netsim.scenario import Scenario
from netsim.training.buckets import Search
from netsim.units import show, write

_STEP = 1024.0  # bytes
Tried = dict[float | str, float]  # size, "layer" or "all" -> seconds of a step


def best_bucket(scenario: Scenario, rule: Search, seconds: Callable[[Scenario], float]) -> tuple[float | str, Tried]:
    """The size with the shortest step, of equal ones the first that was tried, and all that were tried.

    `seconds`: of a step of a scenario. Deterministic: the same scenario has the same answer everywhere."""
    workers = sum(group.count for group in scenario.cluster.groups)
    total = float(sum(scenario.job.gradient_sizes(workers)))
    steps = math.ceil(rule.steps / scenario.job.local_steps) * scenario.job.local_steps
    tried: Tried = {}

    def look_at(size: float | str) -> None:
        if size not in tried:
            tried[size] = seconds(replace(scenario, iterations=steps, job=replace(scenario.job, bucket=size)))

    first: list[float | str] = ["layer", *rule.sizes(total), "all"]
    for size in first:
        look_at(size)
    for _ in range(rule.refine):
        for between in _beside(min(tried, key=lambda each: tried[each]), tried, total):
            look_at(between)
    return min(tried, key=lambda each: tried[each]), tried


def in_words(tried: Tried) -> str:
    """All sizes that were tried, from the smallest, with their times."""
    words = {"layer": 0.0, "all": math.inf}
    sizes = sorted(tried, key=lambda size: words[size] if isinstance(size, str) else size)
    return "; ".join(
        f"{size if isinstance(size, str) else show(size, 'B')}: {show(tried[size], 's')}" for size in sizes
    )


def named(size: float | str) -> str:
    """A size as a scenario's `bucket` has it."""
    return size if isinstance(size, str) else write(size, "B")


def _beside(best: float | str, tried: Tried, total: float) -> list[float]:
    """Half way (on a scale of ratios, to the next KiB) from the best size to its neighbours; "all" is the last one."""
    if best == "layer":
        return []
    row = [*sorted(size for size in tried if not isinstance(size, str)), total]
    at = total if isinstance(best, str) else best
    return [round(math.sqrt(low * high) / _STEP) * _STEP for low, high in pairwise(row) if at in (low, high)]
