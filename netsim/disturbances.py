"""What else happens on the links of a cluster: they fail and come back, and others send over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from netsim.errors import Problem, ScenarioError
from netsim.units import Duration, Quantity, Rate

Longer = Annotated[float, Quantity("s", above=0, at_most=1e9)]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A link, or all links of a host, that slows down or fails, and comes back.

    link: the name of the link ("worker3.up"), or of one of the nodes that it connects.
    factor: what is left of the rate meanwhile; 0 is a failure.
    at, lasts: when it begins (s) and how long it lasts; for ever where that is left out.
    mtbf, mttr: instead, the mean times (s) between a recovery and the next fault, and from a fault to its recovery;
    both are drawn from exponential distributions, by a seeded stream of each link's own.
    """

    link: str
    factor: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    at: Duration | None = None
    lasts: Longer | None = None
    mtbf: Longer | None = None
    mttr: Longer | None = None

    def __post_init__(self) -> None:
        problems = []
        drawn = self.mtbf is not None or self.mttr is not None
        if drawn == (self.at is not None):
            problems.append(Problem("at", "give either when it begins (at, lasts), or mtbf and mttr, to have it drawn"))
        for key, other in (("mtbf", "mttr"), ("mttr", "mtbf")):
            if getattr(self, key) is not None and getattr(self, other) is None:
                problems.append(Problem(other, f"is missing; it goes with {key}"))
        if drawn and self.lasts is not None:
            problems.append(Problem("lasts", "goes with at; mttr is the mean of what is drawn"))
        if problems:
            raise ScenarioError(problems)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Messages of others on the job's network, drawn from a seeded stream of its own.

    src, dst: the names of hosts; drawn for each message where they are left out.
    size: of a message (bytes), its mean under `sizes` "exponential" or "pareto" (of shape 1.5: most are small, most
    bytes are in large ones). rate: what is sent in all on the mean (bytes/s).
    arrivals: "poisson"; "periodic"; or "back_to_back", one connection that begins the next message when the one before
    has come, at most at `rate`: a constant load.
    start, stop: when it begins and ends (s).
    """

    size: Annotated[float, Quantity("B", above=0, at_most=1e18)]
    rate: Rate
    src: str | None = None
    dst: str | None = None
    sizes: Literal["constant", "exponential", "pareto"] = "constant"
    arrivals: Literal["poisson", "periodic", "back_to_back"] = "poisson"
    start: Duration = 0.0
    stop: Longer | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.src is not None and self.src == self.dst:
            problems.append(Problem("dst", f"{self.dst!r} is the source, too; within a host nothing is sent"))
        if self.stop is not None and self.stop <= self.start:
            problems.append(Problem("stop", "must be later than start"))
        if problems:
            raise ScenarioError(problems)
