"""From a file to a Scenario, and back: every message begins with the path of the bad key, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from netsim import checks, presets
from netsim.designs import WORDS, Design, sweep_schema
from netsim.errors import Problem, ScenarioError
from netsim.families import FAMILIES, FILE_KEYS, Chosen, build, hints_of, json_schema, kind_of, parameters
from netsim.hardware import Device, Link
from netsim.models.base import Model
from netsim.scenario import Scenario
from netsim.texts import DEEPEST, bounded, tables_of, why_unreadable
from netsim.units import Quantity, plain, shown

_LARGEST_FILE = 1_000_000  # bytes; a scenario is some lines
_NOT_IN_FILES = ("name", "question", "table")
_SERVERS = "parameter_server"


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """The scenario in a TOML file, with overrides by path such as {"cluster.workers": 16}.

    Raises ScenarioError with everything that is wrong with the file.
    """
    text = _read(Path(path))
    try:
        table = tables_of(text)
    except ValueError as error:
        raise ScenarioError(f"this is not TOML: {error}", path=str(path)) from None
    if not table:
        raise ScenarioError("the file is empty; a scenario has [cluster] and [job] at least", path=str(path))
    name = Path(path).stem.encode("utf-8", "replace").decode("utf-8")  # file names may have bytes that are no text
    found = _with_files_beside(Path(path).parent, table)
    return from_table(found, overrides, name=name, question=_top_comment(text))


def from_table(
    table: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, *, name: str = "scenario", question: str = ""
) -> Scenario:
    """The scenario that nested tables describe; see `load`."""
    changed: Mapping[str, Any] = _frozen(table)
    problems: list[Problem] = []
    for path, value in (overrides or {}).items():
        try:
            changed = laid_over(changed, {path: value})
        except ScenarioError as error:
            problems += error.problems
    if _kind_of_strategy(table) == _SERVERS != _kind_of_strategy(changed):
        changed = _without_servers(changed)
    try:
        scenario = replace(_build(changed), name=name, question=question, table=changed)
    except ScenarioError as error:
        raise ScenarioError(problems + error.problems) from None
    problems += checks.problems(scenario) or _axes_problems(scenario)
    if problems:
        raise ScenarioError(problems)
    return scenario


def laid_over(table: Mapping[str, Any], overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table with other values at some paths. Raises ScenarioError where a path leads through what is no table."""
    for path, value in overrides.items():
        table = _set(table, path.split("."), _frozen(value, path), path)
    return table


def vary(scenario: Scenario, overrides: Mapping[str, Any]) -> Scenario:
    """The same scenario with other values at some paths; its sweep is left out."""
    table = {key: value for key, value in scenario.table.items() if key != "sweep"}
    return from_table(table, overrides, name=scenario.name, question=scenario.question)


def expand(scenario: Scenario, axes: Mapping[str, Any] | None = None) -> list[tuple[dict[str, Any], Scenario]]:
    """All points of a sweep (`axes`, see `netsim.designs`; the scenario's own where none is given), each as its
    coordinates and its scenario, the last axis varying fastest. Raises ScenarioError with all that do not work."""
    design = Design.of(scenario.sweep if axes is None else axes, seed=scenario.seed)
    return list(expanded(scenario, design.points))


def expanded(scenario: Scenario, points: Iterable[Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], Scenario]]:
    """Each point with its scenario, as they are asked for. Raises ScenarioError at the end, with all that did not
    work."""
    problems: dict[Problem, None] = {}
    for coordinates in points:
        try:
            varied = vary(scenario, coordinates)
        except ScenarioError as error:
            at = ", ".join(f"{path} = {shown(value)}" for path, value in coordinates.items())
            problems |= {Problem(p.path, f"{p.message} (at {at})" if at else p.message): None for p in error.problems}
        else:
            yield dict(coordinates), varied
    if problems:
        raise ScenarioError(list(problems))


def override_value(text: str) -> Any:
    """What the text of `--set path=text` means: a TOML value, or else the text itself.

    >>> override_value("16"), override_value("true"), override_value("ring"), override_value('{ kind = "ring" }')
    (16, True, 'ring', {'kind': 'ring'})
    """
    try:
        parsed = tables_of(f"value = {text}")
    except ValueError:
        return text
    return parsed["value"] if list(parsed) == ["value"] else text


def dump(scenario: Scenario) -> str:
    """The scenario as resolved, in TOML: every default and every number of a preset written out, with units. Loading
    it gives an equal scenario."""
    import tomli_w

    text = tomli_w.dumps(_plain(scenario))
    comment = "".join(f"# {line}".rstrip() + "\n" for line in scenario.question.splitlines())
    return comment + text


