"""Predictions beside what was measured: the error of each row, and whether it is what it may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from netsim.validation import exchanges
from netsim.validation.exchanges import Exchange
from netsim.validation.sources import Row, Source

MAY_MOVE = 0.005  # how far an error may be from the one that a row states, before it is to be stated anew


@dataclass(frozen=True)
class Judged:
    """A row with what was predicted. error: (predicted - measured) / measured. verdict: "within" its tolerance, "known"
    (off by what the row states), or, as failures, "outside" its tolerance, "moved" from what the row states."""

    source: str
    row: Row
    predicted: float
    verdict: str
    within: float | None = None  # the tolerance of its group

    @property
    def error(self) -> float:
        return self.predicted / self.row.measured - 1

    @property
    def failed(self) -> bool:
        return self.verdict in ("outside", "moved")

    def as_dict(self) -> dict[str, Any]:
        """One row of `netsim validate --json`, in SI units."""
        row = self.row
        return {
            "source": self.source,
            "group": row.group,
            "case": row.case,
            "measured": row.measured,
            "predicted": self.predicted,
            "error": self.error,
            "within": self.within,
            "known_error": row.known_error,
            "verdict": self.verdict,
            "reason": row.reason,
            "size_bytes": row.predict.size if isinstance(row.predict, Exchange) else None,
        }


@dataclass(frozen=True)
class Summary:
    """A group of a source: how many rows, the mean and the worst of their errors without sign, and what they may be."""

    source: str
    group: str
    title: str
    why: str  # these tolerances
    rows: int
    mean: float
    worst: Judged
    mean_allowed: float | None
    known_misses: int
    failures: int  # rows

    @property
    def mean_failed(self) -> bool:
        return self.mean_allowed is not None and self.mean > self.mean_allowed

    def as_dict(self) -> dict[str, Any]:
        """One group of `netsim validate --json`."""
        return {
            "source": self.source,
            "group": self.group,
            "rows": self.rows,
            "mean_error": self.mean,
            "worst_error": self.worst.error,
            "worst_case": self.worst.row.case,
            "mean_allowed": self.mean_allowed,
            "known_misses": self.known_misses,
            "failures": self.failures,
            "mean_failed": self.mean_failed,
            "why": self.why,
        }


def judge(source: Source, advance: Callable[[], object] = lambda: None) -> Iterator[Judged]:
    """Predicts every row of a source and judges it."""
    for row in source.rows:
        predict = row.predict
        value = exchanges.seconds(predict, source.links) if isinstance(predict, Exchange) else predict.samples_per_s()
        verdict = _verdict(source, row, value / row.measured - 1)
        yield Judged(source.name, row, value, verdict, source.groups[row.group].within)
        advance()


def _verdict(source: Source, row: Row, error: float) -> str:
    """A declared miss must stay what it is said to be: worse is worse, and one that has healed is no miss any more."""
    if row.known_error is not None:
        return "known" if abs(error - row.known_error) <= MAY_MOVE else "moved"
    within = source.groups[row.group].within
    return "within" if within is not None and abs(error) <= within else "outside"


def summaries(source: Source, judged: Iterable[Judged]) -> list[Summary]:
    """A summary of each group that has rows, in the source's order."""
    rows = list(judged)
    found = []
    for name, group in source.groups.items():
        mine = [each for each in rows if each.row.group == name]
        if mine:
            errors = [abs(each.error) for each in mine]
            found.append(
                Summary(
                    source=source.name,
                    group=name,
                    title=group.title,
                    why=group.why,
                    rows=len(mine),
                    mean=math.fsum(errors) / len(errors),
                    worst=max(mine, key=lambda each: abs(each.error)),
                    mean_allowed=group.mean,
                    known_misses=sum(each.row.known_error is not None for each in mine),
                    failures=sum(each.failed for each in mine),
                )
            )
    return found
