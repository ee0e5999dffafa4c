"""Timings of torch.distributed: the tables that its benchmarks print, and lines of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TypeGuard

from netsim.logs.base import Lines, Log, Sample, log, number, sample

# all_reduce_bench.py of stas00/ml-engineering: "| payload | busbw | algbw |", "|  32KB |  0.92GBps |  0.53GBps |"
_PAYLOAD = re.compile(r"^\|\s*([\d.]+)\s*([KMGT]?)B\s*\|\s*[\d.]+\s*GBps\s*\|\s*([\d.]+)\s*GBps\s*\|")
_RANKS = re.compile(r"\b(\d+) ranks\b")
_BINARY = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40}
# pytorch-communication-benchmarks of IBM: "size(MB)   tavg(usec)    tmin(usec) ...", sizes in 10^6 bytes
_SIZES = re.compile(r"^\s*size\(MB\)\s+tavg\(usec\)")
_KEYS = ("operation", "ranks", "size_bytes", "seconds")


def torch_distributed(lines: Lines) -> list[Log]:
    """torch.distributed, lines such as {"operation": "all_reduce", "ranks": 8, "size_bytes": 1048576, "seconds": 0.01}

    in JSON; or the table "| payload | busbw | algbw |" of all_reduce_bench.py, or one of "size(MB) tavg(usec)".
    """
    return _payloads(lines) or _averages(lines) or _documents(lines)


def _payloads(lines: Lines) -> list[Log]:
    matches = [match for line in lines if (match := _PAYLOAD.match(line))]
    if not matches:
        return []
    ranks = {int(match[1]) for line in lines if (match := _RANKS.search(line))}

    def rows() -> Iterator[Sample | None]:
        for match in matches:
            size, rate = number(match[1]), number(match[3])
            yield sample(size * _BINARY[match[2]], size * _BINARY[match[2]] / (rate * 1e9)) if size and rate else None

    return [log("torch.distributed", "all_reduce", rows(), ranks=ranks.pop() if len(ranks) == 1 else None)]


def _averages(lines: Lines) -> list[Log]:
    start = next((number for number, line in enumerate(lines) if _SIZES.match(line)), None)
    if start is None:
        return []

    def rows() -> Iterator[Sample | None]:
        for line in lines[start + 1 :]:
            words = line.split()
            if words and number(words[0]) is not None:
                size, micros = number(words[0]), number(words[1]) if len(words) > 1 else None
                yield sample(size * 1e6, micros * 1e-6) if size and micros else None

    return [log("torch.distributed", "all_reduce", rows())]


def _documents(lines: Lines) -> list[Log]:
    found: dict[tuple[str, int], list[Sample | None]] = {}
    for line in lines:
        row = _row(line)
        if row is None:
            continue
        operation, ranks, size, seconds = (row[key] for key in _KEYS)
        if isinstance(operation, str) and _counts(ranks):
            nbytes, time = number(str(size)), number(str(seconds))
            rows = found.setdefault((operation, ranks), [])
            rows.append(None if nbytes is None or time is None else sample(nbytes, time))
    names = {"send": "one_way", "reduce_scatter_tensor": "reduce_scatter", "all_gather_into_tensor": "all_gather"}
    return [
        log("torch.distributed", names.get(operation, operation), iter(each), ranks=ranks)
        for (operation, ranks), each in found.items()
    ]


def _row(line: str) -> dict[str, object] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and all(key in row for key in _KEYS) else None


def _counts(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000
