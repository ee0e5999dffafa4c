"""What `netsim probe` keeps and shows of round trips."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netsim.errors import ScenarioError
from netsim.probe import Trip


@contextmanager
def log(file: Path | None) -> Iterator[Callable[[Trip], None]]:
    """What is told of each trip, as it comes: a line in a CSV file that `netsim calibrate` reads, or nothing."""
    if file is None:
        yield lambda trip: None
        return
    try:
        with file.open("w", encoding="utf-8") as out:
            out.write("size_bytes,round_trip_s\n")
            yield lambda trip: print_line(out.write, trip)
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written: {error.strerror}", path="-o") from None


def print_line(write: Callable[[str], Any], trip: Trip) -> None:
    """A line of the log."""
    write(f"{trip.size},{trip.round_trip:.9f}\n")


def summary(trips: Sequence[Trip]) -> list[dict[str, Any]]:
    """For each size its messages, the time one way (half of the median trip) and the bytes a second that makes."""
    rows = []
    for size in dict.fromkeys(trip.size for trip in trips):
        times = [trip.round_trip / 2 for trip in trips if trip.size == size]
        median = statistics.median(times)
        rows.append(
            {
                "size_bytes": size,
                "messages": len(times),
                "one_way_s": median,
                "fastest_s": min(times),
                "slowest_s": max(times),
                "bytes_per_s": size / median if median else None,
            }
        )
    return rows
