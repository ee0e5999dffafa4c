"""Which slices a rank has under way at once, and which follow when these are done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leg:
    """A part of an exchange, which each rank ends before it begins the next one.

    A rank has at most so many slices under way, and begins `at_a_time` of them, in order, when there is room for them.
    by_step: of a slice, it is the step of one round that it begins; it goes round by round, through all slices in each.
    adds: of which rounds: those that add, those that do not, or all.
    """

    at_most: int
    at_a_time: int
    by_step: bool = False
    adds: bool | None = None

    @property
    def abreast(self) -> bool:
        """Whether all slices do a step together: they are one message, cut up."""
        return self.by_step and self.at_a_time > 1


Legs = tuple[Leg, ...]


def in_loops(slices: int, loop: int) -> Legs:
    """Slices go through all rounds in loops of so many: the next ones begin when the present ones are done."""
    return (Leg(min(loop, slices), min(loop, slices)),)


def in_segments(slices: int, at_most: int) -> Legs:
    """Steps follow one another, round by round, with so many under way: first those that add, then the others."""
    return tuple(Leg(min(at_most, slices), 1, by_step=True, adds=adds) for adds in (True, False))


def back_in_whole(slices: int) -> Legs:
    """One slice after the other is added up; then all go round as one."""
    return Leg(1, 1, by_step=True, adds=True), Leg(slices, slices, by_step=True, adds=False)
