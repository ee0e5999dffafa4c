"""What is typed on the command line, as values: settings, axes, strategies, the short form of a scenario."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netsim import presets
from netsim.algorithms import code as own_code
from netsim.algorithms import steps
from netsim.collectives._libraries import Library
from netsim.collectives.rounds import Collective, Operation
from netsim.errors import Problem, ScenarioError, did_you_mean
from netsim.families import FAMILIES, build, parameters
from netsim.hardware import Device
from netsim.loading import override_value
from netsim.models._files import file_options, is_file
from netsim.models.base import Model
from netsim.scenario import read_model
from netsim.units import Quantity, parse

ALIASES = {"ps": "parameter_server"}


def overrides(settings: Sequence[str], seed: int | None) -> dict[str, Any]:
    """{"cluster.workers": 4} from --set cluster.workers=4."""
    found: dict[str, Any] = {}
    problems = []
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            problems.append(Problem("--set", f"{setting!r} is not PATH=VALUE, such as cluster.workers=16"))
        found[path.strip()] = override_value(text.strip())
    if problems:
        raise ScenarioError(problems)
    if seed is not None:
        found["seed"] = seed
    return _without_aliases(found)


def fields(settings: Sequence[str], kind: str) -> dict[str, Any]:
    """The table of a member: its kind, and its fields from --set."""
    return {**_without_kind(settings, kind), "kind": ALIASES.get(kind, kind)}


@dataclass(frozen=True)
class Auto:
    """The kind is to be chosen: the fastest, or a library's."""

    operation: Operation = "all_reduce"
    library: Library | None = None


def collective(
    kind: str | None,
    file: str | None,
    code: str | None,
    settings: Sequence[str],
    options: Mapping[str, Any],
    ranks: int,
) -> Mapping[str, Any] | Collective | Auto:
    """What `netsim collective` is to play: a table, a collective of one's own that is proved right, or a choice. Fields
    of it that have options of their own go ahead of settings."""
    if [kind, file, code].count(None) != 2:
        raise ScenarioError("is one of: KIND, such as ring or auto; --file FILE; --code FILE.py:NAME", path="KIND")
    given = _without_kind(settings, kind or file or code or "")
    given |= {name: value for name, value in options.items() if value is not None}
    if kind == "auto":
        return build(Auto, given)  # type: ignore[no-any-return]
    if kind is not None:
        return {**given, "kind": ALIASES.get(kind, kind)}
    return steps.from_file(file, given) if file else own_code.from_code(str(code), given, ranks)


def refuse_with_auto(given: Mapping[str, Any]) -> None:
    """ScenarioError for options that need a kind that is known."""
    if asked := [name for name, value in given.items() if value]:
        raise ScenarioError([Problem(name, "needs a KIND; auto chooses one for a size") for name in asked])


def link(text: str | None) -> Any:
    """What --link names: a preset, FILE:NAME (or FILE with one link), or a table in TOML."""
    if text is None:
        return None
    value = override_value(text)
    file, colon, name = text.rpartition(":")
    if not isinstance(value, str):
        return value
    if colon and file.endswith(".toml"):
        return {"file": file, "name": name}
    return {"file": text} if text.endswith(".toml") else text


def refuse_beside(what: str, given: Mapping[str, Any]) -> None:
    """ScenarioError for options that do not go with an argument."""
    if asked := [name for name, value in given.items() if value is not None]:
        raise ScenarioError([Problem(name, f"does not go with {what}") for name in asked])


