"""Sentences about results: who wins and by how much, why, and how that changes along an axis.

Works on plain rows (dicts with coordinates named by their path and the keys of `Trace.summary`), so that the terminal,
the report and a notebook say the same. Every figure in a sentence was measured by the simulation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from netsim.axes import label, measure, name, place, text
from netsim.units import show

Row = Mapping[str, Any]

TIE = 0.005  # throughputs closer than this share are called equal
_ALIKE = 1.1  # busiest links that differ by less than this factor are no reason for a difference
_FLAT = 0.05  # more of something that gains less than this share is called no help


@dataclass(frozen=True)
class Verdict:
    """Who wins: values of the contenders' axis as text, how many times more samples/s, and that in sentences."""

    winner: str | None  # None where nobody competes or the best tie
    runner_up: str | None
    factor: float | None  # samples/s of the winner over those of the runner-up
    sentences: tuple[str, ...]


def verdict(rows: Sequence[Row], contender_axis: str | None = None) -> Verdict:
    """The winner among rows that differ in the contenders' axis alone (of several rows of one contender, its best)."""
    if not rows:
        return Verdict(None, None, None, ())
    ranked = _ranked(rows, contender_axis)
    if contender_axis is None or len(ranked) == 1:
        return Verdict(None, None, None, tuple(_alone(ranked[0], contender_axis)))
    best = _best(ranked)
    if len(best) > 1:
        return Verdict(None, None, 1.0, tuple(_tie(ranked, best, contender_axis)))
    first, second = ranked[0], ranked[1]
    sentences = [_win(ranked, contender_axis), *contrast(first, ranked[-1], contender_axis)]
    return Verdict(text(first[contender_axis]), text(second[contender_axis]), _factor(first, second), tuple(sentences))


def why(row: Row, contender_axis: str | None = None) -> list[str]:
    """What one run spends its time on and what holds it back, from its measured figures."""
    total = _get(row, "iteration_time_s")
    if not total:
        return []
    exposed, waiting = _get(row, "exposed_communication_s") or 0.0, _get(row, "straggler_wait_s") or 0.0
    who = f"{_capital(_name(row, contender_axis))}'s iteration" if contender_axis else "An iteration"
    if exposed + waiting < TIE * total:
        return [f"{who} is all computing: no exchange holds it up."]
    parts = [f"{_share(_get(row, 'compute_time_s') or 0.0, total)} computing"]
    parts += [f"{_share(exposed, total)} communication that computing does not hide"] if exposed >= TIE * total else []
    parts += [f"{_share(waiting, total)} waiting for slower workers"] if waiting >= TIE * total else []
    return [f"{who} is {_list(parts)}.", *_holding_back(row, who)]


def contrast(fast: Row, slow: Row, contender_axis: str) -> list[str]:
    """Why one contender is slower than another: what its busiest link carries, its messages or its computing."""
    lost = {key: (_get(slow, key) or 0.0) - (_get(fast, key) or 0.0) for key in _PARTS}
    key = max(lost, key=lambda part: lost[part])
    if lost[key] <= 0:
        return []
    return _PARTS[key](fast, slow, contender_axis)


def how_it_changes(rows: Sequence[Row], contender_axis: str | None, axis: str) -> list[str]:
    """How the winner (or, with one contender, the speed) changes along an axis; other coordinates as they come."""
    values = _in_order([row[axis] for row in rows])
    if len(values) < 2:
        return []
    by_value = [_ranked([row for row in rows if row[axis] == value], contender_axis) for value in values]
    if contender_axis is None or all(len(ranked) == 1 for ranked in by_value):
        return _trend([ranked[0] for ranked in by_value], axis)
    if measure(values) is None:
        return [
            _one_winner(ranked, contender_axis, place(axis, value))
            for value, ranked in zip(values, by_value, strict=True)
        ]
    enough = _enough(rows, contender_axis, axis)
    return [_winners(by_value, contender_axis, axis), *_gap(by_value, contender_axis, axis), *enough]


# Who is fastest


def _win(ranked: Sequence[Row], axis: str) -> str:
    first, others = ranked[0], list(ranked[1:])
    named = others if len(others) <= 3 else [others[0], others[-1]]
    behind = _list([f"{_times(_factor(first, row))} faster than {_the(row, axis)}" for row in named])
    return f"{_capital(_name(first, axis))} is fastest{_where(ranked, axis)}: {_pace(first)}, {behind}."


