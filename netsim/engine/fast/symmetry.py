"""Hosts and links that are all alike: one of each class is played for all.

Colours are refined until they tell nothing new (the coarsest equitable partition: McKay, Practical graph isomorphism,
1981): two hosts are of one class if they are alike themselves and, in every round, send to and get from hosts of one
class, as much, over links of one class. What happens to one member of a class then happens to all at the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
_MOST_STEPS = 16  # symmetry that takes longer to see is worth little
_DENSE = 4  # numbers up to so many times their count are counted, which is quicker than sorting them
_LEAST_GAIN = 4  # hosts a class on the mean; with fewer, all are played


@dataclass(frozen=True)
class Messages:
    """The messages of a round: ends, pieces, and the links of each one's route, -1 after the last."""

    src: Numbers
    dst: Numbers
    count: Numbers
    links: Numbers  # [message, hop]


@dataclass(frozen=True)
class Classes:
    """The class of each host and link, and one member of each class."""

    hosts: Numbers
    links: Numbers
    a_host: Numbers
    a_link: Numbers


def classes(rounds: Sequence[Messages], hosts: Numbers, links: Numbers) -> Classes | None:
    """The classes of hosts and links that begin with these colours; None where there are many, or where a host or a
    link has two messages in one round."""
    for each in rounds:
        if not all(map(apart, (each.src, each.dst, each.links[each.links >= 0]))):
            return None
    hosts, links = mixed(hosts), mixed(links)
    for _ in range(_MOST_STEPS):
        colours = [_colours(each, hosts, links) for each in rounds]
        seen = [_laid(colour, ends, len(hosts)) for each, colour in zip(rounds, colours, strict=True)
                for ends in (each.src, each.dst)]  # fmt: skip
        carried = [_on_links(each, colour, len(links)) for each, colour in zip(rounds, colours, strict=True)]
        finer, finer_links = mixed(hosts, *seen), mixed(links, *carried)
        if (finer.max() + 1) * _LEAST_GAIN > len(hosts):
            return None
        if finer.max() == hosts.max() and finer_links.max() == links.max():
            return Classes(hosts, links, firsts(hosts), firsts(links))
        hosts, links = finer, finer_links
    return None


def mixed(*columns: Numbers) -> Numbers:
    """Colours from 0 on that differ where any of the columns does."""
    colour: Numbers | None = None
    for column in columns:
        least, most = column.min(), column.max()
        if least != most:
            own = column - least
            colour = _closed_up(own if colour is None else colour * (most - least + 1) + own)
    return np.zeros(len(columns[0]), dtype=np.int64) if colour is None else colour


def numbered(values: npt.NDArray[np.float64]) -> Numbers:
    """Numbers from 0 on that differ where the values do, in their order."""
    if (values == values[:1]).all():  # as mostly: sorting a million takes longer than playing them
        return np.zeros(len(values), dtype=np.int64)
    return np.unique(values, return_inverse=True)[1]


def firsts(colour: Numbers) -> Numbers:
    """The first place that each colour has; all colours up to the last are there."""
    found = np.zeros(int(colour.max()) + 1 if len(colour) else 0, dtype=np.int64)
    found[colour[::-1]] = np.arange(len(colour))[::-1]  # of several, the one that is written last stays
    return found


def _closed_up(keys: Numbers) -> Numbers:
    """The same numbers without gaps, in their order."""
    if keys.max() > _DENSE * len(keys):
        return np.unique(keys, return_inverse=True)[1]
    counted: Numbers = (np.cumsum(np.bincount(keys) > 0) - 1)[keys]
    return counted


def _colours(each: Messages, hosts: Numbers, links: Numbers) -> Numbers:
    hops = [np.where(hop >= 0, links[hop], -1) for hop in each.links.T]
    return mixed(hosts[each.src], hosts[each.dst], each.count, *hops)


def _laid(colour: Numbers, ends: Numbers, hosts: int) -> Numbers:
    """For each host the colour of its message, -1 for none."""
    laid = np.full(hosts, -1)
    laid[ends] = colour
    return laid


def _on_links(each: Messages, colour: Numbers, links: int) -> Numbers:
    """For each link the colour of its message and the place that it has on the route, -1 for none."""
    laid, hops = np.full(links, -1), each.links.shape[1]
    for place, hop in enumerate(each.links.T):
        there: Any = slice(None) if hop.min(initial=0) >= 0 else hop >= 0
        laid[hop[there]] = colour[there] * hops + place
    return laid


def apart(numbers: npt.NDArray[np.integer[Any]]) -> bool:
    """Whether none of them is there twice."""
    return bool((np.bincount(numbers) <= 1).all())
