"""The output of the OSU micro-benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netsim.logs.base import Lines, Log, Sample, log, number, sample

_HEAD = re.compile(r"^#\s*OSU\s+\S+\s+(.*?)\s*(Latency|Bandwidth) Test\b")
_STARTED = re.compile(r"\b(?:mpirun|mpiexec|srun|orterun)\b.*?\s-n(?:p)?[ =]?(\d+)\b")
_OPERATIONS = {  # of the heading, and whether sizes are of what each rank contributes
    "Allreduce": ("all_reduce", False),
    "Allgather": ("all_gather", True),
    "All-to-All": ("all_to_all", True),
    "All-to-All Personalized Exchange": ("all_to_all", True),
    "Broadcast": ("broadcast", False),
    "Gather": ("gather", True),
    "Reduce": ("reduce", False),
    "Reduce_scatter": ("reduce_scatter", False),
    "Scatter": ("scatter", True),
}


def osu(lines: Lines) -> list[Log]:
    """OSU micro-benchmarks, "# OSU MPI Latency Test" and the like: latency, bandwidth, collectives.

    Latency is one way; bandwidth is of a window of messages in flight, in 10^6 bytes/s. Collectives give the average
    over the ranks; how many these are, only the command that may stand above says. What cannot be used (multiple pairs,
    both ways at once, one-sided) is left out.
    """
    ranks = {int(match[1]) for line in lines if (match := _STARTED.search(line))}
    starts = [number for number, line in enumerate(lines) if _HEAD.match(line)]
    ends = [*starts[1:], len(lines)]
    found = (_section(lines[start:end], ranks.copy()) for start, end in zip(starts, ends, strict=False))
    return [each for each in found if each is not None]


def _section(lines: Lines, ranks: set[int]) -> Log | None:
    head = _HEAD.match(lines[0])
    assert head is not None
    name, measure = head[1].strip(), head[2]
    if not name:
        what, per_rank = ("one_way" if measure == "Latency" else "stream"), False
    elif measure == "Latency" and name in _OPERATIONS:
        what, per_rank = _OPERATIONS[name]
    else:
        return None
    count = ranks.pop() if len(ranks) == 1 and what not in ("one_way", "stream") else None
    return log("OSU", what, _rows(lines[1:], measure), ranks=count, per_rank=per_rank)


def _rows(lines: Lines, measure: str) -> Iterator[Sample | None]:
    for line in lines:
        words = line.split()
        if not words or not words[0].isdigit():
            continue
        size, value = number(words[0]), number(words[1]) if len(words) > 1 else None
        if size is None or value is None:
            yield None
        elif measure == "Latency":
            yield sample(size, value * 1e-6)
        elif size and value:
            yield sample(size, size / (value * 1e6))
