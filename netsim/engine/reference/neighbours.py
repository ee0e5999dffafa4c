"""Other jobs on the job's network, in SimPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import simpy
from simpy.events import AllOf, Event

from netsim.engine.messages import Sender, Tenant
from netsim.engine.plan import Plan
from netsim.engine.record.log import Log
from netsim.engine.reference.network import Network

Crew = Callable[[Plan, Sender, Log, Callable[[int], object]], tuple[object, list[simpy.Process]]]  # starts workers


@dataclass
class Neighbour:
    """Another job as it runs: when each of its iterations ended, in runs of as many as the job has."""

    name: str
    tenant: Tenant
    lengths: list[float]  # s, of iterations that have ended

    @property
    def figures(self) -> dict[str, float | int | None]:
        """What a summary says of it; no iteration time where none has ended."""
        mean = math.fsum(self.lengths) / len(self.lengths) if self.lengths else None
        figures = {"iteration_time_s": mean, "iterations": len(self.lengths), "wire_bytes": self.tenant.nbytes}
        return {f"neighbour.{self.name}.{key}": value for key, value in figures.items()}


def begin(plan: Plan, network: Network, crew: Crew) -> list[Neighbour]:
    """Has each neighbour train backstage, over and over."""
    neighbours = []
    for guest in plan.guests:
        neighbour = Neighbour(guest.name, network.tenant(guest.hosts), [])
        neighbour.tenant.env.process(_trains(neighbour, guest.plan, crew))
        neighbours.append(neighbour)
    return neighbours


def _trains(neighbour: Neighbour, plan: Plan, crew: Crew) -> Generator[Event, Any, None]:
    """One run after the other; each ends when all its workers have."""
    env = neighbour.tenant.env
    while True:
        before = env.now

        def ended(_: int) -> None:
            nonlocal before
            neighbour.lengths.append(env.now - before)
            before = env.now

        _, workers = crew(plan, neighbour.tenant, Log(plan, "summary"), ended)
        yield AllOf(env, workers)
