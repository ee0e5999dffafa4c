"""Sentences about results: who wins and by how much, why, and how that changes along an axis.

Works on plain rows (dicts with coordinates named by their path and the keys of `Trace.summary`), so that the terminal,
the report and a notebook say the same. Every figure in a sentence was measured by the simulation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netsim.axes import measure, name, place, text
from netsim.units import show
from netsim.wording import (
    TIE,
    Row,
    bare_value,
    best_rows,
    capital,
    contender_name,
    figure,
    in_order,
    listed,
    makes,
    number_text,
    pace_of,
    percent_text,
    ranked_rows,
    rate_text,
    runs_of,
    share_text,
    speed_of,
    the_contender,
    times_faster,
    times_text,
    verb_for,
    where_of,
    whole_text,
)

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
    ranked = ranked_rows(rows, contender_axis)
    if contender_axis is None or len(ranked) == 1:
        return Verdict(None, None, None, tuple(_alone(ranked[0], contender_axis)))
    best = best_rows(ranked)
    if len(best) > 1:
        return Verdict(None, None, 1.0, tuple(_tie(ranked, best, contender_axis)))
    first, second = ranked[0], ranked[1]
    sentences = [_win(ranked, contender_axis), *contrast(first, ranked[-1], contender_axis)]
    return Verdict(
        text(first[contender_axis]), text(second[contender_axis]), times_faster(first, second), tuple(sentences)
    )


def why(row: Row, contender_axis: str | None = None) -> list[str]:
    """What one run spends its time on and what holds it back, from its measured figures."""
    total = figure(row, "iteration_time_s")
    if not total:
        return []
    exposed, waiting = figure(row, "exposed_communication_s") or 0.0, figure(row, "straggler_wait_s") or 0.0
    who = f"{capital(contender_name(row, contender_axis))}'s iteration" if contender_axis else "An iteration"
    if exposed + waiting < TIE * total:
        return [f"{who} is all computing: no exchange holds it up."]
    parts = [f"{share_text(figure(row, 'compute_time_s') or 0.0, total)} computing"]
    parts += (
        [f"{share_text(exposed, total)} communication that computing does not hide"] if exposed >= TIE * total else []
    )
    parts += [f"{share_text(waiting, total)} waiting for slower workers"] if waiting >= TIE * total else []
    return [f"{who} is {listed(parts)}.", *_holding_back(row, who)]


def contrast(fast: Row, slow: Row, contender_axis: str) -> list[str]:
    """Why one contender is slower than another: what its busiest link carries, its messages or its computing."""
    lost = {key: (figure(slow, key) or 0.0) - (figure(fast, key) or 0.0) for key in _PARTS}
    key = max(lost, key=lambda part: lost[part])
    if lost[key] <= 0:
        return []
    return _PARTS[key](fast, slow, contender_axis)


def how_it_changes(rows: Sequence[Row], contender_axis: str | None, axis: str) -> list[str]:
    """How the winner (or, with one contender, the speed) changes along an axis; other coordinates as they come."""
    values = in_order([row[axis] for row in rows])
    if len(values) < 2:
        return []
    by_value = [ranked_rows([row for row in rows if row[axis] == value], contender_axis) for value in values]
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
    behind = listed([f"{times_text(times_faster(first, row))} faster than {the_contender(row, axis)}" for row in named])
    return f"{capital(contender_name(first, axis))} is fastest{where_of(ranked, axis)}: {pace_of(first)}, {behind}."


def _tie(ranked: Sequence[Row], best: Sequence[Row], axis: str) -> list[str]:
    names = listed([contender_name(row, axis) for row in best])
    first = f"{capital(names)} tie{where_of(ranked, axis)}: {pace_of(best[0])}"
    others = ranked[len(best) :]
    if others:
        behind = listed(
            [f"{times_text(times_faster(best[0], row))} faster than {the_contender(row, axis)}" for row in others]
        )
        return [f"{first}, {behind}.", *contrast(best[0], ranked[-1], axis)]
    if figure(best[0], "workers") == 1:
        return [f"{first}. One worker has nobody to exchange with."]
    return [f"{first}.", *why(best[0])]


def _alone(row: Row, axis: str | None) -> list[str]:
    workers = figure(row, "workers")
    efficiency = figure(row, "scaling_efficiency")
    start = f"{capital(where_of([row], axis).strip()) or 'Here'} {pace_of(row, verb=True)}"
    if workers == 1:
        return [f"{start}. One worker has nobody to exchange with: all of it is computing."]
    ideal = (
        f", {percent_text(efficiency)} of what {whole_text(workers)} workers that never wait would do"
        if efficiency and workers
        else ""
    )
    return [f"{start}{ideal}.", *why(row)]


def _one_winner(ranked: Sequence[Row], axis: str, where: str) -> str:
    best = best_rows(ranked)
    names = listed([contender_name(row, axis) for row in best])
    rest = ranked[len(best) :]
    lead = f", {times_text(times_faster(best[0], rest[0]))} faster than {the_contender(rest[0], axis)}" if rest else ""
    return f"{capital(where)} {names} {'is fastest' if len(best) == 1 else 'tie'}{lead}."


def _winners(by_value: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> str:
    """ "Tree is fastest up to 4 workers, ring from 8 workers on." """
    runs = [
        (names, [row[axis] for row in rows])
        for names, rows in runs_of(
            [
                (tuple(contender_name(row, contender_axis) for row in best_rows(ranked)), ranked[0])
                for ranked in by_value
            ]
        )
    ]
    if len(runs) == 1:
        names, values = runs[0]
        verb = "is fastest throughout" if len(names) == 1 else "tie throughout"
        return f"{capital(listed(names))} {verb}, from {bare_value(axis, values[0])} to {bare_value(axis, values[-1])}."
    said = []
    for index, (names, values) in enumerate(runs):
        verb = f" {verb_for(names)}" if index == 0 or verb_for(names) != verb_for(runs[index - 1][0]) else ""
        said.append(f"{listed(names)}{verb} {_stretch(axis, values, index, len(runs))}")
    return f"{capital(', '.join(said))}."


def _stretch(axis: str, values: Sequence[Any], index: int, count: int) -> str:
    if len(values) == 1 and index not in (0, count - 1):
        return place(axis, values[0])
    if index == 0:
        return place(axis, values[0]) if len(values) == 1 else f"up to {bare_value(axis, values[-1])}"
    if index == count - 1:
        return place(axis, values[0]) if len(values) == 1 else f"from {bare_value(axis, values[0])} on"
    return f"from {bare_value(axis, values[0])} to {bare_value(axis, values[-1])}"


def _gap(by_value: Sequence[Sequence[Row]], contender_axis: str, axis: str) -> list[str]:
    """How far the slowest is behind the fastest at both ends of the axis."""
    ends = [by_value[0], by_value[-1]]
    if any(len(ranked) < 2 for ranked in ends):
        return []
    low, high = (times_faster(ranked[0], ranked[-1]) for ranked in ends)
    here, there = (place(axis, ranked[0][axis]) for ranked in ends)
    if max(low, high) - 1 < TIE:
        return []
    who = f" ({contender_name(ends[1][-1], contender_axis)})" if high - 1 >= TIE else ""
    return [
        f"Between the fastest and the slowest{who} lies a factor of {number_text(low)} {here} and "
        f"of {number_text(high)} {there}."
    ]


def _enough(rows: Sequence[Row], contender_axis: str, axis: str) -> list[str]:
    """From where on more of the axis hardly helps a contender; nothing for workers, where more is the question."""
    if axis == "cluster.workers":
        return []
    said = []
    for value in list(dict.fromkeys(text(row[contender_axis]) for row in rows)):
        line = [row for row in rows if text(row[contender_axis]) == value]
        line = [next(row for row in line if row[axis] == at) for at in in_order([row[axis] for row in line])]
        best = max(map(speed_of, line))
        first = next(row for row in line if speed_of(row) >= best * (1 - _FLAT))
        if line[0] is not first and line[-1] is not first:
            said.append(f"{bare_value(axis, first[axis])} for {contender_name(first, contender_axis)}")
    return [f"Within {percent_text(_FLAT)} of the best already: {listed(said)}."] if said else []


def _trend(rows: Sequence[Row], axis: str) -> list[str]:
    if measure([row[axis] for row in rows]) is None:
        best = ranked_rows(rows, axis)
        return [_one_winner(best, axis, "overall")] if len(best) > 1 else []
    first, last = rows[0], rows[-1]
    start, end = speed_of(first), speed_of(last)
    if abs(end / start - 1) < TIE and all(abs(speed_of(row) / start - 1) < TIE for row in rows):
        return [
            f"The {name(axis)} {makes(axis)} no difference between {bare_value(axis, first[axis])} "
            f"and {bare_value(axis, last[axis])}."
        ]
    sentences = [
        f"From {bare_value(axis, first[axis])} to {bare_value(axis, last[axis])} the throughput goes from "
        f"{rate_text(start)} to {rate_text(end)} ({times_text(end / start)})."
    ]
    enough = next(row for row in rows if speed_of(row) >= max(map(speed_of, rows)) * (1 - _FLAT))
    if axis != "cluster.workers":
        if enough is not last and enough is not first:
            sentences.append(
                f"{capital(bare_value(axis, enough[axis]))} already gives within {percent_text(_FLAT)} of the best."
            )
        return sentences
    efficiency = [figure(row, "scaling_efficiency") for row in (first, last)]
    if None not in efficiency:
        sentences.append(
            f"The scaling efficiency goes from {percent_text(efficiency[0])} to {percent_text(efficiency[1])}."
        )
    return sentences


# Why


def _link_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    if figure(slow, "bottleneck") == "latency":
        messages = [figure(row, "messages_per_iteration") for row in (slow, fast)]
        counts = (
            f" ({whole_text(messages[0])} messages an iteration, against {whole_text(messages[1])})"
            if None not in messages
            else ""
        )
        return [f"{capital(the_contender(slow, axis))} waits for latency, not for bandwidth{counts}."]
    ours, theirs = _carried(fast), _carried(slow)
    if ours is None or theirs is None:
        return []
    if _load(slow) <= _ALIKE * _load(fast):
        hidden = [show(figure(row, "exposed_communication_s") or 0.0, "s", digits=3) for row in (slow, fast)]
        ours_sent, theirs_sent = (figure(row, "messages_per_iteration") or 0 for row in (fast, slow))
        sent = f" It sends {whole_text(theirs_sent)} messages, against {whole_text(ours_sent)}."
        more = sent if theirs_sent > 2 * ours_sent else ""
        return [
            f"Their busiest links carry about the same, {ours}; with {the_contender(slow, axis)} computing leaves "
            f"{hidden[0]} of the exchange uncovered, with {the_contender(fast, axis)} {hidden[1]}.{more}"
        ]
    return [
        f"{capital(the_contender(slow, axis))} is held back by {_link(slow)}, which carries {theirs} an iteration"
        f"{_sending(slow)}; with {the_contender(fast, axis)} no link carries more than {ours}."
    ]


def _load(row: Row) -> float:
    """Seconds that the busiest link needs for its bytes."""
    rate = figure(row, "busiest_link_rate_bytes_per_s")
    return float(figure(row, "busiest_link_bytes_per_iteration") or 0.0) / rate if rate else 0.0


def _compute_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    ours, theirs = (show(figure(row, "compute_time_s") or 0.0, "s", digits=3) for row in (fast, slow))
    return [
        f"{capital(the_contender(slow, axis))} computes for {theirs} an iteration, "
        f"{the_contender(fast, axis)} for {ours}."
    ]


def _waiting_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    ours, theirs = (show(figure(row, "straggler_wait_s") or 0.0, "s", digits=3) for row in (fast, slow))
    return [
        f"{capital(the_contender(slow, axis))} waits {theirs} an iteration for slower workers, "
        f"{the_contender(fast, axis)} {ours}."
    ]


_PARTS = {
    "exposed_communication_s": _link_lost,
    "compute_time_s": _compute_lost,
    "straggler_wait_s": _waiting_lost,
}


def _holding_back(row: Row, who: str) -> list[str]:
    bottleneck = str(figure(row, "bottleneck") or "")
    carried = _carried(row)
    if bottleneck.startswith("link") and carried is not None:
        return [f"The busiest link, {_link(row)}, carries {carried} an iteration{_sending(row)}."]
    use = figure(row, "busiest_link_utilisation")
    if bottleneck == "latency" and use is not None:
        return [
            f"It is latency that counts: the busiest link, {_link(row)}, is in use for {percent_text(use)} of the time."
        ]
    return []


def _carried(row: Row) -> str | None:
    nbytes, gradients = figure(row, "busiest_link_bytes_per_iteration"), figure(row, "gradient_bytes")
    if nbytes is None:
        return None
    multiple = f" ({number_text(nbytes / gradients)} x the gradients)" if gradients else ""
    return f"{show(nbytes, 'B', digits=3)}{multiple}"


def _sending(row: Row) -> str:
    nbytes, rate = figure(row, "busiest_link_bytes_per_iteration"), figure(row, "busiest_link_rate_bytes_per_s")
    if not nbytes or not rate:
        return ""
    return f", {show(nbytes / rate, 's', digits=3)} of sending at {show(rate, 'B/s')}"


def _link(row: Row) -> str:
    """ "server0.down" as people say it: "the port of server0, incoming"."""
    link = str(figure(row, "busiest_link") or "the busiest link")
    match = re.fullmatch(r"(\w+)\.(up|down)", link)
    return f"{match[1]}'s {'outgoing' if match[2] == 'up' else 'incoming'} port" if match else link
