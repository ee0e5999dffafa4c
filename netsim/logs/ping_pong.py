"""Ping-pong in CSV, as `netsim probe` writes it, and anybody else may."""

from __future__ import annotations

from collections.abc import Iterator

from netsim.logs.base import Lines, Log, Sample, log, number, sample

_SIZES = ("size_bytes", "bytes", "size")
_TIMES = {  # column -> what it is in seconds, one way
    f"{name}_{unit}": scale * share
    for name, share in (("round_trip", 0.5), ("rtt", 0.5), ("one_way", 1.0), ("latency", 1.0))
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
}


def ping_pong(lines: Lines) -> list[Log]:
    """ping-pong CSV, with the columns size_bytes and round_trip_s (or one_way_s, round_trip_us, ...)."""
    rows = [line for line in lines if line.strip() and not line.startswith("#")]
    heads = _cells(rows[0].lower()) if rows else []
    size = next((heads.index(each) for each in _SIZES if each in heads), None)
    time = next((heads.index(each) for each in _TIMES if each in heads), None)
    if size is None or time is None:
        return []
    return [log("ping-pong", "one_way", _samples(rows[1:], size, time, _TIMES[heads[time]]))]


def _samples(rows: Lines, size: int, time: int, scale: float) -> Iterator[Sample | None]:
    for row in rows:
        cells = _cells(row)
        if len(cells) <= max(size, time):
            yield None
            continue
        nbytes, value = number(cells[size]), number(cells[time])
        yield None if nbytes is None or value is None else sample(nbytes, value * scale)


def _cells(row: str) -> list[str]:
    """Numbers have no commas in them, so that quotation marks mean nothing here."""
    return [cell.strip().strip('"') for cell in row.split(",")]
