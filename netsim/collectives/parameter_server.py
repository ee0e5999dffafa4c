"""A synchronous parameter server as a collective (Li et al., OSDI 2014; Jiang et al., OSDI 2020)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from netsim.collectives.rounds import Collective, Round
from netsim.errors import ScenarioError
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class ParameterServer(Collective):
    """Every rank pushes its gradients to the servers, which add them and answer with the sum.

    servers: None is one server that stands apart, or one on every rank where they are co-located. Each server owns an
    equal part of the buffer. With slices, a part's answers set out while later parts are still being pushed.
    staggered: what begins with another host each, so that nobody is everybody's first: both pushes (worker i with
    server i + 1) and answers (server j with worker j + 1), pushes alone, or neither, as plain loops over servers and
    workers do; then, where links serve in order of arrival, all fill one host's link after the other's.
    A single rank has nobody to share with, so that nothing moves::

        0 ---\\               /--> 0
        1 ----> server, then ----> 1
        2 ---/               \\--> 2
    """

    servers: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None
    placement: Literal["apart", "colocated"] = "apart"
    staggered: Literal["both", "pushes", "neither"] = "both"

    def shards(self, ranks: int) -> int:
        """How many servers share the buffer; ScenarioError if more are to be co-located than there are ranks."""
        apart = self.placement == "apart"
        if not apart and self.servers is not None and self.servers > ranks:
            told = f"{self.servers} servers cannot be co-located with {ranks} workers; at most {ranks} can"
            raise ScenarioError(told, path="servers")
        return self.servers or (1 if apart else ranks)

    def fit(self, ranks: int) -> None:
        self.shards(ranks)
        super().fit(ranks)

    def fan(self, ranks: int) -> int:
        return max(ranks, self.shards(ranks))

    def helpers(self, ranks: int) -> int:
        return self.shards(ranks) if self.placement == "apart" and ranks > 1 else 0

    def pieces(self, ranks: int) -> int:
        return self.shards(ranks)

    def rounds(self, ranks: int) -> Iterator[Round]:
        if ranks == 1:
            return
        shards = self.shards(ranks)
        first_host = ranks if self.helpers(ranks) else 0
        worker, turn = np.divmod(np.arange(ranks * shards), shards)
        server = turn if self.staggered == "neither" else (worker + turn + 1) % shards
        away = worker != first_host + server
        yield Round.of(worker[away], first_host + server[away], first=server[away], add=True)
        server, turn = np.divmod(np.arange(ranks * shards), ranks)
        worker = (server + turn + 1) % ranks if self.staggered == "both" else turn
        away = worker != first_host + server
        yield Round.of(first_host + server[away], worker[away], first=server[away], add=False)

    def messages(self, ranks: int, *, enough: float = math.inf) -> int:
        """2 n k, less what stays within a host."""
        shards = self.shards(ranks)
        return 2 * (ranks * shards - (0 if self.helpers(ranks) else shards)) if ranks > 1 else 0

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """2 (a + max(S / B, n S / (k B))) apart, 2 (a + (n - 1) S / (k B)) co-located, plus the adding of all that
        comes to a server. In m slices pushes and answers overlap: 2 a and m + 1 slices' time apart. Co-located on
        every rank they share the ports: 2 m slices' time and a, or a pause where the last answer waits for its push."""
        if ranks == 1:
            return 0.0
        shards, lanes, apart = self.shards(ranks), self.lanes(nbytes, ranks), self.placement == "apart"
        came = ranks if apart else ranks - 1
        slot = (max(came, shards) if apart else came) * nbytes / (shards * lanes) / link.rate
        if lanes == 1:
            adding = 0.0 if reduction_rate is None else came * nbytes / shards / reduction_rate
            return 2 * (link.latency + slot) + adding
        if reduction_rate is not None or (not apart and shards < ranks) or not self.all_at_once(nbytes, ranks):
            return None
        between = 0.0 if apart else max(0.0, (lanes - 1) * slot - link.latency)
        return 2 * link.latency + (lanes + 1) * slot + between

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """2 n S where the servers stand apart, 2 (n - 1) S where each is one of the ranks."""
        if ranks == 1:
            return 0.0
        return 2 * (ranks if self.placement == "apart" else ranks - 1) * nbytes
