"""Writes what the reference says in tables: `python docs/generate.py`. A test fails where a page is not what comes out.

Whole pages are made of the families, the presets, the figures and the scenarios. In pages that people write, tables are
kept up to date: after `<!-- keys of Cluster -->` the type and default of each key, from the signature (a new key gets a
row, whose meaning is then to be written); after `<!-- figures -->` the unit of each figure; between `<!-- options of
run -->` and `<!-- end -->` the options of a command.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from netsim import disturbances, hardware, noise, outages, plots, presets, scenario, units
from netsim.cli import cli
from netsim.collectives.rounds import Collective
from netsim.families import FAMILIES, json_schema, parameters
from netsim.frames import units as units_of

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
TABLES = {
    table.__name__: table
    for module in (scenario, hardware, outages, noise, disturbances)
    for table in vars(module).values()
    if inspect.isclass(table) and table.__module__ == module.__name__
}
NOT_KEYS = {"name", "question", "table"}  # of a Scenario, beside its file
UNWRITTEN = "(to be written)"
_NOTE = "<!-- written by docs/generate.py -->\n\n"
_QUANTITIES = {"B/s": "rate", "s": "duration", "B": "size", "flop/s": "rate of work", "W": "power"}
_LARGE = 1e6  # bounds beyond which nobody comes by accident are left out


def main() -> None:
    """Writes the pages that are not as they should be."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")


def pages() -> dict[Path, str]:
    """The pages as they should be, by their paths."""
    whole: dict[str, Callable[[], str]] = {
        "strategies.md": strategies,
        "topologies.md": topologies,
        "layers.md": layers,
        "models.md": models,
        "hardware.md": devices_and_links,
        "figures.md": figures,
        "questions.md": questions,
    }
    made = {REFERENCE / name: f"{_NOTE}{make()}" for name, make in whole.items()}
    for name in ("scenario.md", "commands.md", "results.md"):
        made[REFERENCE / name] = filled((REFERENCE / name).read_text(encoding="utf-8"))
    return made


# Pages that people write


def filled(page: str) -> str:
    """The page with its marked tables and options as they should be."""
    page = re.sub(r"(<!-- options of (\w+) -->\n).*?(<!-- end -->)", _with_options, page, flags=re.DOTALL)
    page = re.sub(r"(<!-- keys of (\w+) -->\n\n)((?:\|.*\n)+)", _with_keys, page)
    return re.sub(r"(<!-- figures -->\n\n)((?:\|.*\n)+)", _with_units, page)


def _with_options(found: re.Match[str]) -> str:
    return found[1] + "\n" + options_of(cli.get_command(click.Context(cli), found[2])) + "\n" + found[3]


def options_of(command: click.Command | None) -> str:
    """How a command is called, and its options with what they mean and their defaults."""
    assert command is not None
    context = click.Context(command, info_name=f"netsim {command.name}")
    rows = []
    for each in command.get_params(context):
        if isinstance(each, click.Option) and "--help" not in each.opts and (told := each.get_help_record(context)):
            default = "" if each.is_flag or each.default in (None, ()) or not each.show_default else f"`{each.default}`"
            rows.append((f"`{told[0]}`", each.help or "", default))
    called = f"`{' '.join([context.command_path, *command.collect_usage_pieces(context)])}`\n"
    return "\n".join([called, table(("option", "meaning", "default"), rows)] if rows else [called])


def _with_keys(found: re.Match[str]) -> str:
    member = TABLES[found[2]]
    known = json_schema(member)
    head, _, *rows = (_cells(row) for row in found[3].splitlines())
    written = {row[0].strip("`"): row for row in rows}
    left = [key for key in known["properties"] if key not in (NOT_KEYS if member is scenario.Scenario else ())]
    keys = [key for key in written if key in left] + [key for key in left if key not in written]
    return found[1] + table(head, [_row(key, member, known, written.get(key)) for key in keys])


def _row(key: str, member: Any, known: dict[str, Any], written: Sequence[str] | None) -> tuple[str, str, str, str]:
    told, given = parameters(member)[key], written or ("", "", "", UNWRITTEN)
    default = default_of(told, known["properties"][key])
    return f"`{key}`", type_of(known["properties"][key]), given[2] if default is None else default, given[3]


def _with_units(found: re.Match[str]) -> str:
    head, _, *rows = (_cells(row) for row in found[2].splitlines())
    return found[1] + table(head, [(row[0], _unit(row[0], row[1]), *row[2:]) for row in rows])


def _unit(name: str, written: str) -> str:
    found = set(units_of(re.findall(r"`([\w.]+)`", name)).values())
    return ", ".join(sorted(found)) or written


def _cells(row: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip()[1:-1])]


# What a key takes


