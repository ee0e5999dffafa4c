"""What happens to links, told to the fast engine's kernels as they ask for it; and what met links that failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

from netsim.engine.health import Health
from netsim.topologies.base import Topology
from netsim.trace import Interruption, LinkChange

Ends = Sequence[tuple[int, int]]  # of each connection: source and destination


class Faults:
    """The changes of all links, one after another. At one moment, those are first that were known of first."""

    def __init__(self, health: Mapping[int, Health], topology: Topology, ends: Ends) -> None:
        self._health, self._topology, self._ends = health, topology, ends
        self._coming: list[tuple[float, float, int, float]] = []  # when, since when that is known, link, its share
        self._told: list[LinkChange] = []
        self.interruptions: list[Interruption] = []
        self.raised: BaseException | None = None  # in the midst of a kernel, as when somebody interrupts it
        for link in health:
            self._look_ahead(link, -math.inf)

    def _look_ahead(self, link: int, after: float) -> bool:
        """Whether there is another change of the link."""
        change = self._health[link].after(after)
        if change is not None:
            heappush(self._coming, (change[0], after, link, change[1]))
        return change is not None

    def _next(self) -> tuple[int, float, float, bool]:
        """Of the next change: the link, its share, when that is, and whether it is the link's last one."""
        when, _, link, share = heappop(self._coming)
        self._told.append(LinkChange(when, self._topology.names[link], share))
        return link, share, when, not self._look_ahead(link, when)

    def tell(self, kernel: Any, met: Any) -> None:
        """The network's kernel asks what comes next; what messages `met` is taken down."""
        self.take_down(kernel, met)
        kernel.asks = 0
        if self._coming and not kernel.coming:
            kernel.change_at(*self._next())

    def passes(self, link: int, flow: int, nbytes: float, start: float, now: float) -> list[tuple[float, float, float]]:
        """The stretches (from, to, bytes/s) in which a link that serves in order of arrival passes a message; as in
        fifo.py."""
        try:
            health = self._health[link]
            stretches = list(health.passes(nbytes, self._topology.rates[link], limit=math.inf, start=start))
            fails = next((begin for begin, _, rate in stretches if not rate > 0), math.inf)
            if fails < stretches[-1][1]:
                ends, name = self._ends[flow], self._topology.names[link]
                self.interruptions.append(Interruption(max(fails, now), name, *ends, nbytes, "waits"))
            return stretches
        except BaseException as error:
            self.raised = error
            return [(start, math.inf, 0.0)]

    def take_down(self, kernel: Any, met: Any) -> None:
        for when, link, flow, nbytes in met[: 4 * kernel.interruptions].reshape(-1, 4).tolist():
            ends = self._ends[int(flow)]
            self.interruptions.append(Interruption(when, self._topology.names[int(link)], *ends, nbytes, "waits"))
        kernel.interruptions = 0

    def changes(self, until: float) -> list[LinkChange]:
        """Those before the end of a run (s)."""
        while self._coming and self._coming[0][0] < until:
            self._next()
        return [change for change in self._told if change.time < until]
