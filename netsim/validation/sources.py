"""Sources of measured figures: `scenarios/validation/NAME.toml` with its table of rows, read and checked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import build
from netsim.hardware import Link
from netsim.loading import override_value
from netsim.texts import read_text, read_toml
from netsim.units import Number
from netsim.validation.exchanges import Exchange, fit
from netsim.validation.machine import MachineLink
from netsim.validation.trainings import Training

FOLDER = Path("scenarios/validation")
_OURS = ("case", "group", "measured", "low", "high", "known_error", "reason")

Tolerance = Annotated[float, Number("a tolerance", above=0, at_most=10)]


@dataclass(frozen=True, kw_only=True)
class About:
    """Where figures come from: `known` says in words what a prediction may use."""

    title: str
    url: str
    hardware: str
    known: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that are judged alike.

    within: how far a prediction may be from the measured value, as a share of it; None where every row states its
    known error instead. mean: how far the group's predictions may be off on the mean. why: of both.
    """

    title: str
    why: str
    within: Tolerance | None = None
    mean: Tolerance | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Another free choice than the documented default, of which the page says what the error of a group would be: keys
    of all links, the rows' collective, or keys of their scenarios; links and rows are `without` some of theirs."""

    title: str
    group: str
    link: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    collective: Mapping[str, Any] = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)

    def of_link(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of a link with this choice made."""
        return {key: value for key, value in {**table, **self.link}.items() if key not in self.without}

    def of_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of a row with this choice made."""
        chosen = {**row, **({"collective": self.collective} if self.collective else {}), **self.scenario}
        return {key: value for key, value in chosen.items() if key not in self.without}


@dataclass(frozen=True, kw_only=True)
class Expect:
    """rows: the CSV file beside. quantity: what was measured, in SI units. groups: by the names that rows use. choice:
    other free choices."""

    rows: str
    groups: Mapping[str, Any]
    quantity: str = "time_s"
    choice: tuple[Choice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """What predictions may use: `links` by name, or a `scenario` of which each row's columns change keys."""

    links: Mapping[str, Any] = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One measured value, perhaps with the lowest and the highest of its repetitions, and what to predict for it.
    known_error: a miss that is declared, with its reason."""

    case: str
    group: str
    measured: float
    low: float | None
    high: float | None
    known_error: float | None
    reason: str
    predict: Exchange | Training


@dataclass(frozen=True)
class Source:
    """One source: its rows, the links that are known, and how its groups are judged; other choices, and its `file`."""

    file: Path
    about: About
    quantity: str
    groups: Mapping[str, Group]
    links: Mapping[str, Link]
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def name(self) -> str:
        return self.file.stem


def find(folder: Path, only: Sequence[str] = ()) -> list[Source]:
    """The sources of a folder, by name; ScenarioError if there are none, or not those that are asked for."""
    files = {file.stem: file for file in sorted(folder.glob("*.toml"))}
    if not files:
        raise ScenarioError(
            "there are no sources (*.toml) here; give the path of scenarios/validation of a checkout of netsim",
            path=str(folder),
        )
    strange = [name for name in only if name not in files]
    if strange:
        raise ScenarioError([Problem("--only", f"no source {each!r}.{did_you_mean(each, files)}") for each in strange])
    return [read(file) for name, file in files.items() if not only or name in only]


def read(file: Path, choice: Choice | None = None) -> Source:
    """One source, or the rows of a choice's group where it is made; ScenarioError with all that is wrong in its two
    files."""
    table = read_toml(str(file))
    parts = {"source": About, "known": Known, "expect": Expect}
    problems = [Problem(key, f"no such table.{did_you_mean(key, parts)}") for key in table if key not in parts]
    built: dict[str, Any] = {}
    for key, member in parts.items():
        _note(problems, key, lambda k=key, m=member: built.update({k: build(m, table.get(k, {}))}))
    groups: dict[str, Group] = {}
    links: dict[str, Link] = {}
    if not problems:
        for name, each in built["expect"].groups.items():
            _note(problems, f"expect.groups.{name}", lambda n=name, e=each: groups.update({n: build(Group, e)}))
        for name, each in built["known"].links.items():
            each = choice.of_link(each) if choice else each
            _note(problems, f"known.links.{name}", lambda n=name, e=each: links.update({n: _link(e)}))
    rows: list[Row] = []
    if not problems:
        rows = list(_rows(file.parent / built["expect"].rows, built["known"], links, groups, problems, choice))
        for each in built["expect"].choice:
            if each.group not in groups:
                problems.append(
                    Problem("expect.choice.group", f"no group {each.group!r}.{did_you_mean(each.group, groups)}")
                )
    if problems:
        raise ScenarioError([Problem(f"{file}: {each.path}", each.message) for each in problems])
    expect = built["expect"]
    if choice is None:
        for each in expect.choice:
            read(file, each)  # so that one that cannot be made is refused at once
    return Source(file, built["source"], expect.quantity, groups, links, tuple(rows), expect.choice)


def _link(table: Mapping[str, Any]) -> Link:
    found: Link = build(MachineLink if "programs" in table else Link, table)
    return found


def _note(problems: list[Problem], path: str, what: Any) -> None:
    """Does it, and notes down what is wrong, if anything is."""
    try:
        what()
    except ScenarioError as error:
        problems += [Problem(f"{path}.{p.path}" if p.path else path, p.message) for p in error.problems]


def _rows(
    file: Path,
    known: Known,
    links: Mapping[str, Link],
    groups: Mapping[str, Group],
    problems: list[Problem],
    choice: Choice | None,
) -> Iterator[Row]:
    """The rows of a CSV file, in which an empty cell is a key left out; problems are noted down."""
    text = io.StringIO(read_text(str(file), path="expect.rows"))
    try:
        lines = list(csv.DictReader(line for line in text if line[0] != "#"))
    except csv.Error as wrong:
        raise ScenarioError(f"{file}: {wrong}", path="expect.rows") from None
    for number, cells in enumerate(lines, 1):
        given = {key: value.strip() for key, value in cells.items() if key and value and value.strip()}
        group, path = given.get("group", ""), f"{file.name} row {number}"
        if group not in groups:
            problems.append(Problem(f"{path}: group", f"{group!r} is not among expect.groups"))
            continue
        if choice and group != choice.group:
            continue
        numbers = ("measured", "low", "high", "known_error")
        measured, low, high, error = (_number(given, key, path, problems) for key in numbers)
        if error is None and groups[group].within is None:
            problems.append(Problem(f"{path}: known_error", f"is missing, and {group!r} has no tolerance"))
        if measured is None or measured <= 0:
            problems.append(Problem(f"{path}: measured", "is missing; it must be a number above 0"))
            continue
        table = {key: _value(text) for key, text in given.items() if key not in _OURS}
        table = choice.of_row(table) if choice else table
        try:
            predict = Training.of(known.scenario, table) if known.scenario else build(Exchange, table)
            if isinstance(predict, Exchange) and predict.link in links:
                fit(predict, links[predict.link])
        except ScenarioError as wrong:
            problems += [Problem(f"{path}: {p.path}", p.message) for p in wrong.problems]
            continue
        names = [predict.link, *predict.links] if isinstance(predict, Exchange) else []
        for name in dict.fromkeys(names):
            if name not in known.links:
                problems.append(Problem(f"{path}: link", f"no link {name!r}.{did_you_mean(name, known.links)}"))
        yield Row(given.get("case", ""), group, measured, low, high, error, given.get("reason", ""), predict)


def _number(given: Mapping[str, str], key: str, path: str, problems: list[Problem]) -> float | None:
    try:
        return float(given[key]) if key in given else None
    except ValueError:
        problems.append(Problem(f"{path}: {key}", f"{given[key]!r} is not a number"))
        return None


def _value(text: str) -> Any:
    """A cell: a TOML value or a bare word, lists as tuples."""
    value = override_value(text)
    return tuple(value) if isinstance(value, list) else value