def type_of(told: dict[str, Any]) -> str:
    """The type of a value in words, from its JSON Schema."""
    if "enum" in told:
        return _one_of(told["enum"])
    if "anyOf" in told:
        return " or ".join(dict.fromkeys(type_of(each) for each in told["anyOf"]))
    if "const" in told:
        return f"`{told['const']}`"
    match told.get("type"):
        case "boolean":
            return "true or false"
        case "integer":
            return "whole number" + _bounds(told, usual=1)
        case "number":
            return ("share" if told.get("maximum") == 1 else "number") + _bounds(told, usual=None)
        case "string":
            return _text(told)
        case "array":
            return "list of " + _plural(type_of(told.get("items", {})))
        case _:
            return "table"


def _text(told: dict[str, Any]) -> str:
    description = told.get("description", "")
    unit = re.search(r"with a unit of ([\w/]+)", description)
    kind = _QUANTITIES[unit[1]] if unit else "size" if "with a unit" in description else "text"
    return " or ".join([kind, *(f'`"{word}"`' for word in told.get("examples", [])[1:])])


def _one_of(names: Sequence[Any]) -> str:
    return "name" if len(names) > 9 else " or ".join(f'`"{name}"`' for name in names)


def _plural(words: str) -> str:
    first, *more = words.split(",")
    return ",".join([first if first.endswith("s") else f"{first}s", *more])


def _bounds(told: dict[str, Any], *, usual: float | None) -> str:
    said = []
    if "exclusiveMinimum" in told:
        said.append(f"above {told['exclusiveMinimum']:g}")
    elif (told.get("minimum", usual) != usual and told["minimum"] > 1e-3) or told.get("minimum") == 0:
        said.append(f"from {told['minimum']:g} on")
    if told.get("maximum", _LARGE) < _LARGE:
        said.append(f"at most {told['maximum']:g}")
    return "".join(f", {each}" for each in said)


