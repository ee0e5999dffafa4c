"""What is to be simulated, as frozen SI numbers: a Scenario is a Cluster, a Job and the noise on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netsim.hardware import Device, Link
from netsim.units import Rate, Size


@dataclass(frozen=True, kw_only=True)
class Group:
    """Workers that are alike. `slowdown` multiplies their computing times."""

    count: int
    device: Device
    link: Link
    slowdown: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The machines and their network: `workers` equal ones, or `group`s of unequal ones.

    Parameter servers that stand apart have `server_link`, by default the workers' link. `sharing` says how messages
    share a link; `reduction_rate` (bytes/s) is how fast a host adds received gradients to its own, None for at no cost.
    """

    workers: int | None = None
    device: Device | None = None
    link: Link | None = None
    group: tuple[Group, ...] = ()
    topology: Any = None  # a member of topologies: Star() by default
    sharing: str = "fair"  # "fair" | "fifo"
    server_link: Link | None = None
    reduction_rate: Rate | None = None

    @property
    def groups(self) -> tuple[Group, ...]:
        """The workers as groups, whichever way they were given; worker 0 is the first of the first group."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained and how: a model, samples per worker and iteration, a strategy of exchanging gradients.

    `bucket`: "layer", "all", or a size in bytes up to which gradients are gathered before they are exchanged.
    `overlap`: exchange while the backward pass goes on. `streams`: all-reduces in flight at once.
    """

    model: Any  # netsim.models.base.Model
    batch: int
    strategy: Any  # a member of collectives, or training.parameter_server.ParameterServer
    overlap: bool = True
    bucket: Size | str = 25e6
    streams: int = 1


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Seeded irregularity. `jitter`: standard deviation of the logarithm of a worker's computing time in a step."""

    jitter: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One thing to simulate. `table` is the file's own text as nested dicts after overrides, from which axes vary it."""

    cluster: Cluster
    job: Job
    seed: int = 0
    iterations: int = 1
    noise: Noise = Noise()
    sweep: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    name: str = "scenario"
    question: str = ""  # the comment at the top of the file
    table: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
