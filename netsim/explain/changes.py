"""How the answer changes along an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from netsim.axes import every, is_count, measure, name, place, text
from netsim.wording import (
    TIE,
    Row,
    bare_value,
    best_rows,
    bound_of,
    capital,
    contender_name,
    figure,
    in_order,
    listed,
    makes,
    names_listed,
    number_text,
    opening,
    percent_text,
    ranked_rows,
    rate_text,
    speed_of,
    the_contender,
    times_faster,
    times_text,
)

_FLAT = 0.05  # more of something that gains less than this share is called no help
_FEW = 4  # contenders of which each gets a clause of its own

Stretch = tuple[str, list[Any]]  # what holds, and the neighbouring values of an axis for which it does


def how_it_changes(rows: Sequence[Row], contender_axis: str | None, axis: str) -> list[str]:
    """How the winner (or, with one contender, the speed) changes along an axis; other coordinates as they come."""
    values = in_order([row[axis] for row in rows])
    if len(values) < 2:
        return []
    by_value = [ranked_rows([row for row in rows if row[axis] == value], contender_axis) for value in values]
    if contender_axis is None or all(len(ranked) == 1 for ranked in by_value):
        return _trend([ranked[0] for ranked in by_value], axis)
    if measure(values) is None:
        wheres = [place(axis, value) for value in values]
        return [_one_winner(ranked, contender_axis, where) for ranked, where in zip(by_value, wheres, strict=True)]
    lines = _lines(by_value, contender_axis)
    return [
        f"{opening(_winners(rows, by_value, contender_axis, axis), contender_axis)}.",
        *_gap(by_value, contender_axis, axis),
        *_overtakings(lines, contender_axis, axis),
        *_never_far_behind(by_value, lines, contender_axis),
        *_bounds(lines, contender_axis, axis),
        *_enough(lines, contender_axis, axis),
    ]


def how_two_change_it(rows: Sequence[Row], contender_axis: str, axis: str, other: str) -> list[str]:
    """Who is fastest along an axis at each value of another one: a sentence a value."""
    said = []
    for value in in_order([row[other] for row in rows]):
        here = [row for row in rows if row[other] == value]
        by_value = [
            ranked_rows([row for row in here if row[axis] == at], contender_axis)
            for at in in_order([row[axis] for row in here])
        ]
        lead = [times_faster(ranked[0], ranked[-1]) for ranked in by_value]
        ahead = f", by a factor of {number_text(min(lead))} to {number_text(max(lead))}" if max(lead) - 1 >= TIE else ""
        said.append(f"{capital(place(other, value))} {_winners(rows, by_value, contender_axis, axis)}{ahead}.")
    return said


def _lines(by_value: Sequence[Sequence[Row]], contender_axis: str) -> list[list[Row]]:
    """The rows of each contender along the axis, for those that are there at every value."""
    lines: dict[str, list[Row]] = {}
    for ranked in by_value:
        for row in ranked:
            lines.setdefault(text(row[contender_axis]), []).append(row)
    return [line for line in lines.values() if len(line) == len(by_value)]


def _one_winner(ranked: Sequence[Row], axis: str, where: str) -> str:
    best = best_rows(ranked)
    rest = ranked[len(best) :]
    lead = f", {times_text(times_faster(best[0], rest[0]))} faster than {the_contender(rest[0], axis)}" if rest else ""
    return f"{capital(where)} {names_listed(best, axis)} {_verb(best)}{lead}."


def _verb(best: Sequence[Row]) -> str:
    return "is fastest" if len(best) == 1 else "tie"


def _winners(rows: Sequence[Row], by_value: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> str:
    """ "tree is fastest up to 4 workers, ring from 8 on"; who ties is in the order of the rows."""
    order = list(dict.fromkeys(text(row[contender_axis]) for row in rows))
    who = [sorted(best_rows(ranked), key=lambda row: order.index(text(row[contender_axis]))) for ranked in by_value]
    runs = _stretches([(f"{names_listed(best, contender_axis)} {_verb(best)}", best[0][axis]) for best in who])
    return _along(runs, axis)


def _stretches(items: Sequence[tuple[str, Any]]) -> list[Stretch]:
    return [(said, [value for _, value in run]) for said, run in groupby(items, key=lambda item: item[0])]


def _along(runs: Sequence[Stretch], axis: str) -> str:
    """ "ring is fastest up to 4 workers, tree from 8 on": what holds where; a verb is said once."""
    if len(runs) == 1:
        said, values = runs[0]
        return f"{said} {every(axis, values[0], values[-1])}"
    parts, verb = [], ""
    for index, (said, values) in enumerate(runs):
        repeated = verb and said.endswith(verb)
        verb = next(end for end in (" is fastest", " tie", "") if said.endswith(end))
        parts.append(f"{said.removesuffix(verb) if repeated else said} {_where(axis, values, index, len(runs))}")
    return ", ".join(parts)


def _where(axis: str, values: Sequence[Any], index: int, count: int) -> str:
    """The axis is named in the first part of a sentence; the other parts have its values alone."""
    if index == 0:
        return place(axis, values[0]) if len(values) == 1 else f"up to {bare_value(axis, values[-1])}"
    if index == count - 1:
        return f"at {text(values[0])}" if len(values) == 1 else f"from {text(values[0])} on"
    return f"at {text(values[0])}" if len(values) == 1 else f"from {text(values[0])} to {text(values[-1])}"


def _gap(by_value: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> list[str]:
    """How far the slowest is behind the fastest: at both ends of the axis, and in between where that is most."""
    if any(len(ranked) < 2 for ranked in by_value):
        return []
    factors = [times_faster(ranked[0], ranked[-1]) for ranked in by_value]
    if max(factors) - 1 < TIE:
        return []
    peak = factors.index(max(factors))
    shown = sorted({0, peak, len(factors) - 1})
    slowest = {contender_name(by_value[at][-1], contender_axis) for at in shown if factors[at] - 1 >= TIE}
    who = f" ({slowest.pop()})" if len(slowest) == 1 else ""
    said = [
        f"{number_text(factors[at])} {place(axis, by_value[at][0][axis]) if at == 0 else _bare(axis, by_value[at][0])}"
        for at in shown
    ]
    return [f"The fastest is ahead of the slowest{who} by a factor of {listed(said)}."]


def _bare(axis: str, row: Row) -> str:
    return f"at {text(row[axis])}"


def _overtakings(lines: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> list[str]:
    """Between which values one of several contenders overtakes another; of two, the winners say it already."""
    if not 3 <= len(lines) <= _FEW:
        return []
    said = [
        f"{contender_name(one[0], contender_axis)} overtakes {contender_name(other[0], contender_axis)} between {where}"
        for one in lines
        for other in lines
        for where in _passes(one, other, axis)
    ]
    return [f"{opening('; '.join(said), contender_axis)}."] if said else []


def _passes(one: Sequence[Row], other: Sequence[Row], axis: str) -> Iterator[str]:
    """Neighbouring values between which `one` comes from behind `other` to ahead of it."""
    behind: Row | None = None
    for row, rival in zip(one, other, strict=True):
        lead = times_faster(row, rival) - 1
        if lead <= -TIE:
            behind = row
        elif lead >= TIE and behind is not None:
            yield f"{text(behind[axis])} and {bare_value(axis, row[axis]) if is_count(axis, 1) else text(row[axis])}"
            behind = None


def _never_far_behind(
    by_value: Sequence[Sequence[Row]], lines: Sequence[Sequence[Row]], contender_axis: str
) -> list[str]:
    """With three and more contenders of which none is always fastest: the one whose worst is least bad."""
    if len(lines) < 3:
        return []
    fastest = [speed_of(ranked[0]) for ranked in by_value]
    worst = [max(best / speed_of(row) for best, row in zip(fastest, line, strict=True)) - 1 for line in lines]
    least = min(worst)
    if least < TIE or least > 1:
        return []
    who = contender_name(lines[worst.index(least)][0], contender_axis)
    return [f"{opening(who, contender_axis)} is never more than {percent_text(least)} slower than the fastest."]


def _bounds(lines: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> list[str]:
    """What bounds each of few contenders along the axis, where that changes for one of them."""
    runs = [_stretches([(bound_of(row), row[axis]) for row in line]) for line in lines]
    if len(lines) > _FEW or all(len(run) == 1 for run in runs):
        return []
    if all(run == runs[0] for run in runs):
        both = {1: contender_name(lines[0][0], contender_axis), 2: "both"}.get(len(lines), "all")
        return [f"{capital(both)} {'is' if len(lines) == 1 else 'are'} bound {_along(runs[0], axis)}."]
    said = []
    for line, run in zip(lines, runs, strict=True):
        throughout = f"{run[0][0]} throughout"
        where = throughout if len(run) == 1 else _along(run, axis)
        said.append(f"{contender_name(line[0], contender_axis)} is bound {where}")
    return [f"{opening('; '.join(said), contender_axis)}."]


def _enough(lines: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> list[str]:
    """From where on more of the axis hardly helps a contender; nothing for workers, where more is the question."""
    if axis == "cluster.workers" or len(lines) > _FEW:
        return []
    enough, still = [], []
    for line in lines:
        first = _close_to_best(line)
        if first is line[-1]:
            still.append(line[0])
        elif first is not line[0]:
            enough.append(f"beyond {bare_value(axis, first[axis])} {contender_name(first, contender_axis)} gains")
    if not enough:
        return []
    end = (
        f", while {names_listed(still, contender_axis)} still {'gain' if len(still) > 1 else 'gains'}" if still else ""
    )
    return [f"{capital(listed(enough))} less than {percent_text(_FLAT)}{end}."]


def _close_to_best(line: Sequence[Row]) -> Row:
    best = max(map(speed_of, line))
    return next(row for row in line if speed_of(row) * (1 + _FLAT) >= best)


def _trend(rows: Sequence[Row], axis: str) -> list[str]:
    """How the speed changes along an axis with nobody to compare with."""
    if measure([row[axis] for row in rows]) is None:
        best = ranked_rows(rows, axis)
        return [_one_winner(best, axis, "overall")] if len(best) > 1 else []
    first, last = rows[0], rows[-1]
    start, end = speed_of(first), speed_of(last)
    if all(abs(speed_of(row) / start - 1) < TIE for row in rows):
        return [f"The {name(axis)} {makes(axis)} no difference, from {text(first[axis])} to {text(last[axis])}."]
    low, high = bare_value(axis, first[axis]), text(last[axis])
    sentences = [f"From {low} to {high} the throughput goes from {rate_text(start)} to {rate_text(end)}."]
    if axis != "cluster.workers":
        enough = _close_to_best(rows)
        if enough is not last and enough is not first:
            sentences.append(f"Beyond {bare_value(axis, enough[axis])} it gains less than {percent_text(_FLAT)}.")
        return sentences
    efficiency = [figure(row, "scaling_efficiency") for row in (first, last)]
    if None not in efficiency:
        low, high = map(percent_text, efficiency)
        goes = f"stays at {low}" if low == high else f"goes from {low} to {high}"
        sentences.append(f"The scaling efficiency {goes}.")
    return sentences
