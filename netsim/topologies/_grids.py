"""Hosts on a grid of any number of dimensions, with or without wrap-around."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import Annotated

from netsim.collectives._dimensions import near_factors
from netsim.errors import ScenarioError
from netsim.topologies import _places
from netsim.topologies._wiring import Cable, direct, wired
from netsim.topologies.base import Host, Topology
from netsim.units import Count

Size = Annotated[int, Count("a number of hosts", at_most=1_000_000)]


def grid(hosts: Sequence[Host], dims: Sequence[int] | None, *, wraps: bool) -> Topology:
    """Each host linked to its neighbours along each dimension; the last dimension's have neighbouring numbers.

    Routes go along the first dimension first, and the shorter way round; upwards where both are as short.
    """
    dims = _fitting(hosts, dims)
    where = list(product(*map(range, dims)))
    strides = [math.prod(dims[axis + 1 :]) for axis in range(len(dims))]

    def onward(at: int, dst: int) -> list[int]:
        choices = []
        for size, stride, here, there in zip(dims, strides, where[at], where[dst], strict=True):
            away = (there - here) % size if wraps else there - here
            if away and (2 * away <= size if wraps else away > 0):
                choices.append(at + ((here + 1) % size - here) * stride)
            if away and (2 * away >= size if wraps else away < 0) and not (wraps and size == 2):
                choices.append(at + ((here - 1) % size - here) * stride)
        return choices

    def cables() -> Iterator[Cable]:
        for host, place in enumerate(where):
            for size, stride, here in zip(dims, strides, place, strict=True):
                if here + 1 < size:
                    yield direct(hosts, host, host + stride)
                elif wraps and size > 2:
                    yield direct(hosts, host, host - here * stride)

    def halves(_: Topology) -> Iterator[Collection[int]]:
        for axis in range(len(dims)):
            yield sorted(range(len(hosts)), key=lambda host: where[host][axis])[: len(hosts) // 2]

    return wired(hosts, (), list(cables()), onward, places=lambda: _places.grid(where), halves=halves)


def _fitting(hosts: Sequence[Host], dims: Sequence[int] | None) -> Sequence[int]:
    """The dimensions asked for, or two as near to a square as may be; ScenarioError where they do not fit."""
    dims = dims or near_factors(len(hosts), 2)
    if math.prod(dims) != len(hosts):
        shape = " x ".join(map(str, dims))
        told = f"{shape} are {math.prod(dims)} hosts, but there are {_counted(hosts)}"
        raise ScenarioError(told, path="dims")
    return dims


def _counted(hosts: Sequence[Host]) -> str:
    """ "17 (16 and 1 server apart)"."""
    apart = sum(host.apart for host in hosts)
    servers = f"{apart} server" + "s" * (apart > 1)
    return f"{len(hosts)} ({len(hosts) - apart} and {servers} apart)" if apart else str(len(hosts))
