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
    """Directed links, each by its number: `names`, `rates` (bytes/s) and `latencies` (s) have one entry a link.

    `route(src, dst)` gives the numbers of the links from one host to another, in order; hosts are numbered from 0.
    """

    hosts: tuple[str, ...]
    names: tuple[str, ...]
    rates: tuple[float, ...]
    latencies: tuple[float, ...]
    route: Callable[[int, int], tuple[int, ...]]
