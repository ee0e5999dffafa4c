"""Algorithms from files, which are data: steps in TOML or JSON, and MSCCL's XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

from netsim.algorithms import msccl
from netsim.algorithms.proof import proved
from netsim.algorithms.xml import read_xml
from netsim.collectives.rounds import Collective, Operation, Round
from netsim.errors import Problem, ScenarioError
from netsim.families import build
from netsim.hardware import Link
from netsim.texts import read_text, tables_of
from netsim.units import Count


@dataclass(frozen=True, kw_only=True)
class Step:
    """One round: `send` lists transfers as [from, to, first piece] or [from, to, first piece, pieces]."""

    send: tuple[tuple[int, ...], ...]
    add: bool
    lane: int = 0

    def __post_init__(self) -> None:
        if not self.send or any(len(each) not in (3, 4) for each in self.send):
            raise ValueError("send must list transfers as [from, to, first piece] or [from, to, first piece, pieces]")
        if not 0 <= self.lane < 1024:
            raise ValueError("lane must be a number from 0 to 1023")

    def as_round(self) -> Round:
        """The same as arrays."""
        src, dst, first, count = zip(*((*each, 1)[:4] for each in self.send), strict=True)
        return Round.of(src, dst, first=first, count=count, add=self.add, lane=self.lane)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A file of steps: `pieces` of the buffer among `ranks`, and rounds one after another."""

    ranks: Annotated[int, Count("a number of ranks", at_most=4096)]
    pieces: Annotated[int, Count("a number of pieces", at_most=1_000_000)]
    round: tuple[Step, ...]
    operation: Operation = "all_reduce"

    def __post_init__(self) -> None:
        for number, step in enumerate(self.round):
            for src, dst, first, *more in step.send:
                count = more[0] if more else 1
                if not (0 <= src < self.ranks and 0 <= dst < self.ranks and src != dst):
                    raise ValueError(
                        f"round {number} sends from rank {src} to {dst}; there are ranks 0 to {self.ranks - 1}"
                    )
                if not (0 <= first < self.pieces and 1 <= count <= self.pieces):
                    raise ValueError(f"round {number} sends {count} pieces from {first} on; there are {self.pieces}")


@dataclass(frozen=True, kw_only=True)
class OwnSteps(Collective):
    """The collective of a file: its rounds, among so many ranks, of so many pieces."""

    operations: ClassVar[tuple[Operation, ...]] = (
        *("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "all_to_all", "gather", "scatter"),
        "barrier",
    )

    among: int
    parts: int
    schedule: tuple[Round, ...] = field(compare=False, repr=False)

    def fit(self, ranks: int) -> None:
        if ranks != self.among:
            raise ScenarioError(f"the file's steps are for {self.among} ranks, not {ranks}", path="ranks")
        super().fit(ranks)

    def pieces(self, ranks: int) -> int:
        return self.parts

    def rounds(self, ranks: int) -> Iterator[Round]:
        yield from self.schedule

    def fan(self, ranks: int) -> int:
        return ranks  # nothing is known of who sends to how many at once, so that one latency is all that is sure

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """What the steps send."""
        piece = self.held(ranks, nbytes) / self.parts
        return sum(int(each.count.sum()) for each in self.schedule) * piece

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """0 for one rank; steps of a file come without a closed form."""
        return 0.0 if ranks == 1 else None


Reader = Callable[[str, Mapping[str, Any]], OwnSteps]


def from_file(file: str, fields: Mapping[str, Any]) -> OwnSteps:
    """The collective of a TOML, JSON or MSCCL XML file, with further `fields` of every collective, proved right.

    Raises ScenarioError with everything that is wrong; the rank, the piece and the contribution if it does not do what
    it promises."""
    ending = Path(file).suffix.lower()
    if ending not in _READERS:
        raise ScenarioError(f"{file} is neither .toml nor .json nor .xml", path="--file")
    text = read_text(file, path="--file")
    try:
        return _READERS[ending](text, fields)
    except ScenarioError as error:
        found = [Problem(f"{file}: {each.path}" if each.path else file, each.message) for each in error.problems]
        raise ScenarioError(found) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise ScenarioError(f"{file} cannot be read: {error}", path="--file") from None


def _of_table(table: Any, fields: Mapping[str, Any]) -> OwnSteps:
    steps: Steps = build(Steps, table)
    schedule = tuple(step.as_round() for step in steps.round)
    kind = _own(fields, operation=steps.operation, among=steps.ranks, parts=steps.pieces, schedule=schedule)
    return proved(kind, steps.ranks)


def _of_msccl(text: str, fields: Mapping[str, Any]) -> OwnSteps:
    algorithm, schedule = msccl.played(read_xml(text))
    parts = algorithm.chunks * (algorithm.gpus if algorithm.operation == "all_to_all" else 1)
    kind = _own(fields, operation=algorithm.operation, among=algorithm.gpus, parts=parts, schedule=schedule)
    kind.fit(algorithm.gpus)
    return kind


def _own(fields: Mapping[str, Any], *, operation: Operation, **own: Any) -> OwnSteps:
    kind: OwnSteps = build(
        OwnSteps, {**fields, "operation": operation}, left_out=tuple(own), finish=partial(OwnSteps, **own)
    )
    return kind


_READERS: dict[str, Reader] = {
    ".toml": lambda text, fields: _of_table(tables_of(text), fields),
    ".json": lambda text, fields: _of_table(json.loads(text), fields),
    ".xml": _of_msccl,
}
