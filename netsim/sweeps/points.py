"""The points of a sweep, one after the other, each with the key under which its outcome is kept."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from netsim.designs import Coordinates, Design
from netsim.errors import ScenarioError
from netsim.families import files_in
from netsim.loading import expanded, laid_over
from netsim.scenario import Scenario
from netsim.version import identity

_DIGEST = 32  # bytes of a key


@dataclass(frozen=True)
class Point:
    """One combination of the axes' values, and what tells it from every other."""

    coordinates: Coordinates
    key: str


@dataclass(frozen=True)
class Sweep:
    """A scenario and the points at which it is to be simulated; they are made as they are asked for.

    A point's key covers the scenario's table with the point's values in it (so also its seed), the contents of the
    files that it names, its name, the engine, and `code`: netsim's version and sources. Where any of these is another,
    so is the key, and nothing is mixed up.
    """

    scenario: Scenario
    design: Design
    engine: str = "auto"
    code: str = ""

    @classmethod
    def of(cls, scenario: Scenario, axes: Mapping[str, Any] | None = None, *, engine: str = "auto") -> Sweep:
        """The sweep over `axes` (see `netsim.designs`), or over the scenario's own. Raises ScenarioError."""
        table = scenario.sweep if axes is None else axes
        return cls(scenario, Design.of(table, seed=scenario.seed), engine, identity())

    def __len__(self) -> int:
        return len(self.design.points)

    def __iter__(self) -> Iterator[Point]:
        """All points in order. Raises ScenarioError where a path leads nowhere."""
        return (Point(at, self._keyed(number, at)) for number, at in enumerate(self.design.points))

    def key(self, coordinates: Mapping[str, Any]) -> str:
        """What tells a point from all others. Raises ScenarioError where a path leads nowhere."""
        return _key(self._head, laid_over(self.table, coordinates))

    def _keyed(self, number: int, coordinates: Mapping[str, Any]) -> str:
        """The key of that point, which is remembered, in 32 bytes, as long as no file can change it."""
        start = number * _DIGEST
        if found := self._known[start : start + _DIGEST]:
            return found.hex()
        table = laid_over(self.table, coordinates)
        key = _key(self._head, table)
        if start == len(self._known) and not _files(table):
            self._known.extend(bytes.fromhex(key))
        return key

    @cached_property
    def _known(self) -> bytearray:
        return bytearray()

    @cached_property
    def _head(self) -> Any:
        return hashlib.sha256("\n".join((self.code, self.engine, self.scenario.name, "")).encode())

    @cached_property
    def table(self) -> Mapping[str, Any]:
        """The scenario's table, from which every point's is made."""
        return {key: value for key, value in self.scenario.table.items() if key != "sweep"}

    def checked(self, known: Container[str]) -> Iterator[Scenario]:
        """The scenario of each point whose key is not `known`. Raises ScenarioError at the end, with all that does not
        work; points that are known have worked."""
        return (scenario for _, scenario in expanded(self.scenario, self._new(known)))

    def _new(self, known: Container[str]) -> Iterator[Coordinates]:
        for number, coordinates in enumerate(self.design.points):
            try:
                new = self._keyed(number, coordinates) not in known
            except ScenarioError:  # which comes again when the scenario is built, with all others
                new = True
            if new:
                yield coordinates


def _key(head: Any, table: Mapping[str, Any]) -> str:
    digest = head.copy()
    digest.update(json.dumps(table, sort_keys=True, default=str).encode())
    for file in _files(table):
        digest.update(_content(file))
    return str(digest.hexdigest())


def _files(table: Mapping[str, Any]) -> list[str]:
    """Those that a scenario's table names."""
    parts = ((table.get(part), key) for part, key in (("job", "profile"), ("noise", "measured")))
    named = (part.get(key) for part, key in parts if isinstance(part, Mapping))
    return [*files_in(table), *(each for each in named if isinstance(each, str))]


def _content(file: str) -> bytes:
    try:
        at = os.stat(file)
        return _digest(file, at.st_mtime_ns, at.st_size)
    except OSError:
        return b"-"  # the point fails, with a message, when the file is read


@lru_cache(maxsize=256)
def _digest(file: str, changed: int, size: int) -> bytes:
    return hashlib.sha256(Path(file).read_bytes()).digest()
