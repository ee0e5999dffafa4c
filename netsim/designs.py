"""Which points a sweep has: axes as lists and ranges, zipped, thinned out by conditions, sampled, with replicas.

A sweep is a table: the path of a key -> its values, and beside them the four words `zip`, `skip`, `replicas` and
`design`. The same table stands in a file, is built from the command line, and is given from Python.

>>> Design.of({"cluster.workers": {"from": 2, "to": 8, "spacing": "powers_of_two"}, "replicas": 2}).axes
{'cluster.workers': (2, 4, 8), 'seed': (0, 1)}
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from netsim.axes import measure
from netsim.conditions import Condition
from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.units import plain, shown, write

Coordinates = dict[str, Any]
WORDS = ("zip", "skip", "replicas", "design")
SPACINGS = ("linear", "log", "powers_of_two")
DESIGNS = ("latin_hypercube", "random")
_RANGE = ("from", "to", "points", "step", "spacing")
_MOST_VALUES = 10_000  # of an axis
_MOST_POINTS = 1_000_000  # of a sweep, which are all checked before the first runs


@dataclass(frozen=True)
class Range:
    """The values from `first` to `last`, as they are written: whole between whole numbers, with a unit where the ends
    have one."""

    first: float
    last: float
    unit: str
    whole: bool
    spacing: str
    points: int | None
    step: float | None

    def values(self) -> tuple[Any, ...]:
        """All of them, in order."""
        if self.spacing == "powers_of_two":
            low, high = math.ceil(math.log2(self.first)), math.floor(math.log2(self.last))
            return tuple(self.written(2.0**power) for power in range(low, high + 1))
        if self.step:
            count = math.floor((self.last - self.first) / self.step * (1 + 1e-12)) + 1
            return tuple(self.written(self.first + number * self.step) for number in range(count))
        shares = [number / ((self.points or 2) - 1) for number in range(self.points or 0)]
        return tuple(dict.fromkeys(self.at(share) for share in shares))

    def at(self, share: float) -> Any:
        """The value at a share of the way, from 0 to 1."""
        if share in (0, 1):
            return self.written(self.last if share else self.first)
        if self.spacing == "log":
            return self.written(self.first * (self.last / self.first) ** share)
        return self.written(self.first + (self.last - self.first) * share)

    def written(self, value: float) -> Any:
        """A number on the way as a scenario has it."""
        if self.unit:
            return write(value, self.unit)
        return round(value) if self.whole else value


@dataclass(frozen=True)
class Points:
    """Coordinates, made anew each time that they are gone through, so that millions take no memory."""

    drawn: Callable[[], Iterator[Coordinates]]
    conditions: tuple[Condition, ...]
    replicas: tuple[int, ...]
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Coordinates]:
        for point in self.drawn():
            if not any(condition.holds(point) for condition in self.conditions):
                yield from ({**point, "seed": seed} for seed in self.replicas) if self.replicas else (point,)


@dataclass(frozen=True)
class Design:
    """The points of a sweep as coordinates (path -> value), and the values that each path takes, in order."""

    axes: Mapping[str, tuple[Any, ...]]
    points: Points
    sampled: bool = False

    @classmethod
    def of(cls, table: Mapping[str, Any], *, seed: int = 0) -> Design:
        """The design that a table describes; replicas have seeds from `seed` on. Raises ScenarioError with all that is
        wrong with it, whatever the values mean."""
        return _Reader(table, seed).design()


def axes_of(table: Mapping[str, Any]) -> dict[str, tuple[Any, ...] | Range]:
    """Axes by themselves, lists and ranges, of which nothing is drawn. Raises ScenarioError with all that is wrong."""
    reader = _Reader({**table, "design": {"kind": "random", "points": 1}}, 0)
    reader.design()
    return {path: reader._axis(path, values, True) for path, values in reader.given.items()}


def sweep_schema() -> dict[str, Any]:
    """JSON Schema of the table, for editors."""
    end: dict[str, Any] = {"type": ["number", "string"]}
    several: dict[str, Any] = {"type": "integer", "minimum": 2, "maximum": _MOST_VALUES}
    span = {
        "type": "object",
        "properties": {"from": end, "to": end, "points": several, "step": end, "spacing": {"enum": list(SPACINGS)}},
        "required": ["from", "to"],
        "additionalProperties": False,
    }
    paths = {"type": "array", "items": {"type": "string"}, "minItems": 2}
    conditions = {"type": "array", "items": {"type": "string"}}
    drawn = {"kind": {"enum": list(DESIGNS)}, "points": {"type": "integer", "minimum": 1}, "seed": {"type": "integer"}}
    return {
        "type": "object",
        "description": "axes: the path of a key -> its values; and how they are combined",
        "properties": {
            "zip": {"type": "array", "items": paths, "description": "axes that vary together"},
            "skip": {"anyOf": [{"type": "string"}, conditions], "description": "points that are left out"},
            "replicas": {"type": "integer", "minimum": 1, "description": "each point with so many seeds"},
            "design": {"type": "object", "properties": drawn, "required": ["kind", "points"]},
        },
        "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, span]},
    }


class _Reader:
    """Reads one table, noting problems down."""

    def __init__(self, table: Mapping[str, Any], seed: int) -> None:
        self.problems: list[Problem] = []
        self.seed = seed
        self.words = {word: plain(table[word]) for word in WORDS if word in table}
        self.given = {path: plain(values) for path, values in table.items() if path not in WORDS}

    def design(self) -> Design:
        sampling = self._sampling()
        axes = {path: self._axis(path, values, sampling is not None) for path, values in self.given.items()}
        groups = self._groups(axes, sampling is not None)
        conditions = self._conditions(axes)
        replicas = self._replicas()
        self._raise()
        lists = {path: axis for path, axis in axes.items() if isinstance(axis, tuple)}
        zipped = {path for group in groups if len(group) > 1 for path in group}
        self.problems += [Problem(path, said) for path, said in _wrong_with(lists, zipped, axes)]
        sizes = [sampling[1]] if sampling else [len(lists[group[0]]) for group in groups]
        if (count := math.prod(sizes) * len(replicas or [0])) > _MOST_POINTS:
            self._wrong("sweep", f"has {count} points; it must be at most {_MOST_POINTS}, so leave values out")
        self._raise()
        drawn = partial(_sampled, axes, *sampling) if sampling else partial(_combined, lists, groups)
        points = Points(drawn, tuple(conditions), tuple(replicas), count)
        if not conditions and not sampling:
            return Design({**lists, **({"seed": tuple(replicas)} if replicas else {})}, points)
        points = replace(points, count=sum(1 for _ in points))
        if not points.count:
            raise ScenarioError("every point is skipped", path="skip")
        return Design(_values(points), points, sampling is not None)

    def _wrong(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def _raise(self) -> None:
        if self.problems:
            raise ScenarioError(self.problems)

    def _axis(self, path: str, values: Any, sampled: bool) -> tuple[Any, ...] | Range:
        if isinstance(values, Mapping) and set(values) & set(_RANGE):
            try:
                found = _range(values, sampled)
            except ValueError as error:
                self._wrong(path, str(error))
                return ()
            return found if sampled and found.spacing != "powers_of_two" else found.values()
        if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
            self._wrong(
                path, f"{shown(values)} is not a list of values, nor a range {{ from = 2, to = 8, points = 4 }}"
            )
            return ()
        return tuple(values)

    def _groups(self, axes: Mapping[str, Any], sampled: bool) -> list[tuple[str, ...]]:
        """The axes that vary together, in the order of their first; an axis by itself is a group of one."""
        given = self.words.get("zip", ())
        if given and sampled:
            self._wrong("zip", "does not go with a design, which draws each axis by itself")
        if not _is_list(given) or not all(_is_list(group) and len(group) > 1 for group in given):
            self._wrong(
                "zip", f"{shown(given)} is not a list of lists of paths, such as [['cluster.workers', 'job.batch']]"
            )
            return [(path,) for path in axes]
        groups = [tuple(map(str, group)) for group in given]
        for path, times in Counter(path for group in groups for path in group).items():
            if path not in axes:
                self._wrong("zip", f"no axis {path!r}.{did_you_mean(path, axes)}")
            elif times > 1:
                self._wrong("zip", f"{path} is in it twice")
        for group in groups:
            lengths = {path: len(axes[path]) for path in group if isinstance(axes.get(path), tuple)}
            if len(set(lengths.values())) > 1:
                said = ", ".join(f"{path} {length}" for path, length in lengths.items())
                self._wrong("zip", f"axes that vary together have as many values each; here: {said}")
        of = {path: group for group in groups for path in group}
        return list(dict.fromkeys(of.get(path, (path,)) for path in axes))

    def _conditions(self, axes: Mapping[str, Any]) -> list[Condition]:
        given = self.words.get("skip", ())
        texts = [given] if isinstance(given, str) else given
        if not _is_list(texts) or not all(isinstance(text, str) for text in texts):
            self._wrong("skip", f"{shown(given)} is not a condition, such as 'cluster.workers > 8', or a list of them")
            return []
        found = []
        for text in texts:
            try:
                condition = Condition.of(text)
            except ValueError as error:
                self._wrong("skip", f"{shown(text)}: {error}")
                continue
            for path in sorted(condition.paths - set(axes)):
                self._wrong("skip", f"{shown(text)}: no axis {path!r}.{did_you_mean(path, axes)}")
            found.append(condition)
        return found

    def _replicas(self) -> list[int]:
        count = self.words.get("replicas")
        if count is None:
            return []
        if not _is_count(count, 1, _MOST_VALUES):
            self._wrong("replicas", f"{shown(count)} is not a number of replicas; it must be from 1 to {_MOST_VALUES}")
            return []
        if "seed" in self.given:
            self._wrong("replicas", "does not go with an axis seed, which is what replicas vary")
        return [self.seed + number for number in range(count)]

    def _sampling(self) -> tuple[str, int, int] | None:
        """The kind of a design that is sampled, its number of points, and its own seed."""
        given = self.words.get("design")
        if given is None:
            return None
        if not isinstance(given, Mapping):
            self._wrong(
                "design", f"{shown(given)} is not a table, such as {{ kind = 'latin_hypercube', points = 100 }}"
            )
            return None
        kind, count, seed = given.get("kind"), given.get("points"), given.get("seed", self.seed)
        for key in sorted(set(given) - {"kind", "points", "seed"}):
            self._wrong(f"design.{key}", f"no such key.{did_you_mean(key, ('kind', 'points', 'seed'))}")
        if kind not in DESIGNS:
            self._wrong("design.kind", f"no design {shown(kind)}.{did_you_mean(str(kind), DESIGNS)}")
        if not _is_count(count, 1, _MOST_POINTS):
            self._wrong(
                "design.points", f"{shown(count)} is not a number of points; it must be from 1 to {_MOST_POINTS}"
            )
        if not _is_count(seed, 0, 2**63 - 1):
            self._wrong("design.seed", f"{shown(seed)} is not a seed; it must be a whole number from 0 on")
        if not self.given:
            self._wrong("design", "has no axes to draw from")
        return None if self.problems else (str(kind), int(count or 0), int(seed or 0))


def _range(table: Mapping[str, Any], sampled: bool) -> Range:
    """Raises ValueError with a sentence."""
    if unknown := sorted(set(table) - set(_RANGE)):
        raise ValueError(f"a range has no key {unknown[0]!r}.{did_you_mean(unknown[0], _RANGE)}")
    ends = [table.get("from"), table.get("to")]
    measured = measure(ends)
    if measured is None or not all(math.isfinite(end) for end in measured[1]):
        raise ValueError(
            f"a range goes from one number or quantity to another, not from {shown(ends[0])} to {shown(ends[1])}"
        )
    unit, (first, last) = measured
    spacing, points, step = table.get("spacing", "linear"), table.get("points"), table.get("step")
    if spacing not in SPACINGS:
        raise ValueError(f"no spacing {shown(spacing)}.{did_you_mean(str(spacing), SPACINGS)}")
    if first >= last:
        raise ValueError(f"a range goes upwards, not from {shown(ends[0])} to {shown(ends[1])}")
    if spacing != "linear" and first <= 0:
        raise ValueError(f"a range with the spacing {spacing} begins above 0, not at {shown(ends[0])}")
    if points is not None and not _is_count(points, 2, _MOST_VALUES):
        raise ValueError(f"{shown(points)} is not a number of points; it must be from 2 to {_MOST_VALUES}")
    wide = _step(step, unit)
    if wide is not None and (last - first) / wide >= _MOST_VALUES:
        raise ValueError(f"a step of {shown(step)} makes more than {_MOST_VALUES} values")
    ways = (points is not None) + (step is not None)
    if (spacing == "powers_of_two" and ways) or (step is not None and spacing == "log"):
        raise ValueError(f"the spacing {spacing} takes no {'step' if step is not None else 'points'}")
    if spacing != "powers_of_two" and ways != 1 and not sampled:
        raise ValueError("a range says how many points it has or by which step it goes, one of both")
    whole = all(isinstance(end, int) for end in (*ends, 0 if step is None else step))
    return Range(first, last, unit, whole, spacing, points, wide)


def _step(step: Any, unit: str) -> float | None:
    if step is None:
        return None
    measured = measure([step])
    if measured is None or measured[0] != unit or not measured[1][0] > 0:
        raise ValueError(f"{shown(step)} is not a step of this range")
    return measured[1][0]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_count(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _wrong_with(lists: Mapping[str, Sequence[Any]], zipped: set[str], axes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with axes whatever their values mean, as path and message."""
    for path, values in lists.items():
        if not values:
            yield path, "has no values; give a list of them"
        if len(values) > _MOST_VALUES:
            yield path, f"has {len(values)} values; it must be at most {_MOST_VALUES}"
        written = Counter(map(repr, values)) if path not in zipped else Counter[str]()  # 1 and true are equal
        for value in {repr(value): value for value in values if written[repr(value)] > 1}.values():
            yield path, f"has {shown(value)} twice; once is enough"
    for path in axes:
        for other in axes:
            if path.startswith(f"{other}."):
                yield path, f"lies within {other}, which is an axis, too, and would take its place"


