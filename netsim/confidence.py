"""Means of replicas, how sure they are, and differences of what met the same luck (Student's t)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


def mean_of(values: Sequence[float], level: float = LEVEL) -> Mean:
    """The mean of independent values; the interval holds the expected value with a probability of `level`, if values
    are normally distributed: mean +- t s / sqrt(k). One value has no interval but itself."""
    count = len(values)
    spread = stdev(values) if count > 1 else 0.0
    if spread == 0.0:
        return Mean(values[0], values[0], values[0])
    from scipy.stats import t

    mean = fmean(values)
    half = float(t.ppf((1 + level) / 2, count - 1)) * spread / sqrt(count)
    return Mean(mean, mean - half, mean + half)


def difference_of(ones: Sequence[float], others: Sequence[float], level: float = LEVEL) -> Mean:
    """Of values in pairs that met the same luck: the mean of one less the other. What pairs have in common drops out,
    so that it is surer than the two means."""
    return mean_of([one - other for one, other in zip(ones, others, strict=True)], level)
