"""The user's own links: tables of a scenario, an edge list as CSV, or GraphML."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from netsim.errors import Problem, ScenarioError
from netsim.families import build
from netsim.texts import read_text
from netsim.units import Duration, Rate, Size, shown

Duplex = Literal["full", "half", "simplex"]
_COLUMNS = ("from", "to", "rate", "latency", "duplex", "burst")


@dataclass(frozen=True, kw_only=True)
class OwnLink:
    """A cable between two nodes, by name. `rate` (bytes/s) is of each way, or of both together where `duplex` is half,
    or of the one from the first node to the second where it is simplex; `latency` (s) is that of this cable alone;
    `burst` (bytes) is what it passes at once when it has been idle.

    Where one of them is left out, a host's cable has its link's rate and burst, and half of its latency, or all of it
    to another host; between switches there is no burst then."""

    ends: tuple[str, str]
    rate: Rate | None = None
    latency: Duration | None = None
    duplex: Duplex = "full"
    burst: Size | None = None


def read_links(value: Any) -> tuple[OwnLink, ...]:
    """The links of a list of tables, or of the file of that name (.csv, .graphml). ScenarioError with all that is wrong
    with them: each link's own faults, links from a node to itself, links that are there twice."""
    if isinstance(value, str):
        tables: list[tuple[str, Any]] = list(_FORMATS[_format(value)](value))
    elif isinstance(value, (list, tuple)):
        tables = [(f"[{number}]", table) for number, table in enumerate(value)]
    else:
        raise ScenarioError(f"{shown(value)} is neither a list of links nor the name of a .csv or .graphml file")
    if not tables:
        raise ScenarioError("has no links")
    links, problems = [], []
    for place, table in tables:
        try:
            links.append((place, build(OwnLink, table)))
        except ScenarioError as error:
            problems += [_at(place, problem) for problem in error.problems]
    problems += [_at(place, Problem("", told)) for place, told in _impossible(links)]
    if problems:
        raise ScenarioError(problems)
    return tuple(link for _, link in links)


def links_schema() -> dict[str, Any]:
    """JSON Schema of what `read_links` takes."""
    return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object", "required": ["ends"]}}]}


def _impossible(links: list[tuple[str, OwnLink]]) -> Iterator[tuple[str, str]]:
    seen: dict[tuple[str, str], str] = {}
    for place, link in links:
        one, other = link.ends
        if one == other:
            yield place, f"leads from {one} to itself"
            continue
        ways = [(one, other)] if link.duplex == "simplex" else [(one, other), (other, one)]
        if before := next((seen[way] for way in ways if way in seen), None):
            told = "is there already"
            yield place, f"a link of {one} and {other} {told} ({before}); add up their rates in one"
        seen |= dict.fromkeys(ways, place)


def _at(place: str, problem: Problem) -> Problem:
    """A problem of a link in a list, by its path; or in a file, by its line."""
    if place.startswith("["):
        return Problem(f"{place}.{problem.path}" if problem.path else place, problem.message)
    return Problem("", f"{place}: {problem}")


def _format(file: str) -> str:
    ending = Path(file).suffix.lower()
    if ending not in _FORMATS:
        raise ScenarioError(f"{file} is neither .csv nor .graphml")
    return ending


def _from_csv(file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Lines of from,to and, where they are not a host's own, rate,latency,duplex,burst."""
    rows = csv.DictReader(read_text(file).splitlines(), strict=True)
    try:
        columns = rows.fieldnames or ()
        if missing := [column for column in _COLUMNS[:2] if column not in columns]:
            raise ScenarioError(f"{file} has no column {', '.join(missing)}; its columns are {', '.join(_COLUMNS)}")
        if extra := [column for column in columns if column not in _COLUMNS]:
            raise ScenarioError(f"{file} has a column {shown(extra[0])}; its columns are {', '.join(_COLUMNS)}")
        for row in rows:
            place = f"{file}, line {rows.line_num}"
            if None in row or None in row.values():
                raise ScenarioError(f"{place}: has not as many columns as the first line")
            said = {key: cell.strip() for key, cell in row.items() if cell.strip() and key not in ("from", "to")}
            yield place, {"ends": (row["from"].strip(), row["to"].strip()), **said}
    except csv.Error as error:
        raise ScenarioError(f"{file}, line {rows.line_num}: {error}") from None


def _from_graphml(file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Edges with, as their data, what is not a host's own: rate, latency, duplex, burst. In a directed graph
    each edge is one way only. Document types and entities, which could swell without end, are refused."""
    import networkx

    text = read_text(file)
    if found := re.search(r"<!(DOCTYPE|ENTITY)", text):
        raise ScenarioError(f"{file} has a {found[0]}> declaration, which a network does not need; take it out")
    try:
        graph = networkx.parse_graphml(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except Exception as error:
        raise ScenarioError(f"{file} is no GraphML: {error}") from None
    for one, other, data in graph.edges(data=True):
        said = {key: value for key, value in data.items() if key != "id"}
        if graph.is_directed():
            said.setdefault("duplex", "simplex")
        yield f"{file}, edge {one} to {other}", {"ends": (str(one), str(other)), **said}


_FORMATS = {".csv": _from_csv, ".graphml": _from_graphml}
