"""Links as the fast engine's kernels have them: what a network's state is made of, where nothing has been sent yet."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.engine.fast import kernels
from netsim.engine.fast.faults import Faults
from netsim.engine.record.meter import BINS, Meter
from netsim.topologies.base import Topology

Routes = Sequence[Sequence[int]]  # of each connection, and way of its own


@dataclass(frozen=True)
class Sharing:
    """How links are shared: `queues` serve whole messages in order of arrival, which cut through switches or not."""

    queues: bool = False
    cuts_through: bool = True

    @classmethod
    def of(cls, sharing: str, forwarding: str) -> Sharing:
        """As scenarios say it."""
        return cls(sharing == "fifo", forwarding == "cut_through")


class Links:
    """A kernel's network and agenda, and the arrays that they work on."""

    def __init__(
        self,
        topology: Topology,
        sharing: Sharing,
        routes: Routes,
        sources: Sequence[int],
        *,
        messages: int,
        things: int,
        ordered: bool,
        watched: bool,
        hubs: int = 0,
        health: Collection[int] = (),
        faults: Faults | None = None,
    ) -> None:
        """sources: of connections. things: of the agenda, beside the network's. ordered: what happens at one moment is
        told in the reference's order. watched: it is kept what passes links when. hubs: where links are shared fairly,
        so many flows of a link may be played as a hub's (kernels/hubs.py), which rounds otherwise; 0 for never.
        health: links whose rates change, of which `faults` tell."""
        hops = max(map(len, routes), default=1)
        own = messages * hops if sharing.queues else len(routes) + 1
        self.agenda = agenda_of(own + things)
        arrays = _common(topology, routes, messages, watched=watched)
        if sharing.queues:
            arrays |= _of_queues(topology, routes, sources, messages, own)
            arrays["change"][list(health)] = 1
            queues = kernels.load("queues").Queues
            self.kernel = queues(self.agenda, int(ordered), BINS, int(sharing.cuts_through), arrays, faults)
        else:
            arrays |= _of_fair(topology, routes, messages)
            self.met = arrays["met"]
            if hubs:
                many = _hubs(arrays, hubs)
                self.kernel = kernels.load("hubs").Hubs(self.agenda, int(ordered), BINS, arrays, many, hubs)
            else:
                self.kernel = kernels.load("sharing").Fair(self.agenda, int(ordered), BINS, arrays)
        self.busy, self.waited, self._bytes = arrays["busy"], arrays["waited"], arrays["meter"]

    @property
    def meter(self) -> Meter:
        """What passed each link when."""
        bins, kernel = self._bytes.reshape(-1, BINS), self.kernel
        return Meter.of(range(len(bins)), kernel.watched_from, kernel.bin, bins, until=kernel.until)


def agenda_of(things: int) -> Any:
    """The kernel's, for so many things, with nothing in it."""
    heap, place = np.zeros(things, dtype=np.int32), np.full(things, -1, dtype=np.int32)
    return kernels.load("moments").Agenda(np.zeros(things), np.zeros(things, dtype=np.int64), heap, place)


def _common(topology: Topology, routes: Routes, messages: int, *, watched: bool) -> dict[str, npt.NDArray[Any]]:
    size, first = len(topology.names), np.cumsum([0, *map(len, routes)])
    return {
        "first": first.astype(np.int32),
        "links": np.asarray([link for route in routes for link in route], dtype=np.int32),
        "rates": np.array(topology.rates, dtype=float),
        "busy": np.zeros(size),
        "waited": np.zeros(size),
        "meter": np.zeros(size * BINS if watched else 0),
        "nbytes": np.zeros(messages),
        "begin": np.zeros(messages),
        "priority": np.zeros(messages, dtype=np.int32),
    }


def _of_fair(topology: Topology, routes: Routes, messages: int) -> dict[str, npt.NDArray[Any]]:
    """Of links that are shared fairly: connections, which of them are on each link, and room to work out rates."""
    size, flows = len(topology.names), len(routes)
    owner = np.repeat(np.arange(flows), [len(route) for route in routes])
    whole = {
        **{name: np.zeros(size) for name in ("crowd", "changed", "is_changed", "many", "filling", "full")},
        **{name: np.full(size, -1) for name in ("head", "tail")},
        "owner": owner,
        **{name: np.full(len(owner), -1) for name in ("after", "ahead")},
        **{name: np.full(flows, -1) for name in ("message", "queue", "last", "bottleneck", "narrowest", "opening")},
        **{name: np.zeros(flows) for name in ("reached", "seen")},
        "behind": np.zeros(messages),
        "returns": np.zeros(size),
    }
    at_a_moment = len(owner) + flows  # may meet links that are down
    return {
        **{name: array.astype(np.int32) for name, array in whole.items()},
        **{name: np.zeros(size) for name in ("busy_since", "left")},
        **{name: np.zeros(flows) for name in ("rate", "remaining", "since", "level", "alone")},
        "entered": np.full(flows, -np.inf),
        "whole": np.array(topology.rates, dtype=float),
        "met": np.zeros(4 * 2 * (at_a_moment + 1)),
    }


def _hubs(arrays: dict[str, npt.NDArray[Any]], many: int) -> list[Any]:
    """For each link that has so many flows, what may be a hub, else None; flows learn that they are on none."""
    flows, links = len(arrays["rate"]), len(arrays["rates"])
    arrays["hub"], arrays["active"] = np.full(flows, -1, dtype=np.int32), np.zeros(links, dtype=np.int32)
    agenda, hub = kernels.load("moments").Agenda, kernels.load("hubs").Hub
    tags, turns, places = np.zeros(flows), np.zeros(flows, dtype=np.int64), np.full(flows, -1, dtype=np.int32)
    counts = np.bincount(arrays["links"], minlength=links).tolist()
    room = [np.zeros(count, dtype=np.int32) if count >= many else None for count in counts]
    return [None if heap is None else hub(agenda(tags, turns, heap, places)) for heap in room]


def _of_queues(
    topology: Topology, routes: Routes, sources: Sequence[int], messages: int, things: int
) -> dict[str, npt.NDArray[Any]]:
    """Of links with queues: who waits, who came last; of each message, its hops."""
    size = len(topology.names)
    whole = {
        "source": np.asarray(sources),
        "change": np.zeros(size),
        **{name: np.zeros(messages) for name in ("flow", "left")},
        **{name: np.zeros(things) for name in ("state", "behind")},
        **{name: np.full(size, -1) for name in ("waiting", "end", "last_source", "turns")},
    }
    longer = {"order": np.zeros(messages), "last_order": np.full(size, -1), "phase_of": np.full(size, -1)}
    return {
        **{name: array.astype(np.int32) for name, array in whole.items()},
        **{name: array.astype(np.int64) for name, array in longer.items()},
        "latency": np.asarray([latency for route in routes for latency in _latencies(topology, route)]),
        "tail": np.zeros(things),
        "free": np.zeros(size),
        "ahead": np.asarray(topology.bursts) / np.asarray(topology.rates) if topology.bursts else np.zeros(0),
        "even": np.full(size if topology.bursts else 0, -np.inf),
        "came": np.full(size, -np.inf),
    }


def _latencies(topology: Topology, route: Sequence[int]) -> list[float]:
    """Of each hop: its share of the route's, by the reference's operations."""
    each = [topology.latencies[link] for link in route]
    whole = math.fsum(each)
    return [latency * whole / whole if whole > 0 else whole / len(each) for latency in each]
