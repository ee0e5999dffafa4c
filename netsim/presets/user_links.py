"""Links of the user's own in a file of them, as `netsim calibrate` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import build
from netsim.hardware import Link
from netsim.texts import read_toml
from netsim.units import shown


def links_in(file: str) -> dict[str, Any]:
    """The tables of a file of links, by name. Raises ScenarioError where it is none."""
    tables = read_toml(file, path="file")
    if not tables or not all(isinstance(table, dict) for table in tables.values()):
        raise ScenarioError(f"{file} is no file of links, which has a table [name] for each", path="file")
    return tables


def linked(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of the link that `file` and `name` are of; other fields beside these take the place of the file's."""
    file, others = table["file"], {key: each for key, each in table.items() if key not in ("file", "name")}
    if not isinstance(file, str):
        raise ScenarioError(f"{shown(file)} is not the name of a file", path="file")
    links = links_in(file)
    name = table.get("name", next(iter(links)) if len(links) == 1 else None)
    if name is None:
        raise ScenarioError(f"is missing; {file} has {', '.join(links)}", path="name")
    if not isinstance(name, str) or name not in links:
        raise ScenarioError(f"no link {shown(name)} in {file}.{did_you_mean(str(name), links)}", path="name")
    try:
        build(Link, links[name])
    except ScenarioError as error:
        problems = [Problem("file", f"{file}, [{name}] {problem}") for problem in error.problems]
        raise ScenarioError(problems) from None
    return {**links[name], **others}
