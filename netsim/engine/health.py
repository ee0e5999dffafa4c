"""What is left of a link's rate as time goes on: links that slow down, fail and come back."""

from __future__ import annotations

import heapq
import math
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from netsim.disturbances import Fault
from netsim.trace import Interruption, LinkChange

NOTHING: Mapping[int, Health] = MappingProxyType({})  # befalls any link
Change = tuple[float, float]  # when (s), and the share of its rate that the link has from then on


class Health:
    """The share of its rate that a link has at any time. Changes are drawn as they are asked for, so that a process
    without an end may be looked ahead into."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._coming = iter(changes)
        self._times, self._shares = [-math.inf], [1.0]

    def after(self, time: float) -> Change | None:
        """The first change later than that; None if there is none any more."""
        while self._times[-1] <= time:
            if not self._draw():
                return None
        place = bisect_right(self._times, time)
        return self._times[place], self._shares[place]

    def at(self, time: float) -> float:
        """The share at that time."""
        self.after(time)
        return self._shares[bisect_right(self._times, time) - 1]

    def passes(self, nbytes: float, rate: float, *, limit: float, start: float) -> Iterator[tuple[float, float, float]]:
        """The stretches (from, to, bytes/s) in which bytes pass a link of that rate, at most at `limit`, from `start`
        on; the last one has no end where the link never comes back, or 0 bytes/s where it is down."""
        while True:
            speed, change = min(rate * self.at(start), limit), self.after(start)
            until = math.inf if change is None else change[0]
            lasts = nbytes / speed if speed > 0 else math.inf
            if start + lasts <= until:
                yield start, start + lasts, speed
                return
            yield start, until, speed
            nbytes, start = nbytes - speed * (until - start), until

    def _draw(self) -> bool:
        """Whether there is one more change."""
        change = next(self._coming, None)
        if change is None:
            return False
        self._times.append(change[0])
        self._shares.append(change[1])
        return True


def figures(changes: Sequence[LinkChange], interruptions: Sequence[Interruption]) -> dict[str, Any]:
    """What a summary says of links that changed, if any did."""
    if not changes:
        return {}
    failures = sum(not change.share > 0 for change in changes)
    return {"link_failures": failures, "interrupted_messages": len(interruptions)}


def healths(faults: Iterable[Fault], links: Iterable[tuple[str, tuple[str, str]]], seed: int) -> dict[int, Health]:
    """Of each link, by its number, that some fault is about; `links` has their names and ends. Where several faults
    hold at once, the worst does."""
    found = {}
    faults = tuple(faults)
    for link, (name, ends) in enumerate(links):
        mine = [(number, fault) for number, fault in enumerate(faults) if fault.link in (name, *ends)]
        if mine:
            found[link] = Health(_worst([_changes(fault, seed, number, name) for number, fault in mine]))
    return found


def _changes(fault: Fault, seed: int, number: int, name: str) -> Iterator[Change]:
    """Of one fault: at its time, or by a stream of this fault's and this link's own."""
    if fault.at is not None:
        yield fault.at, fault.factor
        if fault.lasts is not None:
            yield fault.at + fault.lasts, 1.0
        return
    assert fault.mtbf is not None and fault.mttr is not None
    stream = np.random.SeedSequence([seed, zlib.crc32(b"fault"), number, zlib.crc32(name.encode())])
    random, time = np.random.default_rng(stream), 0.0
    while True:
        time += float(random.exponential(fault.mtbf))
        yield time, fault.factor
        time += float(random.exponential(fault.mttr))
        yield time, 1.0


def _worst(faults: list[Iterator[Change]]) -> Iterator[Change]:
    """The changes of all together: the least of their shares."""
    shares, worst = [1.0] * len(faults), 1.0
    for time, number, share in heapq.merge(*(_numbered(*each) for each in enumerate(faults))):
        shares[number] = share
        if min(shares) != worst:
            worst = min(shares)
            yield time, worst


def _numbered(number: int, changes: Iterator[Change]) -> Iterator[tuple[float, int, float]]:
    for time, share in changes:
        yield time, number, share
