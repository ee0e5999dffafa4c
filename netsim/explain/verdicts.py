"""Who wins, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netsim.axes import text
from netsim.confidence import difference_of
from netsim.explain.reasons import contrast, why
from netsim.units import show
from netsim.wording import (
    Row,
    best_rows,
    capital,
    contender_name,
    figure,
    listed,
    names_listed,
    opening,
    pace_of,
    percent_text,
    ranked_rows,
    replica_times,
    the_contender,
    times_faster,
    times_text,
    where_of,
    whole_text,
)


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
    won = [_win(ranked, contender_axis), *_how_sure(first, second, contender_axis)]
    sentences = [*won, *contrast(first, ranked[-1], contender_axis)]
    return Verdict(
        text(first[contender_axis]), text(second[contender_axis]), times_faster(first, second), tuple(sentences)
    )


# Who is fastest


def _win(ranked: Sequence[Row], axis: str) -> str:
    first, who = ranked[0], opening(contender_name(ranked[0], axis), axis)
    return f"{who} is fastest{where_of(ranked, axis)}: {pace_of(first)}, {_ahead_of(ranked[1:], first, axis)}."


def _how_sure(first: Row, second: Row, axis: str) -> list[str]:
    """Whether the winner's lead may be luck, from replicas of both that met the same noise."""
    ones, others = replica_times(second), replica_times(first)
    if len(ones) != len(others) or len(ones) < 2:
        return []
    lead = difference_of(ones, others)
    said = f"Over {len(ones)} replicas with the same noise its lead on {the_contender(second, axis)} is"
    interval = f"95% interval {show(lead.low, 's', digits=3)} to {show(lead.high, 's', digits=3)}"
    luck = ", so that it may be luck" if lead.low <= 0 < lead.high else ""
    return [f"{said} {show(lead.mean, 's', digits=3)} an iteration, {interval}{luck}."]


def _ahead_of(others: Sequence[Row], first: Row, axis: str) -> str:
    """By how much: of many, for the next and the last."""
    named = others if len(others) <= 3 else [others[0], others[-1]]
    return listed([f"{times_text(times_faster(first, row))} faster than {the_contender(row, axis)}" for row in named])


def _tie(ranked: Sequence[Row], best: Sequence[Row], axis: str) -> list[str]:
    first = f"{opening(names_listed(best, axis), axis)} tie{where_of(ranked, axis)}: {pace_of(best[0])}"
    others = ranked[len(best) :]
    if others:
        return [f"{first}, {_ahead_of(others, best[0], axis)}.", *contrast(best[0], ranked[-1], axis)]
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
