"""Where one of two figures overtakes the other along an axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_EQUAL = 1e-9  # figures that differ by less than this share are equal: they are sums of some thousand floats
_SAMPLES = 25  # along the axis, between which no two crossings are told apart


@dataclass(frozen=True)
class Crossing:
    """Between `low` and `high` the lead changes; `first` is ahead below."""

    low: float
    high: float
    first: bool  # whether it is the first of the two that is ahead (smaller) below

    @property
    def at(self) -> float:
        """The middle, on a logarithmic scale; the first place of the new leader where places are whole numbers."""
        return float(np.sqrt(self.low * self.high))


def crossings(
    lead: Callable[[float], float], low: float, high: float, *, precision: float, whole: bool = False
) -> list[Crossing]:
    """All changes of sign of `lead` (the relative lead of the first: negative where it is ahead) from `low` to `high`,
    each bracketed to `precision` (a share of its place), or between two neighbours where places are whole numbers.

    The axis is sampled at places in equal ratios first: an even number of changes between two of them is missed.

    >>> [found.at for found in crossings(lambda x: x - 3, 1, 100, precision=1e-9)]  # doctest: +ELLIPSIS
    [3.0...]
    >>> crossings(lambda n: n - 5.5, 2, 64, precision=0.1, whole=True)
    [Crossing(low=5, high=6, first=True)]
    """
    known = [(place, _sign(lead(place))) for place in _places(low, high, whole)]
    known = [(place, sign) for place, sign in known if sign]  # where both are equal, nobody leads
    return [_narrow(lead, *a, b[0], precision, whole) for a, b in pairwise(known) if a[1] != b[1]]


def _places(low: float, high: float, whole: bool) -> Iterator[float]:
    places = np.geomspace(low, high, _SAMPLES)
    yield from (sorted({round(place) for place in places}) if whole else places.tolist())


def _sign(lead: float) -> int:
    return 0 if abs(lead) <= _EQUAL else (1 if lead > 0 else -1)


def _narrow(
    lead: Callable[[float], float], low: float, sign: int, high: float, precision: float, whole: bool
) -> Crossing:
    """Bisection of the ratio; a place where both are equal counts as still the old leader's."""
    while high - low > (1 if whole else precision * low):
        middle: float = (low + high) // 2 if whole else float(np.sqrt(low * high))
        if _sign(lead(middle)) in (sign, 0):
            low = middle
        else:
            high = middle
    return Crossing(low, high, sign < 0)