def _tie(ranked: Sequence[Row], best: Sequence[Row], axis: str) -> list[str]:
    names = _list([_name(row, axis) for row in best])
    first = f"{_capital(names)} tie{_where(ranked, axis)}: {_pace(best[0])}"
    others = ranked[len(best) :]
    if others:
        behind = _list([f"{_times(_factor(best[0], row))} faster than {_the(row, axis)}" for row in others])
        return [f"{first}, {behind}.", *contrast(best[0], ranked[-1], axis)]
    if _get(best[0], "workers") == 1:
        return [f"{first}. One worker has nobody to exchange with."]
    return [f"{first}.", *why(best[0])]


def _alone(row: Row, axis: str | None) -> list[str]:
    workers = _get(row, "workers")
    efficiency = _get(row, "scaling_efficiency")
    start = f"{_capital(_where([row], axis).strip()) or 'Here'} {_pace(row, verb=True)}"
    if workers == 1:
        return [f"{start}. One worker has nobody to exchange with: all of it is computing."]
    ideal = (
        f", {_percent(efficiency)} of what {_whole(workers)} workers that never wait would do"
        if efficiency and workers
        else ""
    )
    return [f"{start}{ideal}.", *why(row)]


def _one_winner(ranked: Sequence[Row], axis: str, where: str) -> str:
    best = _best(ranked)
    names = _list([_name(row, axis) for row in best])
    rest = ranked[len(best) :]
    lead = f", {_times(_factor(best[0], rest[0]))} faster than {_the(rest[0], axis)}" if rest else ""
    return f"{_capital(where)} {names} {'is fastest' if len(best) == 1 else 'tie'}{lead}."