def dump_links(links: Mapping[str, Link | Mapping[str, Any]], *, comment: str = "") -> str:
    """A file of links, which a scenario may name."""
    import tomli_w

    tables = {name: _plain_link(link) if isinstance(link, Link) else dict(link) for name, link in links.items()}
    return "".join(f"# {line}\n" for line in comment.splitlines()) + tomli_w.dumps(tables)


def dump_device(device: Device) -> str:
    """The device as the table `[cluster.device]` of a scenario."""
    import tomli_w

    return tomli_w.dumps({"cluster": {"device": _plain(device)}})


def schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors."""
    found = json_schema(Scenario, left_out=_NOT_IN_FILES)
    found["properties"]["sweep"] = sweep_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "netsim scenario", **found}


def _read(path: Path) -> str:
    """The text of a scenario file; ScenarioError if it cannot be one."""
    try:
        if path.is_dir():
            raise ScenarioError("this is a directory; give a scenario file", path=str(path))
        content, size = bounded(path, _LARGEST_FILE)
        if size > _LARGEST_FILE:
            raise ScenarioError(f"this file has {size} bytes; a scenario has at most {_LARGEST_FILE}", path=str(path))
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError("this is no text in UTF-8; a scenario is a TOML file", path=str(path)) from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"cannot be read: {why_unreadable(error)}", path=str(path)) from None


def _with_files_beside(folder: Path, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The files that a scenario names are found from where it stands: those of `model = { file = ... }` and of links,
    `profile = "..."`, `measured = "..."` of noise, and `topology = { links = "..." }`."""
    return {key: _beside(folder, key, value) for key, value in table.items()}


def _beside(folder: Path, path: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _beside(folder, key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_beside(folder, path, each) for each in value]
    names_a_file = path.rpartition(".")[2] in (*FILE_KEYS, "profile", "measured")
    return str(folder / value) if names_a_file and isinstance(value, str) else value


def _top_comment(text: str) -> str:
    """The block of comment lines with which a file begins, without their marks."""
    lines = []
    for line in text.lstrip().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines).strip()


def _frozen(value: Any, path: str = "", depth: int = 0) -> Any:
    """Lists as tuples and numpy's numbers as Python's, all the way down: tables are shared between scenarios."""
    value = plain(value)
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if depth > DEEPEST:
        raise ScenarioError(f"tables or lists are nested more than {DEEPEST} deep", path=path)
    if isinstance(value, Mapping):
        return {str(key): _frozen(each, path, depth + 1) for key, each in value.items()}
    return tuple(_frozen(each, path, depth + 1) for each in value)


def _build(table: Mapping[str, Any]) -> Scenario:
    scenario: Scenario = build(Scenario, table, left_out=_NOT_IN_FILES)
    return scenario


def _set(table: Mapping[str, Any], path: list[str], value: Any, whole: str) -> dict[str, Any]:
    """A copy of the table with another value at the path."""
    key, *rest = path
    if not rest:
        if key == "kind" and table.get("kind") != value:
            return {"kind": value, **_without_the_old_kinds_own(table, value)}
        return {**table, key: value}
    inner = table.get(key, {})
    if isinstance(inner, (list, tuple)) and rest[0].isdecimal():
        return {**table, key: _set_in_list(inner, rest, value, whole)}
    if isinstance(inner, str):
        inner = _spelled_out(key, inner)
    if not isinstance(inner, Mapping):
        raise ScenarioError(f"{key} is {shown(inner)}, which has no keys", path=whole)
    return {**table, key: _set(inner, rest, value, whole)}


def _set_in_list(tables: Sequence[Any], path: list[str], value: Any, whole: str) -> list[Any]:
    """A copy of a list of tables with another value at the path, which begins with the number of one of them."""
    place = int(path[0])
    if place >= len(tables) or not isinstance(tables[place], Mapping):
        raise ScenarioError(f"there is no table number {place} (they count from 0)", path=whole)
    changed = value if len(path) == 1 else _set(tables[place], path[1:], value, whole)
    return [*tables[:place], changed, *tables[place + 1 :]]


