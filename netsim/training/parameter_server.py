"""The parameter server as a strategy of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netsim.collectives import parameter_server as collective
from netsim.hardware import Link


@dataclass(frozen=True, kw_only=True)
class ParameterServer(collective.ParameterServer):
    """Workers push each bucket to the servers that own its gradients; a server adds them and, when all workers' have
    come, answers each with the sum.

    keys: "split" spreads every bucket evenly over the servers; "whole" gives each layer's gradient to one server, in
    turn (as TensorFlow's replica_device_setter places variables), so that one large layer makes one busy server.
    """

    keys: Literal["split", "whole"] = "split"
    mode: Literal["sync"] = "sync"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shares is not None or self.element is not None:
            raise ValueError("shares and element are of collectives; among servers of a job, keys say who owns what")

    def owned(self, gradient_bytes: Sequence[float], ranks: int) -> tuple[tuple[float, ...], ...]:
        """Bytes of each layer's gradient (layers in the model's order) that each server owns: [layer][server]."""
        servers = self.shards(ranks)
        if self.keys == "split":
            return tuple((nbytes / servers,) * servers for nbytes in gradient_bytes)
        owned, turn = [], 0
        for nbytes in gradient_bytes:
            owned.append(tuple(nbytes if server == turn % servers else 0.0 for server in range(servers)))
            turn += nbytes > 0
        return tuple(owned)

    def ideal_exchange(
        self, ranks: int, sizes: Sequence[float], ready: Sequence[float], link: Link, reduction_rate: float | None
    ) -> float | None:
        """Seconds at which the last bucket is in, on a star of equal links that carries nothing else; `ready` (s) says
        when every worker has each bucket. Pushes follow one another and so do answers, each pair in a pipeline:
        pushed_b = max(ready_b, pushed_{b-1}) + t_b, answered_b = max(pushed_b + a, answered_{b-1}) + t_b, then a.
        None where keys are whole, slices are used, adding takes time, or answers share ports with later pushes."""
        if ranks == 1:
            return max(ready, default=0.0)
        sliced, shared = self.slices > 1 or self.slice is not None, self.placement == "colocated" and len(sizes) > 1
        if self.keys == "whole" or sliced or shared or reduction_rate is not None:
            return None
        pushed = answered = 0.0
        for nbytes, at in zip(sizes, ready, strict=True):
            each_way = (self.ideal_time(ranks, nbytes, link) or 0.0) / 2 - link.latency
            pushed = max(at, pushed) + each_way
            answered = max(pushed + link.latency, answered) + each_way
        return answered + link.latency