def _combined(lists: Mapping[str, Sequence[Any]], groups: Sequence[tuple[str, ...]]) -> Iterator[Coordinates]:
    """All combinations, the last group varying fastest; the coordinates in the order of the axes."""
    for values in product(*(zip(*(lists[path] for path in group), strict=True) for group in groups)):
        at = {
            path: value
            for group, each in zip(groups, values, strict=True)
            for path, value in zip(group, each, strict=True)
        }
        yield {path: at[path] for path in lists}


def _sampled(axes: Mapping[str, Any], kind: str, count: int, seed: int) -> Iterator[Coordinates]:
    """Points drawn from the whole space: independently, or each axis once from each of `count` equal parts (McKay,
    Beckman, Conover 1979). Lists are drawn from as if their values had equal shares of the way."""
    import numpy as np
    from scipy.stats import qmc

    rng = np.random.default_rng(seed)
    shares = (
        qmc.LatinHypercube(len(axes), rng=rng).random(count)
        if kind == "latin_hypercube"
        else rng.random((count, len(axes)))
    )
    for row in shares.tolist():
        yield {
            path: axis.at(share) if isinstance(axis, Range) else axis[math.floor(share * len(axis))]
            for (path, axis), share in zip(axes.items(), row, strict=True)
        }


def _values(points: Iterable[Coordinates]) -> dict[str, tuple[Any, ...]]:
    """The values of each path, in the order in which they come; 1 and true are two."""
    values: dict[str, dict[str, Any]] = {}
    for point in points:
        for path, value in point.items():
            values.setdefault(path, {}).setdefault(repr(value), value)
    return {path: tuple(each.values()) for path, each in values.items()}
