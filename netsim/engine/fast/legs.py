"""In which order the fast engine plays the rounds of slices that wait for one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netsim.collectives._flights import Leg, Legs
from netsim.collectives.rounds import Round, unrolled


class Stretch(NamedTuple):
    """A round, so many times in a row, in chains of steps of which each host does one after the other: `many` of them
    from the `chain`-th on, of `width` in all. `part` is its slice, where there is one; `before`: how often there were
    rounds in these chains, of which only the first may begin at one moment."""

    each: Round
    times: int
    chain: int
    many: int
    width: int
    part: int | None
    before: int


def stretches(
    legs: Legs, rounds: Sequence[Round], slices: int, *, pieces: int, apart: bool
) -> Iterator[Stretch | None]:
    """What is played after what; None where hosts end all that they have under way before they go on. `apart`: each
    slice of each round by itself."""
    for number, leg in enumerate(legs):
        of_leg = [each for each in rounds if leg.adds is None or each.add == leg.adds]
        single = list(unrolled(of_leg, pieces)) if apart else of_leg
        if number:
            yield None
        if not leg.by_step:
            yield from _in_loops(leg, single, slices, apart)
        elif leg.abreast:
            yield from _abreast(single, slices, apart)
        else:
            yield from _step_by_step(leg, single, slices, apart)


def in_one_order(legs: Legs, rounds: Sequence[Round]) -> bool:
    """Whether steps are done in the order in which they begin, so that chains may be told apart: where hosts have one
    neighbour on each side."""
    return all(
        not leg.by_step or len({(each.who, each.lane) for each in rounds if each.add == leg.adds}) <= 1 for leg in legs
    )


def _in_loops(leg: Leg, rounds: Sequence[Round], slices: int, apart: bool) -> Iterator[Stretch | None]:
    for first in range(0, slices, leg.at_most):
        many = min(leg.at_most, slices - first)
        passed: dict[int, int] = {}
        if first:
            yield None
        for each in rounds:
            before = passed.setdefault(each.lane, len(passed))  # so that only the first lane may begin with a tie
            passed[each.lane] = before + each.times
            if apart:
                for chain in range(many):
                    yield Stretch(each, each.times, chain, 1, many, first + chain, before)
            else:
                yield Stretch(each, each.times, 0, many, many, None, before)


def _abreast(rounds: Sequence[Round], slices: int, apart: bool) -> Iterator[Stretch | None]:
    for number, each in enumerate(one for one in rounds for _ in range(one.times)):
        if number:
            yield None
        for chain in range(slices if apart else 1):
            yield Stretch(each, 1, chain, 1 if apart else slices, slices, chain if apart else None, 0)


def _step_by_step(leg: Leg, rounds: Sequence[Round], slices: int, apart: bool) -> Iterator[Stretch]:
    """Chains take one step after the other, in turn."""
    width = leg.at_most
    if apart:
        for number, (each, part) in enumerate((each, part) for each in rounds for part in range(slices)):
            yield Stretch(each, 1, number % width, 1, width, part, number // width)
        return
    for each in rounds:
        times, rest = divmod(each.times * slices, width)
        yield Stretch(each, times, 0, width, width, None, 0)
        if rest:
            yield Stretch(each, 1, 0, rest, width, None, times)
