"""When hosts stop and return: given times, or a seeded process of failures and repairs. No clock of an engine."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from netsim.errors import ScenarioError
from netsim.units import Duration


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A host stops: `host` by its name, or each of the "workers" or "servers".

    `at` says when, and `lasts` how long it is away, for ever where it is left out; or `mtbf` and `mttr` are the mean
    times between failures and to repair, both exponential, of a seeded stream for each host.
    """

    host: str
    at: Duration | None = None
    lasts: Duration | None = None
    mtbf: Duration | None = None
    mttr: Duration | None = None

    def __post_init__(self) -> None:
        given = (self.at is not None, self.mtbf is not None, self.mttr is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ValueError("say either at (and lasts), or mtbf and mttr")
        if self.lasts is not None and self.at is None:
            raise ValueError("lasts belongs to at; with mtbf, mttr says how long a host is away")
        if name := next((name for name in ("lasts", "mtbf", "mttr") if getattr(self, name) == 0), None):
            raise ValueError(f"{name} must be more than 0 s")

    @property
    def returns(self) -> bool:
        """Whether the host comes back."""
        return self.at is None or self.lasts is not None

    def among(self, hosts: Sequence[str]) -> list[str]:
        """The hosts that are meant; ScenarioError if there are none."""
        meant = [host for host in hosts if self.host in (host, host.rstrip("0123456789") + "s")]
        if not meant:
            raise ScenarioError(f"no host {self.host!r}; there are {_named(hosts)}", path="host")
        return meant

    def outages(self, host: str, seed: int) -> Iterator[tuple[float, float]]:
        """From when to when the host is away (s), in order."""
        if self.at is not None:
            yield self.at, math.inf if self.lasts is None else self.at + self.lasts
            return
        assert self.mtbf is not None and self.mttr is not None
        draws = np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(b"stop"), zlib.crc32(host.encode())]))
        now = 0.0
        while True:
            stops = now + draws.exponential(self.mtbf)
            now = stops + draws.exponential(self.mttr)
            yield float(stops), float(now)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What becomes of a job whose hosts stop.

    `workers`: the others "wait" for one that stops, or "drop" it after `timeout` and take it up again when it returns;
    all-reduces then form a new group, which takes `reform`.
    `servers`: the keys of one that stops "wait" for it, or go to a "replica" within `failover`. `restart`: what a host
    needs after it has returned, before it computes again. `checkpoint_every` so many iterations a worker saves for
    `checkpoint`; then a job whose worker stops goes back to the last checkpoint, all of it.
    """

    workers: Literal["wait", "drop"] = "wait"
    timeout: Duration = 0.0
    reform: Duration = 0.0
    servers: Literal["wait", "replica"] = "wait"
    failover: Duration = 0.0
    restart: Duration = 0.0
    checkpoint_every: Annotated[int, Interval(ge=1, le=10_000_000)] | None = None
    checkpoint: Duration = 0.0

    def __post_init__(self) -> None:
        if self.timeout and self.workers == "wait":
            raise ValueError('timeout is for workers = "drop"; who waits waits as long as it takes')
        if self.reform and self.workers == "wait":
            raise ValueError('reform is for workers = "drop"; who waits forms no new group')
        if self.failover and self.servers == "wait":
            raise ValueError('failover is for servers = "replica"')
        if self.checkpoint and self.checkpoint_every is None:
            raise ValueError("checkpoint says how long saving takes; say checkpoint_every how many iterations, too")
        if self.checkpoint_every is not None and self.workers == "drop":
            raise ValueError(
                'a job goes back to a checkpoint, or goes on without the worker (workers = "drop"), not both'
            )


WAIT = Recovery()


class Outages:
    """When each host is away, worked out as far as anybody asks."""

    def __init__(self, stops: Sequence[Stop], hosts: Sequence[str], seed: int) -> None:
        self._coming = [[each.outages(host, seed) for each in stops if host in each.among(hosts)] for host in hosts]
        self._known: list[list[tuple[float, float]]] = [[] for _ in hosts]
        self._heads = [[next(each, None) for each in coming] for coming in self._coming]

    def away(self, host: int, now: float) -> tuple[float, float] | None:
        """Since when and until when the host is away at that time; None if it is there."""
        return next(((begin, end) for begin, end in self._until(host, now) if begin <= now < end), None)

    def next(self, host: int, now: float) -> float:
        """When the host stops next, from that time on; infinity for never."""
        self._until(host, now)
        known = self._known[host]
        while not known or known[-1][0] < now:
            if not self._learn(host):
                return math.inf
        return next((begin for begin, _ in known if begin >= now), math.inf)

    def _until(self, host: int, now: float) -> list[tuple[float, float]]:
        while not self._known[host] or self._known[host][-1][0] <= now:
            if not self._learn(host):
                break
        return self._known[host]

    def _learn(self, host: int) -> bool:
        """One more outage, joined to those that it overlaps."""
        heads = self._heads[host]
        coming = [(head, number) for number, head in enumerate(heads) if head is not None]
        if not coming:
            return False
        (begin, end), number = min(coming)
        heads[number] = next(self._coming[host][number], None)
        known = self._known[host]
        if known and begin <= known[-1][1]:
            known[-1] = known[-1][0], max(end, known[-1][1])
        else:
            known.append((begin, end))
        return True


def _named(hosts: Sequence[str]) -> str:
    kinds = list(dict.fromkeys(host.rstrip("0123456789") for host in hosts))
    counts = {kind: sum(host.rstrip("0123456789") == kind for host in hosts) for kind in kinds}
    return ", ".join(f"{kind}0 .. {kind}{count - 1}" if count > 1 else f"{kind}0" for kind, count in counts.items())