def _without_servers(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a strategy without servers takes the place of one with them, what the cluster says of servers goes."""
    cluster = table.get("cluster")
    if not isinstance(cluster, Mapping):
        return table
    return {**table, "cluster": {key: value for key, value in cluster.items() if not key.startswith("server_")}}


def _kind_of_strategy(table: Mapping[str, Any]) -> Any:
    job = table.get("job")
    strategy = job.get("strategy") if isinstance(job, Mapping) else None
    return strategy.get("kind") if isinstance(strategy, Mapping) else strategy


def _without_the_old_kinds_own(table: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Where another kind takes a member's place, it keeps the fields that it has as well; those that neither has stay,
    too, to be refused."""
    before, after = (_keys_of(each) if isinstance(each, str) else frozenset() for each in (table.get("kind"), kind))
    old = {*before, "kind", "layers"} - after
    return {key: value for key, value in table.items() if key not in old}


@lru_cache(maxsize=1024)
def _keys_of(kind: str) -> frozenset[str]:
    for family in (FAMILIES[each] for each in ("strategies", "models", "topologies", "buckets")):
        if kind in family.names():
            return frozenset(parameters(family.member(kind), family.given))
    return frozenset()


def _spelled_out(key: str, name: str) -> dict[str, Any]:
    """A preset or a member that stands there by name, as a table in which one key can be changed."""
    if key in ("device", "server_device"):
        return dict(_plain(presets.device(name)))
    if key in ("link", "server_link"):
        return dict(_plain(presets.link(name)))
    return {"kind": name}


def _axes_problems(scenario: Scenario) -> list[Problem]:
    """Each value of each axis must do by itself, or at the first point that has it. What a sampled design draws is
    looked at when it is drawn."""
    try:
        design = Design.of(scenario.sweep, seed=scenario.seed)
    except ScenarioError as error:
        return [Problem(_in_sweep(problem.path), problem.message) for problem in error.problems]
    table = {key: value for key, value in scenario.table.items() if key != "sweep"}
    if design.sampled:
        return []
    firsts: dict[tuple[str, str], Mapping[str, Any]] = {}
    for point in design.points:
        for path, value in point.items():
            firsts.setdefault((path, repr(value)), point)
    problems: list[Problem] = []
    for path, values in design.axes.items():
        for value in values if path in scenario.sweep else ():
            found = _problems_at(table, {path: value})
            if found and _problems_at(table, firsts[path, repr(value)]):
                problems += [Problem(_in_sweep(path), f"{shown(value)}: {problem}") for problem in found]
    return problems


def _in_sweep(path: str) -> str:
    """Where a key of the sweep stands in a file."""
    if path == "sweep":
        return path
    return f"sweep.{path}" if path.split(".")[0] in WORDS else f'sweep."{path}"'


def _problems_at(table: Mapping[str, Any], coordinates: Mapping[str, Any]) -> list[Problem]:
    try:
        return checks.problems(_build(laid_over(table, coordinates)))
    except ScenarioError as error:
        return error.problems


def _plain(value: Any, hint: Any = None) -> Any:
    """An object as the TOML value from which it is read: quantities as text, members as tables with their kind."""
    for mark in getattr(hint, "__metadata__", ()):
        if isinstance(mark, Quantity) and isinstance(value, (int, float, str)):
            return mark.write(value)
    if isinstance(value, Model):
        own = isinstance(value.options.get("layers"), tuple)  # the user's, not a member of the zoo
        return {**({} if own else {"kind": value.kind}), **_plain(value.options)}
    if isinstance(value, Chosen):
        hints = {name: each.annotation for name, each in parameters(value.function).items()}
        given = {key: each for key, each in value.options.items() if each not in (None, {}, ())}
        return {"kind": kind_of(value), **{key: _plain(each, _quantity_of(hints[key])) for key, each in given.items()}}
    if is_dataclass(value):
        kind = {} if isinstance(value, (Device, Link)) or not _is_member(value) else {"kind": kind_of(value)}
        return {**kind, **_plain_fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _plain_fields(value: Any) -> dict[str, Any]:
    member: Any = type(value)
    hints = hints_of(member)
    return {
        each.name: _plain(getattr(value, each.name), _quantity_of(hints[each.name]))
        for each in fields(value)
        if getattr(value, each.name) not in (None, {}, ())
        and not (isinstance(value, Scenario) and each.name in _NOT_IN_FILES)
    }


def _plain_link(link: Link) -> dict[str, Any]:
    """A link as a table without what it has by default."""
    usual = _plain(Link(link.rate, link.latency))
    return {key: value for key, value in _plain(link).items() if key in ("rate", "latency") or value != usual.get(key)}


def _is_member(value: Any) -> bool:
    return any(type(value) is family.member(name) for family in FAMILIES.values() for name in family.names())


def _quantity_of(hint: Any) -> Any:
    """The annotated part of `Rate | None`."""
    if get_origin(hint) is Annotated:
        return hint
    return next((part for part in get_args(hint) if get_origin(part) is Annotated), None)