def _winners(by_value: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> str:
    """ "Tree is fastest up to 4 workers, ring from 8 workers on." """
    runs = [
        (names, [row[axis] for row in rows])
        for names, rows in _runs(
            [(tuple(_name(row, contender_axis) for row in _best(ranked)), ranked[0]) for ranked in by_value]
        )
    ]
    if len(runs) == 1:
        names, values = runs[0]
        verb = "is fastest throughout" if len(names) == 1 else "tie throughout"
        return f"{_capital(_list(names))} {verb}, from {_bare(axis, values[0])} to {_bare(axis, values[-1])}."
    said = []
    for index, (names, values) in enumerate(runs):
        verb = f" {_verb(names)}" if index == 0 or _verb(names) != _verb(runs[index - 1][0]) else ""
        said.append(f"{_list(names)}{verb} {_stretch(axis, values, index, len(runs))}")
    return f"{_capital(', '.join(said))}."


def _stretch(axis: str, values: Sequence[Any], index: int, count: int) -> str:
    if len(values) == 1 and index not in (0, count - 1):
        return place(axis, values[0])
    if index == 0:
        return place(axis, values[0]) if len(values) == 1 else f"up to {_bare(axis, values[-1])}"
    if index == count - 1:
        return place(axis, values[0]) if len(values) == 1 else f"from {_bare(axis, values[0])} on"
    return f"from {_bare(axis, values[0])} to {_bare(axis, values[-1])}"


def _gap(by_value: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> list[str]:
    """How far the slowest is behind the fastest at both ends of the axis."""
    ends = [by_value[0], by_value[-1]]
    if any(len(ranked) < 2 for ranked in ends):
        return []
    low, high = (_factor(ranked[0], ranked[-1]) for ranked in ends)
    here, there = (place(axis, ranked[0][axis]) for ranked in ends)
    if max(low, high) - 1 < TIE:
        return []
    who = f" ({_name(ends[1][-1], contender_axis)})" if high - 1 >= TIE else ""
    return [
        f"Between the fastest and the slowest{who} lies a factor of {_number(low)} {here} and "
        f"of {_number(high)} {there}."
    ]


def _enough(rows: Sequence[Row], contender_axis: str, axis: str) -> list[str]:
    """From where on more of the axis hardly helps a contender; nothing for workers, where more is the question."""
    if axis == "cluster.workers":
        return []
    said = []
    for value in list(dict.fromkeys(text(row[contender_axis]) for row in rows)):
        line = [row for row in rows if text(row[contender_axis]) == value]
        line = [next(row for row in line if row[axis] == at) for at in _in_order([row[axis] for row in line])]
        best = max(map(_speed, line))
        first = next(row for row in line if _speed(row) >= best * (1 - _FLAT))
        if line[0] is not first and line[-1] is not first:
            said.append(f"{_bare(axis, first[axis])} for {_name(first, contender_axis)}")
    return [f"Within {_percent(_FLAT)} of the best already: {_list(said)}."] if said else []


def _trend(rows: Sequence[Row], axis: str) -> list[str]:
    if measure([row[axis] for row in rows]) is None:
        best = _ranked(rows, axis)
        return [_one_winner(best, axis, "overall")] if len(best) > 1 else []
    first, last = rows[0], rows[-1]
    start, end = _speed(first), _speed(last)
    if abs(end / start - 1) < TIE and all(abs(_speed(row) / start - 1) < TIE for row in rows):
        return [
            f"The {name(axis)} {_plural(axis)} no difference between {_bare(axis, first[axis])} "
            f"and {_bare(axis, last[axis])}."
        ]
    sentences = [
        f"From {_bare(axis, first[axis])} to {_bare(axis, last[axis])} the throughput goes from "
        f"{_rate(start)} to {_rate(end)} ({_times(end / start)})."
    ]
    enough = next(row for row in rows if _speed(row) >= max(map(_speed, rows)) * (1 - _FLAT))
    if axis != "cluster.workers":
        if enough is not last and enough is not first:
            sentences.append(
                f"{_capital(_bare(axis, enough[axis]))} already gives within {_percent(_FLAT)} of the best."
            )
        return sentences
    efficiency = [_get(row, "scaling_efficiency") for row in (first, last)]
    if None not in efficiency:
        sentences.append(f"The scaling efficiency goes from {_percent(efficiency[0])} to {_percent(efficiency[1])}.")
    return sentences


# Why


def _link_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    if _get(slow, "bottleneck") == "latency":
        messages = [_get(row, "messages_per_iteration") for row in (slow, fast)]
        counts = (
            f" ({_whole(messages[0])} messages an iteration, against {_whole(messages[1])})"
            if None not in messages
            else ""
        )
        return [f"{_capital(_the(slow, axis))} waits for latency, not for bandwidth{counts}."]
    ours, theirs = _carried(fast), _carried(slow)
    if ours is None or theirs is None:
        return []
    if _load(slow) <= _ALIKE * _load(fast):
        hidden = [show(_get(row, "exposed_communication_s") or 0.0, "s", digits=3) for row in (slow, fast)]
        counts = [_get(row, "messages_per_iteration") or 0 for row in (slow, fast)]
        more = (
            f" It sends {_whole(counts[0])} messages, against {_whole(counts[1])}." if counts[0] > 2 * counts[1] else ""
        )
        return [
            f"Their busiest links carry about the same, {ours}; with {_the(slow, axis)} computing leaves {hidden[0]} "
            f"of the exchange uncovered, with {_the(fast, axis)} {hidden[1]}.{more}"
        ]
    return [
        f"{_capital(_the(slow, axis))} is held back by {_link(slow)}, which carries {theirs} an iteration"
        f"{_sending(slow)}; with {_the(fast, axis)} no link carries more than {ours}."
    ]


def _load(row: Row) -> float:
    """Seconds that the busiest link needs for its bytes."""
    rate = _get(row, "busiest_link_rate_bytes_per_s")
    return float(_get(row, "busiest_link_bytes_per_iteration") or 0.0) / rate if rate else 0.0


def _compute_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    ours, theirs = (show(_get(row, "compute_time_s") or 0.0, "s", digits=3) for row in (fast, slow))
    return [f"{_capital(_the(slow, axis))} computes for {theirs} an iteration, {_the(fast, axis)} for {ours}."]


def _waiting_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    ours, theirs = (show(_get(row, "straggler_wait_s") or 0.0, "s", digits=3) for row in (fast, slow))
    return [f"{_capital(_the(slow, axis))} waits {theirs} an iteration for slower workers, {_the(fast, axis)} {ours}."]


_PARTS = {
    "exposed_communication_s": _link_lost,
    "compute_time_s": _compute_lost,
    "straggler_wait_s": _waiting_lost,
}


def _holding_back(row: Row, who: str) -> list[str]:
    bottleneck = str(_get(row, "bottleneck") or "")
    carried = _carried(row)
    if bottleneck.startswith("link") and carried is not None:
        return [f"The busiest link, {_link(row)}, carries {carried} an iteration{_sending(row)}."]
    use = _get(row, "busiest_link_utilisation")
    if bottleneck == "latency" and use is not None:
        return [
            f"It is latency that counts: the busiest link, {_link(row)}, is in use for {_percent(use)} of the time."
        ]
    return []


def _carried(row: Row) -> str | None:
    nbytes, gradients = _get(row, "busiest_link_bytes_per_iteration"), _get(row, "gradient_bytes")
    if nbytes is None:
        return None
    multiple = f" ({_number(nbytes / gradients)} x the gradients)" if gradients else ""
    return f"{show(nbytes, 'B', digits=3)}{multiple}"


def _sending(row: Row) -> str:
    nbytes, rate = _get(row, "busiest_link_bytes_per_iteration"), _get(row, "busiest_link_rate_bytes_per_s")
    if not nbytes or not rate:
        return ""
    return f", {show(nbytes / rate, 's', digits=3)} of sending at {show(rate, 'B/s')}"


def _link(row: Row) -> str:
    """ "server0.down" as people say it: "the port of server0, incoming"."""
    link = str(_get(row, "busiest_link") or "the busiest link")
    match = re.fullmatch(r"(\w+)\.(up|down)", link)
    return f"{match[1]}'s {'outgoing' if match[2] == 'up' else 'incoming'} port" if match else link


# Rows


def _get(row: Row, key: str) -> Any:
    value = row.get(key)
    return None if isinstance(value, float) and math.isnan(value) else value


def _speed(row: Row) -> float:
    speed = _get(row, "samples_per_s")
    return float(speed) if speed else 1.0 / float(row["iteration_time_s"])


def _factor(fast: Row, slow: Row) -> float:
    return _speed(fast) / _speed(slow)


def _ranked(rows: Sequence[Row], axis: str | None) -> list[Row]:
    """Fastest first; the best row of each contender; ties in the order in which they came."""
    best: dict[str, Row] = {}
    for row in rows:
        key = text(row[axis]) if axis else ""
        if key not in best or _speed(row) > _speed(best[key]):
            best[key] = row
    return sorted(best.values(), key=lambda row: -_speed(row))


def _best(ranked: Sequence[Row]) -> list[Row]:
    return [row for row in ranked if _factor(ranked[0], row) - 1 < TIE]


def _in_order(values: Sequence[Any]) -> list[Any]:
    distinct = [value for index, value in enumerate(values) if value not in values[:index]]
    measured = measure(distinct)
    if measured is None:
        return distinct
    return [value for _, value in sorted(zip(measured[1], distinct, strict=True), key=lambda pair: pair[0])]


def _runs(items: Sequence[tuple[tuple[str, ...], Row]]) -> list[tuple[tuple[str, ...], list[Row]]]:
    ordered = [(tuple(sorted(names)), row) for names, row in items]
    return [(names, [row for _, row in run]) for names, run in groupby(ordered, key=lambda item: item[0])]


# Words


def _name(row: Row, axis: str | None) -> str:
    return label(axis, row[axis]) if axis else "it"


def _the(row: Row, axis: str) -> str:
    """A contender as a noun: "the ring", "the parameter server"; names of models stand bare."""
    said = _name(row, axis)
    return f"the {said}" if axis in ("job.strategy", "job.strategy.kind") else said


def _where(rows: Sequence[Row], skip: str | None) -> str:
    """The coordinates that all the rows share, and the number of workers, as " on 8 workers, at a batch of 32"."""
    shared = [
        key
        for key in rows[0]
        if "." in key and key not in (skip, "cluster.workers") and len({text(row[key]) for row in rows}) == 1
    ]
    workers = {_get(row, "workers") for row in rows}
    count = workers.pop() if len(workers) == 1 else None
    said = [f"on {_whole(count)} worker{'' if count == 1 else 's'}"] if count is not None else []
    said += [place(key, rows[0][key]) for key in shared]
    return f" {', '.join(said)}" if said else ""


def _pace(row: Row, *, verb: bool = False) -> str:
    time = show(row["iteration_time_s"], "s", digits=3)
    return f"an iteration takes {time}, {_rate(_speed(row))}" if verb else f"{time} an iteration, {_rate(_speed(row))}"


def _bare(axis: str, value: Any) -> str:
    return place(axis, value).split(" ", 1)[1]


def _verb(names: Sequence[str]) -> str:
    return "is fastest" if len(names) == 1 else "tie"


def _plural(axis: str) -> str:
    return "make" if name(axis).endswith("s") else "makes"


def _list(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capital(said: str) -> str:
    """The first letter large, but for names such as mobilenet_v1, which are spelled as they are typed."""
    first = said.split(" ", 1)[0]
    return said if "_" in first else said[:1].upper() + said[1:]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _times(factor: float) -> str:
    return f"{_number(factor)} x"


def _rate(samples: float) -> str:
    return f"{samples:,.0f} samples/s" if samples >= 100 else f"{samples:.3g} samples/s"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _share(part: float, total: float) -> str:
    return _percent(part / total)


def _whole(value: Any) -> str:
    return f"{value:,.0f}"