def default_of(told: inspect.Parameter, known: dict[str, Any]) -> str | None:
    """The default of a key, as a file would say it; None where it is not a value, and so to be told in words."""
    value = told.default
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`' if value else None
    if isinstance(value, (int, float)):
        unit = re.search(r"with a unit of ([\w/]+)", str(known))
        return f'`"{units.show(value, unit[1])}"`' if unit and value else f"`{value:g}`"
    return None


# Pages that are made as a whole


def strategies() -> str:
    """The collectives, the parameter server as a strategy, and the rules of buckets."""
    both, own = FAMILIES["strategies"], FAMILIES["collectives"]
    return "\n".join(
        [
            "# Strategies and collectives\n",
            "Each is a kind of `netsim collective`, and a value of `job.strategy`: a name, or a table of its `kind`",
            "and its keys. [Collectives in pictures](../explanation/collectives.md) draws how each sends;",
            "[the model](../explanation/model.md#collectives) has what each costs.\n",
            "## Keys of all collectives\n",
            "Each collective has them beside its own, which are listed below.\n",
            _told(Collective),
            _keys(own.member("ring"), only=_shared(own)),
            *(_member(own.member(name), name, left_out=_shared(own)) for name in own.names()),
            "## parameter_server, as a strategy\n",
            _told(both.member("parameter_server")),
            _keys(both.member("parameter_server")),
            "## Rules of buckets\n",
            'Values of `job.bucket`, beside a size, `"layer"` and `"all"`.\n',
            *(_member(FAMILIES["buckets"].member(name), name, level=3) for name in FAMILIES["buckets"].names()),
        ]
    )


def topologies() -> str:
    """The networks."""
    family = FAMILIES["topologies"]
    members = (_member(family.member(name), name, left_out=family.given) for name in family.names())
    told = (
        "Values of `cluster.topology`: a name, or a table of its `kind` and its keys.\n"
        "[Networks](../explanation/topologies.md) shows them.\n"
    )
    return "\n".join(["# Topologies\n", told, *members])


def layers() -> str:
    """The kinds of layers."""
    family = FAMILIES["layers"]
    shared = ("name", "input_shape")
    told = (
        "Tables of `job.model.layers`, and lines of a [table of layers](../how-to/bring-your-own-model.md), by their\n"
        "`kind`. All have a `name`, and the `input_shape` of one sample, which is that of the layer before where it\n"
        "is left out. [How netsim counts](../explanation/how-netsim-counts.md) has formulas and sources.\n"
    )
    members = (_member(family.member(name), name, left_out=shared) for name in family.names())
    return "\n".join(["# Layers\n", told, *members])


def models() -> str:
    """The models, with what they count."""
    family = FAMILIES["models"]
    rows = []
    for name in family.names():
        model = family.build(name)
        counts = f"{model.params / 1e6:.4g} M", f"{model.macs / 1e9:.4g} G", f"{model.gradient_bytes / 1e6:.4g} MB"
        rows.append((f"[`{name}`](#{name})", *counts, str(len(model.layers))))
    head = ("model", "parameters", "MACs a sample, forward", "gradient, fp32", "layers")
    told = "Values of `job.model`: a name, or a table of its `kind` and its keys. With its defaults each has:\n"
    members = (_member(family.member(name), name) for name in family.names())
    return "\n".join(["# Models\n", told, table(head, rows), *members])


def devices_and_links() -> str:
    """The rows of the presets."""
    devices = []
    for row in presets.rows("devices"):
        each = presets.device(row["name"])
        peaks = ", ".join(f"{units.show(getattr(each.peak, p), 'flop/s')} {p}" for p in each.precisions)
        memory = units.show(each.memory_size, "B") if each.memory_size else ""
        devices.append((f"`{row['name']}`", peaks, f"{units.show(each.memory_rate, 'B')}/s", memory, row["source"]))
    links = []
    for row in presets.rows("links"):
        link = presets.link(row["name"])
        links.append((f"`{row['name']}`", units.show(link.rate, "B/s"), units.show(link.latency, "s"), row["source"]))
    return "\n".join(
        [
            "# Devices and links\n",
            "Values of `cluster.device` and `cluster.link`. Peaks, memory and rates are those of the sources; what a",
            "kind of layer reaches of them is [`efficiency`](scenario.md#a-device-of-ones-own). A link's latency is",
            "from host to host.\n",
            "## Devices\n",
            table(("device", "peak", "memory rate", "memory", "source"), devices),
            "## Links\n",
            table(("link", "rate", "latency", "source"), links),
        ]
    )


def figures() -> str:
    """What reports and `--plot` draw."""
    rows = [(f"`{name}`", _sentence(figure)) for name, figure in sorted(plots.figures().items())]
    told = "What reports and `--plot` draw. Each is a function of a frame and an axis in `netsim/plots/`.\n"
    return "\n".join(["# Figures\n", told, table(("figure", "shows"), rows)])


def questions() -> str:
    """The scenarios that come with netsim, and where they are answered."""
    rows = []
    for path in sorted((DOCS.parent / "scenarios").glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        asked = re.match(r"# (.*?)(?:\n#\s*\n|\n[^#])", text, re.DOTALL)
        told = " ".join(asked[1].replace("\n# ", " ").split()) if asked else ""
        axes = ", ".join(f"`{axis}`" for axis in tomllib.loads(text).get("sweep", {}) if axis != "zip")
        links = f"[scenario](../../scenarios/{path.name}), [report](../../reports/{path.stem}/report.md)"
        rows.append((told, axes, links))
    told = (
        "Each file of `scenarios/` asks a question, and its report answers it. Copy the one that is nearest to\n"
        "yours, and change it.\n"
    )
    return "\n".join(["# Questions that are already asked\n", told, table(("question", "what is varied", ""), rows)])


def _shared(family: Any) -> tuple[str, ...]:
    """The keys that all members have."""
    each = [list(parameters(family.member(name))) for name in family.names()]
    return tuple(key for key in each[0] if all(key in keys for keys in each))


def _member(member: Any, name: str, *, left_out: tuple[str, ...] = (), level: int = 2) -> str:
    parts = f"{'#' * level} {name}\n", _told(member), _keys(member, left_out=left_out)
    return "\n".join(part for part in parts if part)


def _keys(member: Any, *, left_out: tuple[str, ...] = (), only: tuple[str, ...] | None = None) -> str:
    known = json_schema(member, left_out=FAMILIES["topologies"].given)["properties"]
    told = parameters(member)
    rows = [
        (f"`{key}`", type_of(known[key]), default_of(told[key], known[key]) or "left out")
        for key in known
        if key not in left_out and (only is None or key in only)
    ]
    return table(("key", "type", "default"), rows) if rows else ""


def _told(member: Any) -> str:
    """A docstring as Markdown: drawings keep their lines."""
    parts = re.split(r"::\n\n((?: {4}.*\n|\n)+)", f"{inspect.getdoc(member) or ''}\n")
    told = [
        f"{_prose(part)}:\n" if number < len(parts) - 1 else f"{_prose(part)}\n" for number, part in enumerate(parts)
    ]
    told[1::2] = map(_drawn, parts[1::2])
    return "\n".join(part for part in told if part.strip())


def _prose(text: str) -> str:
    lines = text.strip().replace("<", "&lt;").replace("*", "\\*")
    return re.sub(r"^(\w+(?:, \w+)*): ", lambda found: f"\n`{found[1]}`: ", lines, flags=re.MULTILINE).strip()


def _drawn(text: str) -> str:
    return f"<!-- not run: a picture -->\n```text\n{textwrap.dedent(text).strip(chr(10))}\n```\n"


def _sentence(member: Any) -> str:
    return " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""

    def lines() -> Iterator[str]:
        yield _line(head)
        yield "|" + "---|" * len(head)
        yield from map(_line, rows)

    return "\n".join(lines()) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


if __name__ == "__main__":
    main()
