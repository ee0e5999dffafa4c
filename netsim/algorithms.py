"""Collectives of one's own: steps in a file, which is data, or a class in a Python file, which is run as code."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

from netsim.collectives.rounds import Collective, Operation, Round, prove
from netsim.errors import Problem, RunError, ScenarioError
from netsim.families import build
from netsim.hardware import Link
from netsim.texts import read_text
from netsim.units import Count

_MOST_ENTRIES = 50_000_000  # of the table with which a collective is proved


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
    """The collective of a file of steps."""

    operations: ClassVar[tuple[Operation, ...]] = (
        *("all_reduce", "reduce_scatter", "all_gather", "broadcast", "reduce", "all_to_all", "gather", "scatter"),
        "barrier",
    )

    steps: Steps

    def fit(self, ranks: int) -> None:
        if ranks != self.steps.ranks:
            raise ScenarioError(f"the file's steps are for {self.steps.ranks} ranks, not {ranks}", path="ranks")
        super().fit(ranks)

    def pieces(self, ranks: int) -> int:
        return self.steps.pieces

    def rounds(self, ranks: int) -> Iterator[Round]:
        for step in self.steps.round:
            src, dst, first, count = zip(*((*each, 1)[:4] for each in step.send), strict=True)
            yield Round.of(src, dst, first=first, count=count, add=step.add, lane=step.lane)

    def fan(self, ranks: int) -> int:
        return ranks  # nothing is known of who sends to how many at once, so that one latency is all that is sure

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """What the steps send."""
        piece = self.held(ranks, nbytes) / self.steps.pieces
        return sum(int(each.count.sum()) for each in self.rounds(ranks)) * piece

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """0 for one rank; steps of a file come without a closed form."""
        return 0.0 if ranks == 1 else None


def from_file(file: str, fields: Mapping[str, Any]) -> OwnSteps:
    """The collective of a TOML or JSON file, with further `fields` of every collective, proved right.

    Raises ScenarioError with everything that is wrong; the rank, the piece and the contribution if it does not do what
    it promises."""
    table = _table(file)
    try:
        steps: Steps = build(Steps, table)
    except ScenarioError as error:
        raise ScenarioError(
            [Problem(f"{file}: {p.path}" if p.path else file, p.message) for p in error.problems]
        ) from None
    given = {**fields, "operation": steps.operation}
    kind: OwnSteps = build(OwnSteps, given, left_out=("steps",), finish=partial(OwnSteps, steps=steps))
    _prove(kind, steps.ranks, file)
    return kind


def from_code(place: str, fields: Mapping[str, Any], ranks: int) -> Collective:
    """The collective that is the class NAME of "FILE.py:NAME", with its fields, proved right for so many ranks. Its
    code is run, which is why it has to be named."""
    file, _, name = place.rpartition(":")
    if not file.endswith(".py") or not name:
        raise ScenarioError(f"{place!r} is not FILE.py:CLASS, such as mine.py:MyRing", path="--code")
    read_text(file, path="--code")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for the names in their annotations
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ScenarioError(f"{file} ends in {type(error).__name__}: {error}", path="--code") from None
    member = getattr(module, name, None)
    if not (inspect.isclass(member) and issubclass(member, Collective)):
        raise ScenarioError(f"{file} has no collective {name!r}, a class that derives from Collective", path="--code")
    kind: Collective = build(member, fields)
    _prove(kind, ranks, place)
    return kind


def _prove(kind: Collective, ranks: int, place: str) -> None:
    kind.fit(ranks)
    if (entries := ranks * kind.pieces(ranks) * ranks) > _MOST_ENTRIES:
        told = f"{ranks} ranks with {kind.pieces(ranks)} pieces would be {entries} contributions to follow"
        raise ScenarioError(f"{told}; at most {_MOST_ENTRIES} can be proved", path=place)
    try:
        prove(kind, ranks)
    except RunError as error:
        raise ScenarioError(f"is no {kind.operation}: {error}", path=place) from None


def _table(file: str) -> Mapping[str, Any]:
    text, ending = read_text(file, path="--file"), Path(file).suffix.lower()
    try:
        if ending == ".toml":
            return tomllib.loads(text)
        if ending == ".json":
            table = json.loads(text)
            if not isinstance(table, dict):
                raise ValueError("it is no table of keys and values")
            return table
    except (ValueError, TypeError, RecursionError) as error:
        raise ScenarioError(f"{file} cannot be read: {error}", path="--file") from None
    raise ScenarioError(f"{file} is neither .toml nor .json", path="--file")