def network_beside(along: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a network but the one that varies; ScenarioError names those that are missing, or too many."""
    problems = [
        Problem(f"--{name}", f"varies along {along}; leave it out" if name == along else "is missing")
        for name, value in figures.items()
        if (value is None) != (name == along)
    ]
    if problems and along in figures:
        raise ScenarioError(problems)
    return {name: value for name, value in figures.items() if value is not None}


def kind_or_table(text: str) -> Any:
    """A kind by its name, or a table of it in TOML."""
    return _without_alias(override_value(text))


def value(text: str) -> Any:
    """A value of a key: a TOML value, or the text itself."""
    return override_value(text)


def whole_if_ranks(along: str, text: str) -> Any:
    """A number of ranks, or a quantity as it stands."""
    return override_value(text) if along == "ranks" else text


def sizes(text: str) -> list[str]:
    """["8 B", "1 MiB"] from "8 B,1 MiB"."""
    return [each.strip() for each in text.split(",") if each.strip()] or [text]


def memory(text: str | None) -> float | None:
    """Bytes from "8 GB", if that was given."""
    if text is None:
        return None
    try:
        return float(Quantity("B", above=0).read(text))
    except ValueError as error:
        raise ScenarioError(str(error), path="--limit-memory") from None


def message_sizes(text: str) -> list[int]:
    """[1000, 1000000] from "1 kB,1 MB"."""
    found, problems = [], []
    for each in sizes(text):
        try:
            size = parse(each, "B")
            if not 0 <= size <= 1 << 30:
                raise ValueError(f"{each!r} is not a size of a message; at most 1 GiB is")
            found.append(round(size))
        except ValueError as error:
            problems.append(Problem("--sizes", str(error)))
    if problems:
        raise ScenarioError(problems)
    return list(dict.fromkeys(found))


def _without_kind(settings: Sequence[str], kind: str) -> dict[str, Any]:
    found = overrides(settings, None)
    if "kind" in found:
        raise ScenarioError(f"kind is {kind} already; the name before the options says it", path="--set")
    return found


def _without_aliases(found: dict[str, Any]) -> dict[str, Any]:
    for path in ("job.strategy", "job.strategy.kind"):
        if path in found:
            found[path] = _without_alias(found[path])
    return found


def _without_alias(strategy: Any) -> Any:
    """A strategy by its own name, be it a name or a table with a kind; anything else as it is."""
    if isinstance(strategy, Mapping) and "kind" in strategy:
        return {**strategy, "kind": _without_alias(strategy["kind"])}
    return ALIASES.get(strategy, strategy) if isinstance(strategy, str) else strategy


def axes(given: Sequence[str]) -> dict[str, Any]:
    """{"cluster.workers": [2, 4]} from --axis cluster.workers=2,4; commas within brackets and quotes do not part. A
    single table with `from` is a range, as in a file."""
    axes: dict[str, Any] = {}
    problems = []
    for each in given:
        path, _, text = each.partition("=")
        path = path.strip()
        values = [override_value(part) for part in _parts(text)]
        if not path or not values:
            problems.append(Problem("--axis", f"{each!r} is not PATH=V1,V2,..., such as cluster.workers=2,4,8"))
        elif path in axes:
            problems.append(Problem("--axis", f"{path} is given twice; name all of its values at once"))
        alone = values[0] if len(values) == 1 else None
        if isinstance(alone, Mapping) and "from" in alone:
            axes[path] = alone
        else:
            axes[path] = [_without_aliases({path: value})[path] for value in values]
    if problems:
        raise ScenarioError(problems)
    return axes


def design(
    axes: Mapping[str, Any], zipped: Sequence[str], skip: Sequence[str], replicas: int | None, drawn: str | None
) -> dict[str, Any]:
    """The table of a sweep, with --zip, --skip, --replicas and --design in the place of its own words."""
    words: dict[str, Any] = {}
    if zipped:
        words["zip"] = [[path.strip() for path in group.split(",")] for group in zipped]
    if skip:
        words["skip"] = list(skip)
    if replicas is not None:
        words["replicas"] = replicas
    if drawn is not None:
        kind, _, points = drawn.partition("=")
        words["design"] = {"kind": kind.strip(), "points": override_value(points.strip())}
    return {**axes, **words}


def _parts(text: str) -> Iterator[str]:
    depth, quote, part = 0, "", ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            yield part.strip()
            part = ""
        else:
            part += letter
    if part.strip():
        yield part.strip()


def strategies(text: str) -> list[str]:
    """["parameter_server", "ring"] from "ps,ring"; ScenarioError names all that are unknown."""
    family = FAMILIES["strategies"]
    names = [ALIASES.get(name.strip(), name.strip()) for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in family.names()]
    if unknown:
        raise ScenarioError(
            [Problem("--strategies", f"no strategy {n!r}.{did_you_mean(n, [*family.names(), 'ps'])}") for n in unknown]
        )
    if not names:
        raise ScenarioError(f"{text!r} names none. There are: {', '.join(family.names())}", path="--strategies")
    return list(dict.fromkeys(names))


def models(names: Sequence[str], settings: Sequence[str]) -> list[Model]:
    """The models of these names, or in these files. Each takes the settings that it has as options; one that no model
    has is wrong."""
    given = _without_kind(settings, names[0])
    known = [file_options(name) if is_file(name) else parameters(FAMILIES["models"].member(name)) for name in names]
    homeless = [key for key in given if not any(key.partition(".")[0] in each for each in known)]
    if homeless:
        options = [option for each in known for option in each]
        raise ScenarioError([Problem(key, f"no such key.{did_you_mean(key, options)}") for key in homeless])
    return [
        read_model({**{key: value for key, value in given.items() if key in mine}, _key(name): name})
        for name, mine in zip(names, known, strict=True)
    ]


def _key(name: str) -> str:
    return "file" if is_file(name) else "kind"


def device(name: str, precision: str | None) -> Device:
    """The preset of that name, in that precision."""
    found = presets.device(name)
    wanted: Any = precision or found.precision
    try:
        return replace(found, precision=wanted)
    except ScenarioError as error:
        raise ScenarioError([Problem("--precision", problem.message) for problem in error.problems]) from None


def short_form(given: Mapping[str, Any], strategy: str, batch: int) -> dict[str, Any]:
    """The scenario table that options in place of a file stand for; ScenarioError names all that are missing."""
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise ScenarioError([Problem(name, "is missing; without FILE it is needed") for name in missing])
    link = {"rate": given["--rate"], "latency": given["--latency"]}
    model = given["--model"]
    return {
        "cluster": {"workers": given["--workers"], "device": given["--device"], "link": link},
        "job": {"model": {"file": model} if is_file(model) else model, "batch": batch, "strategy": {"kind": strategy}},
    }


def writable_folder(output: Path | None) -> Path | None:
    """The folder of -o, made now: a run of an hour is not to end in "permission denied"."""
    if output is None:
        return None
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".netsim"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ScenarioError(f"{output} cannot be written: {error.strerror}", path="-o") from None
    return output


def writable_file(file: Path, option: str) -> None:
    """Refuses a file that cannot be written, before the work for it is done."""
    try:
        file.open("ab").close()
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written: {error.strerror}", path=option) from None


def write_trace(file: Path, document: Any) -> None:
    """Writes the document of --trace; ScenarioError if it cannot be."""
    try:
        file.write_text(json.dumps(document) + "\n", encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written: {error.strerror}", path="--trace") from None


def typed() -> str:
    """The command as it was typed, without what only concerned the terminal."""
    words = ["netsim", *(word for word in sys.argv[1:] if word not in ("-q", "--quiet", "--json"))]
    return shlex.join(words).encode("utf-8", "replace").decode("utf-8")  # file names may have bytes that are no text
