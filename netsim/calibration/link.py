"""Latency and rate of a link, fitted to measured times of messages and collectives.

Every sample is a sum a alpha + b / beta: so many latencies in a row and so many bytes one after the other. A message
has a = 1 and b its size; of a collective a and b come from its closed form on equal links, by the algorithm that it is
read as. So all logs are one regression, which minimises relative errors; where one pair of constants does not do, the
messages are parted by size, as protocols part them (eager and rendezvous, NCCL's LL and Simple).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from netsim.collectives.rounds import Collective
from netsim.errors import ScenarioError
from netsim.families import FAMILIES, kind_of
from netsim.hardware import CurvePoint, Link, Measured
from netsim.logs.base import Log
from netsim.units import parse, show

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_MOST_PIECES = 4
_SIZES_IN_A_PIECE = 3  # different ones, at least: two make any line
_MOST_BREAKS = 40  # places where a piece may begin
_OUTLIER = 0.25  # relative error beyond which a sample counts no more than that, in the choice of pieces
_EXACT = 1e-3  # relative error that no measurement is better than
_MOVING = 0.3  # share of the time that bytes take, from which on a rate follows from it
_FOLDS = 5
_ROUNDS = 12  # of reweighting
_OF_OPERATION = {"all_to_all": "direct", "reduce": "binomial_tree", "broadcast": "binomial_tree", "gather": "direct"}


@dataclass(frozen=True)
class Observed:
    """Samples as the regression has them, sorted by `message`, the bytes that go in one message."""

    latencies: Floats
    nbytes: Floats
    seconds: Floats
    message: Floats

    def __len__(self) -> int:
        return len(self.seconds)

    def part(self, chosen: Any) -> Observed:
        """The samples of a slice or a mask."""
        return Observed(self.latencies[chosen], self.nbytes[chosen], self.seconds[chosen], self.message[chosen])


@dataclass(frozen=True)
class Piece:
    """Messages of `start` bytes and more: latency (s), and seconds a byte."""

    start: float
    latency: float
    per_byte: float


@dataclass(frozen=True)
class LinkFit:
    """A link, the samples that it was fitted to with what the fit says of them (s), and what fits say of samples that
    they have not seen; `algorithm` is what a collective was read as."""

    link: Link
    observed: Observed
    fitted: Floats
    held_out: Floats
    pieces: tuple[Piece, ...]
    algorithm: str | None

    @property
    def error(self) -> tuple[float, float]:
        """Mean and largest |fitted / measured - 1|."""
        return _errors(self.fitted, self.observed.seconds)

    @property
    def held_out_error(self) -> tuple[float, float]:
        """The same of samples that the fit had not seen."""
        return _errors(self.held_out, self.observed.seconds)


def fit_link(logs: Sequence[Log], *, algorithm: str | None = None) -> LinkFit:
    """The link of which logs tell. Streams of messages give the rate and the gap, all others latency and rate.

    algorithm: the kind of collective that a log's operation is read as; by default the ring, or what is usual. Raises
    ScenarioError where a kind has no closed form that would do, and where there are fewer than three sizes.
    """
    timed = [log for log in logs if log.what != "stream"]
    streams = [log for log in logs if log.what == "stream"]
    if not timed:
        raise ScenarioError("a log of bandwidth alone has no latency in it; give that of a latency test beside it")
    kinds = {log.what: _kind(log, algorithm) for log in timed if not log.pointwise}
    observed = _sorted([_observed(log, kinds.get(log.what)) for log in timed])
    pieces = fit(observed)
    gap, rate = 0.0, _rate(pieces, observed)
    if streams:
        through = fit(_sorted([_observed(log, None) for log in streams]))
        gap, rate = through[0].latency, max(1 / each.per_byte for each in through if each.per_byte > 0)
    if rate is None:
        raise ScenarioError("the times do not grow with the size, so that no rate follows from them; add larger sizes")
    pieces = [_rounded(_within(piece, observed, pieces, rate)) for piece in pieces]
    link = _link(pieces, _short(rate, "B/s"), _short(gap, "s"), observed)
    names = {kind_of(kind) for kind in kinds.values()}
    return LinkFit(
        link,
        observed,
        predict(pieces, observed),
        _held_out(observed, rate),
        tuple(pieces),
        ", ".join(sorted(names)) or None,
    )


def fit(observed: Observed) -> list[Piece]:
    """Pieces, so many that the Bayesian information criterion n ln(S / n) + p ln n is least (Schwarz 1978): S is the
    sum of squared relative errors, each at most that of an outlier, and p counts two constants a piece and the places
    between pieces. Where the breaks lie is found by dynamic programming (Bellman 1961)."""
    starts = _starts(observed)
    if len(np.unique(observed.message)) < _SIZES_IN_A_PIECE:
        raise ScenarioError(f"a fit needs {_SIZES_IN_A_PIECE} sizes at least")
    count = len(starts) - 1
    pieces: dict[tuple[int, int], Piece] = {}
    losses = np.full((count + 1, count + 1), np.inf)
    for i in range(count):
        for j in range(i + 1, count + 1):
            part = observed.part(slice(starts[i], starts[j]))
            if len(np.unique(part.message)) >= _SIZES_IN_A_PIECE:
                pieces[i, j] = _fit_one(part)
                losses[i, j] = _loss(pieces[i, j], part)
    best = min(_ways(losses), key=lambda way: _criterion(way[0], len(way[1]) - 1, len(observed)))
    return [pieces[pair] for pair in pairwise(best[1])]


def predict(pieces: Sequence[Piece], observed: Observed) -> Floats:
    """What the pieces say of samples (s)."""
    first = np.searchsorted([piece.start for piece in pieces[1:]], observed.message, side="right")
    latency = np.array([piece.latency for piece in pieces])[first]
    per_byte = np.array([piece.per_byte for piece in pieces])[first]
    seconds: Floats = observed.latencies * latency + observed.nbytes * per_byte
    return seconds


def _ways(losses: Floats) -> list[tuple[float, list[int]]]:
    """For each number of pieces the least loss and the places where the pieces begin and end."""
    count = len(losses) - 1
    reached: list[tuple[float, list[int]]] = [(losses[0, end], [0, end]) for end in range(count + 1)]
    ways = [reached[count]]
    for _ in range(_MOST_PIECES - 1):
        reached = [
            min(
                ((reached[k][0] + losses[k, end], [*reached[k][1], end]) for k in range(end)),
                default=(np.inf, [0, end]),
                key=lambda way: way[0],
            )
            for end in range(count + 1)
        ]
        ways.append(reached[count])
    return [way for way in ways if np.isfinite(way[0])]


def _criterion(loss: float, pieces: int, samples: int) -> float:
    return float(samples * np.log(loss / samples + _EXACT**2) + (3 * pieces - 1) * np.log(samples))


def _starts(observed: Observed) -> list[int]:
    """Where a piece may begin: at each size, or at some of very many; and the end."""
    _, first = np.unique(observed.message, return_index=True)
    places = first[np.unique(np.linspace(0, len(first) - 1, _MOST_BREAKS).astype(int))] if len(first) > 40 else first
    return [*map(int, places), len(observed)]


def _fit_one(part: Observed) -> Piece:
    """Least squares of relative errors, reweighted so that outliers count linearly (Huber 1964); neither constant is
    below nothing."""
    columns = np.stack([part.latencies, part.nbytes]) / part.seconds
    weights = np.ones(len(part))
    for _ in range(_ROUNDS):
        at = _non_negative(columns, weights)
        errors = np.abs(at @ columns - 1)
        scale = max(1.345 * 1.4826 * float(np.median(errors)), _EXACT)
        before, weights = weights, np.minimum(1.0, scale / np.maximum(errors, _EXACT * 1e-3))
        if float(np.abs(weights - before).max()) < 1e-3:
            break
    return Piece(float(part.message[0]), float(at[0]), float(at[1]))


def _non_negative(columns: Floats, weights: Floats) -> Floats:
    """The two constants that make the weighted columns' sum nearest to 1: the normal equations, or, where one constant
    would be below nothing, the better of the two alone."""
    one, other = columns * weights
    aa, bb, ab = float(one @ columns[0]), float(other @ columns[1]), float(one @ columns[1])
    a, b = float(one.sum()), float(other.sum())
    det = aa * bb - ab * ab
    if det > 1e-12 * aa * bb:
        at = np.array([bb * a - ab * b, aa * b - ab * a]) / det
        if (at >= 0).all():
            return at
    alone = np.array([a / aa if aa else 0.0, 0.0]), np.array([0.0, b / bb if bb else 0.0])
    return min(alone, key=lambda at: float((weights * (at @ columns - 1) ** 2).sum()))


def _loss(piece: Piece, part: Observed) -> float:
    errors = predict([piece], part) / part.seconds - 1
    return float((np.minimum(np.abs(errors), _OUTLIER) ** 2).sum())


def _held_out(observed: Observed, rate: float) -> Floats:
    """What fits say that have not seen every fifth size."""
    sizes = np.unique(observed.message)
    unseen = np.zeros(len(observed))
    for fold in range(_FOLDS):
        mine = np.isin(observed.message, sizes[fold::_FOLDS])
        rest = observed.part(~mine)
        if len(np.unique(rest.message)) < _SIZES_IN_A_PIECE or not mine.any():
            unseen[mine] = np.nan
            continue
        pieces = fit(rest)
        unseen[mine] = predict([_within(piece, rest, pieces, rate) for piece in pieces], observed.part(mine))
    return unseen


def _rate(pieces: Sequence[Piece], observed: Observed) -> float | None:
    """The fastest rate (bytes/s) of those pieces in whose largest message bytes take a good part of the time."""
    ends = [*(each.start for each in pieces[1:]), np.inf]
    rates = []
    for piece, end in zip(pieces, ends, strict=True):
        last = int(np.flatnonzero(observed.message < end)[-1])
        moving = piece.per_byte * observed.nbytes[last]
        if moving > _MOVING * (moving + piece.latency * observed.latencies[last]):
            rates.append(1 / piece.per_byte)
    return max(rates, default=None)


def _within(piece: Piece, observed: Observed, pieces: Sequence[Piece], rate: float) -> Piece:
    """A piece that is no faster than the link: where times do not grow with the size, latency is all that there is."""
    if piece.per_byte >= 1 / rate:
        return piece
    after = min((each.start for each in pieces if each.start > piece.start), default=np.inf)
    part = observed.part((observed.message >= piece.start) & (observed.message < after))
    latency = float(np.median((part.seconds - part.nbytes / rate) / part.latencies))
    return Piece(piece.start, max(latency, 0.0), 1 / rate)


def _link(pieces: Sequence[Piece], rate: float, gap: float, observed: Observed) -> Link:
    curve = tuple(
        CurvePoint(size=each.start if number else 0.0, latency=each.latency, rate=_short(1 / each.per_byte, "B/s"))
        for number, each in enumerate(pieces)
    )
    measured = Measured(smallest=float(observed.message[0]), largest=float(observed.message[-1]))
    if len(pieces) == 1:
        return Link(rate, pieces[0].latency, gap=gap, measured=measured)
    return Link(rate, pieces[0].latency, gap=gap, curve=curve, measured=measured)


def _observed(log: Log, kind: Collective | None) -> Observed:
    sizes = np.array([each.size for each in log.samples])
    seconds = np.array([each.seconds for each in log.samples])
    if kind is None:
        return Observed(np.ones(len(sizes)), sizes, seconds, sizes)
    parts: Floats = np.array([_in_a_row(kind, log.ranks or 0, size) for size in sizes]).T
    return Observed(parts[0], parts[1], seconds, parts[1] / parts[0])


def _in_a_row(kind: Collective, ranks: int, size: float) -> tuple[float, float]:
    """The latencies, and the bytes, that follow one another in a collective."""
    latencies, nbytes = _ideal(kind, ranks, size, 1.0, None), _ideal(kind, ranks, size, 0.0, 1.0)
    whole = _ideal(kind, ranks, size, 1e-5, 1e9)
    if abs(whole - (latencies * 1e-5 + nbytes * 1e-9)) > 1e-6 * whole or not latencies:
        said = f"{kind_of(kind)} does not take a sum of latencies and bytes; others do"
        raise ScenarioError(said, path="--algorithm")
    return latencies, nbytes


def _ideal(kind: Collective, ranks: int, size: float, latency: float, rate: float | None) -> float:
    seconds = kind.ideal_time(ranks, float(size), Link(rate or 1e30, latency))
    if seconds is None:
        raise ScenarioError(f"{kind_of(kind)} has no closed form to be fitted", path="--algorithm")
    return seconds


def _kind(log: Log, algorithm: str | None) -> Collective:
    name = algorithm or _OF_OPERATION.get(log.what, "ring")
    try:
        kind: Collective = FAMILIES["collectives"].build({"kind": name, "operation": log.what})
    except ScenarioError as error:
        raise ScenarioError(f"{error} (read as {name})", path="--algorithm") from None
    kind.fit(log.ranks or 0)
    return kind


def _sorted(parts: Sequence[Observed]) -> Observed:
    names = ("latencies", "nbytes", "seconds", "message")
    whole = Observed(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    return whole.part(np.argsort(whole.message, kind="stable"))


def _rounded(piece: Piece) -> Piece:
    return Piece(piece.start, _short(piece.latency, "s"), 1 / _short(1 / piece.per_byte, "B/s"))


def _short(value: float, unit: str) -> float:
    """The value as it is written with five digits."""
    return parse(show(value, unit, digits=5), unit)


def _errors(predicted: Floats, measured: Floats) -> tuple[float, float]:
    known = np.isfinite(predicted)
    errors = np.abs(predicted[known] / measured[known] - 1)
    return (float(errors.mean()), float(errors.max())) if len(errors) else (float("nan"), float("nan"))
