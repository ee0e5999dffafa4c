"""How much passed each link, over time: a series of few bins that become as long as they have to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from netsim.trace import LinkBin, Transfer

BINS = 64


class Meter:
    """Bytes of each link in bins of equal length, from the moment at which it is turned on. As many bins are kept as
    ever: where time goes on, two become one."""

    def __init__(self, links: Sequence[Hashable], start: float, *, bins: int = BINS) -> None:
        self.start, self.length = start, 0.0  # s; the length is found by the first bytes
        self._until = start  # s; links in order of arrival know beforehand what will pass
        self._bins = bins
        self._rows = {link: row for row, link in enumerate(links)}
        self._bytes: npt.NDArray[np.float64] = np.zeros((len(links), bins))

    @classmethod
    def of(
        cls, links: Sequence[Hashable], start: float, length: float, nbytes: npt.NDArray[np.float64], *, until: float
    ) -> Meter:
        """One that has measured this: bytes of each link in each bin, the last of them at `until`."""
        meter = cls(links, start, bins=nbytes.shape[1])
        meter.length, meter._bytes, meter._until = length, nbytes, max(start, until)
        return meter

    def passed(self, link: Hashable, begin: float, end: float, rate: float) -> None:
        """Bytes passed the link from `begin` to `end` (s), at a rate (bytes/s)."""
        begin = max(begin, self.start)
        if end <= begin or rate <= 0:
            return
        self._reach(end)
        self._until = max(self._until, end)
        row, at = self._bytes[self._rows[link]], (begin - self.start) / self.length
        until = (end - self.start) / self.length
        first, last = int(at), min(int(until), self._bins - 1)
        if first >= last:
            row[last] += rate * (end - begin)
            return
        row[first] += rate * self.length * (first + 1 - at)
        row[first + 1 : last] += rate * self.length
        row[last] += rate * self.length * (until - last)

    def at_once(self, link: Hashable, when: float, nbytes: float, rate: float) -> None:
        """So many bytes passed the link at one moment, ahead of its rate (bytes/s)."""
        if nbytes <= 0 or when < self.start:
            return
        self._reach(when + nbytes / rate)
        self._until = max(self._until, when)
        place = min(int((when - self.start) / self.length), self._bins - 1)
        self._bytes[self._rows[link], place] += nbytes

    def bins(self, names: Sequence[str], end: float) -> Iterator[LinkBin]:
        """The bins that begin before `end`, of links that carried anything; the last is as long as its bytes need."""
        starts = [self.start + number * self.length for number in range(self._bins)]
        starts = [start for start in starts if start < end * (1 - 1e-9)]
        last = min(starts[-1] + self.length, max(end, self._until)) if starts else end
        return _rows(names, self._bytes, starts, last)

    def _reach(self, end: float) -> None:
        if not self.length:
            self.length = (end - self.start) / self._bins
        while end > self.start + self.length * self._bins * (1 + 1e-12):
            halves = self._bytes.reshape(len(self._bytes), -1, 2).sum(axis=2)
            self._bytes[:] = 0.0
            self._bytes[:, : halves.shape[1]] = halves
            self.length *= 2


def bins_of(
    transfers: Sequence[Transfer],
    names: Sequence[str],
    route: Callable[[int, int], Sequence[int]],
    *,
    within: tuple[float, float],
) -> Iterator[LinkBin]:
    """The same, of a stretch of time, from messages that each went at one rate, as in the fast engine."""
    if not transfers:
        return iter(())
    routes = {ends: route(*ends) for ends in {(each.src, each.dst) for each in transfers}}
    hops = [(link, each.nbytes, each.start, each.end) for each in transfers for link in routes[each.src, each.dst]]
    links, nbytes, starts, ends = np.asarray(hops).T
    edges = np.linspace(*within, BINS + 1)
    lasts = np.where(ends > starts, ends - starts, 1.0)
    rows = links.astype(np.int64)
    so_far = np.zeros((len(edges), len(names)))
    for place, edge in enumerate(edges):
        share = np.clip((edge - starts) / lasts, 0.0, 1.0)
        so_far[place] = np.bincount(rows, nbytes * share, minlength=len(names))
    return _rows(names, (so_far[1:] - so_far[:-1]).T, edges[:-1].tolist(), float(edges[-1]))


def _rows(
    names: Sequence[str], nbytes: npt.NDArray[np.float64], starts: Sequence[float], end: float
) -> Iterator[LinkBin]:
    ends = [*starts[1:], end]
    for name, row in zip(names, nbytes.tolist(), strict=True):
        if any(row):
            yield from (LinkBin(name, *each) for each in zip(starts, ends, row, strict=False))
