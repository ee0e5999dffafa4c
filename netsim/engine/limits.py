"""How large a run is, before it runs: what it needs of messages and memory, and what is refused."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from netsim.errors import ScenarioError
from netsim.units import show

# Bytes, as counted with tracemalloc on long and wide runs, rounded up.
_MESSAGE_BYTES, _RECORD_BYTES, _WORKER_BYTES, _STEP_BYTES = 600, 250, 20_000, 700


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a run keeps: workers, steps of workers, messages that are known at once, and records of spans and
    transfers."""

    workers: int
    steps: float = 0.0
    at_once: float = 0.0
    records: float = 0.0

    @property
    def memory(self) -> float:
        """Bytes that it takes, about."""
        kept = self.records * _RECORD_BYTES + self.workers * _WORKER_BYTES + self.steps * _STEP_BYTES
        return kept + self.at_once * _MESSAGE_BYTES


def machine_memory() -> float:
    """Bytes of this machine's memory; without end where the system does not say, as Windows'."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_limit(given: float | None) -> float:
    """Bytes above which a run is refused: those given, else half of this machine's."""
    return machine_memory() / 2 if given is None else given


def most_messages(limit: float | None) -> float:
    """More messages than this at once are refused."""
    return memory_limit(limit) / _MESSAGE_BYTES


def refuse_if_too_large(size: Size, *, limit: float | None, path: str) -> None:
    """ScenarioError with an estimate where a run would need more memory than the limit."""
    if size.memory <= (most := memory_limit(limit)):
        return
    steps = size.steps * _STEP_BYTES > size.memory / 2
    where = "iterations" if steps else path
    what = f"{size.steps:,.0f} steps of {size.workers} workers" if steps else f"{size.workers} workers"
    fewer = "iterations" if steps else "workers, or fewer slices"
    told = f"{what} would need about {show(size.memory, 'B', digits=2)} of memory; the limit is"
    of = f"half of this machine's {show(machine_memory(), 'B', digits=2)}" if limit is None else "as was asked for"
    raise ScenarioError(
        f"{told} {show(most, 'B', digits=2)}, {of}. Fewer {fewer}, or a higher --limit-memory, would do", path=where
    )
