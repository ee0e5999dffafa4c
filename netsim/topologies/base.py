"""What a topology is: directed links with a rate and a latency each, and a route between any two hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netsim.hardware import Link


@dataclass(frozen=True)
class Host:
    """A machine of the network, by name, with its own link."""

    name: str
    link: Link


@dataclass(frozen=True)
class Topology:
    """Directed links, each by its number: `names`, `ends` (the nodes that it leads from and to), `rates` (bytes/s) and
    `latencies` (s) have one entry a link. Where both directions of a cable share its rate (half duplex), both routes
    name one link.

    `route(src, dst)` gives the numbers of the links from one host to another, in order; hosts are numbered from 0, and
    nodes are called by the hosts' names, or by the switches'.
    """

    hosts: tuple[Host, ...]
    names: tuple[str, ...]
    ends: tuple[tuple[str, str], ...]
    rates: tuple[float, ...]
    latencies: tuple[float, ...]
    route: Callable[[int, int], tuple[int, ...]]
