"""The output of NVIDIA's nccl-tests, of rccl-tests, and of others that print the same columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from netsim.logs.base import Lines, Log, Sample, log, number, sample

_RANK = re.compile(r"^#\s+Rank\s+(\d+)\s")
_NAME = re.compile(r"\b(\w+)_perf\b")
_OPERATIONS = {
    "all_reduce": "all_reduce",
    "all_gather": "all_gather",
    "reduce_scatter": "reduce_scatter",
    "broadcast": "broadcast",
    "reduce": "reduce",
    "alltoall": "all_to_all",
    "gather": "gather",
    "scatter": "scatter",
    "sendrecv": "one_way",
}


def nccl_tests(lines: Lines) -> list[Log]:
    """nccl-tests, a table whose heading is "size count type redop root time algbw busbw".

    The times out of place are taken. Which collective it is stands in the log's own words (all_reduce_perf), or follows
    from its columns: the operation, the root, and the ratio of bus to algorithm bandwidth, which also gives the ranks
    where they are not listed (nccl-tests, doc/PERFORMANCE.md). `size` is the whole buffer, as netsim has it.
    """
    time, rows = None, list[list[str]]()
    for line in lines:
        words = line.replace("|", " ").split()
        if words[:2] == ["#", "size"] and "algbw" in words and "busbw" in words:
            time = words.index("time") - 1 if "time" in words else None
        elif time is not None and words and words[0].isdigit():
            rows.append(words)
    if time is None:
        return []
    named = {_OPERATIONS[name] for line in lines for name in _NAME.findall(line) if name in _OPERATIONS}
    ratio = _ratio(rows, time)
    what = named.pop() if len(named) == 1 else _operation(rows, ratio)
    ranks = len({match[1] for line in lines if (match := _RANK.match(line))}) or _ranks(what, ratio)
    return [log("nccl-tests", what, _samples(rows, time), ranks=ranks)]


def _samples(rows: Sequence[Sequence[str]], time: int) -> Iterator[Sample | None]:
    for words in rows:
        size, micros, rate = (number(words[at]) if len(words) > time + 2 else None for at in (0, time, time + 1))
        if size == 0:
            continue  # nothing is sent
        known = size is not None and micros is not None and rate is not None and _agree(size, micros, rate)
        yield sample(size, micros * 1e-6) if known and size and micros else None


def _agree(size: float, micros: float, rate: float) -> bool:
    """Whether time and algorithm bandwidth (GB/s) say the same, as far as they are written; else a column is missing,
    or has grown into its neighbour."""
    return abs(rate * micros * 1e3 - size) <= 0.01 * size + 0.006 * micros * 1e3


def _ratio(rows: Sequence[Sequence[str]], time: int) -> float | None:
    """Bus to algorithm bandwidth, of the row whose figures have most digits."""
    pairs = [(number(w[time + 1]), number(w[time + 2])) for w in rows if len(w) > time + 2]
    known = [(alg, bus) for alg, bus in pairs if alg and bus]
    if not known:
        return None
    algorithm, bus = max(known)
    return bus / algorithm


def _operation(rows: Sequence[Sequence[str]], ratio: float | None) -> str:
    """By the columns: what adds and what does not, to a root or to all. An all-to-all looks like an all-gather."""
    first = rows[0] if rows else []
    adds, rooted = "none" not in first[:5], len(first) > 4 and first[4].isdigit() and ratio == 1
    if rooted:
        return "reduce" if adds else "broadcast"
    if not adds:
        return "all_gather"
    return "reduce_scatter" if ratio is not None and ratio < 0.995 and not _near_all_reduce(ratio) else "all_reduce"


def _near_all_reduce(ratio: float) -> bool:
    """2 (n - 1) / n is 1 for two ranks, and from 4 / 3 on for more; (n - 1) / n is always less than 1."""
    return ratio >= 0.995


def _ranks(what: str, ratio: float | None) -> int | None:
    """n from 2 (n - 1) / n or (n - 1) / n, where that is near to a whole number."""
    if ratio is None or what in ("broadcast", "reduce", "one_way"):
        return None
    share = ratio / 2 if what == "all_reduce" else ratio
    ranks = 1 / (1 - share) if share < 1 else 0.0
    return round(ranks) if ranks > 1.5 and abs(ranks - round(ranks)) < 0.02 * ranks else None
