"""Devices and links by name: one row of a CSV file each, as their documents give them, with the source."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from netsim.errors import ScenarioError, did_you_mean
from netsim.families import Reads, build, json_schema
from netsim.hardware import Device, Link, Peak
from netsim.presets.user_links import linked
from netsim.units import parse

Table = Literal["devices", "links"]


def rows(table: Table) -> list[dict[str, str]]:
    """The rows of a table as they are written, "15.7 Tflop/s" and all, with `source` and `note`."""
    return [dict(row) for row in _read(table)]


def names(table: Table) -> list[str]:
    """The names that `device` or `link` takes, in the order of the file."""
    return [row["name"] for row in _read(table)]


def device(name: str) -> Device:
    """The device of that name, in the highest precision that it has a peak for: fp32, else bf16.

    >>> device("v100").peak_rate
    15700000000000.0
    """
    row = _row("devices", name)
    peak = Peak(**{key: parse(row[key], "flop/s") for key in ("fp32", "tf32", "fp16", "bf16") if row[key]})
    return Device(
        name=name,
        peak=peak,
        memory_rate=parse(row["memory_rate"], "B/s"),
        memory_size=parse(row["memory_size"], "B") if row["memory_size"] else None,
        precision="fp32" if peak.fp32 else "bf16",
        sustained=float(row["sustained"] or 1),
        power=float(row["power_w"]) if row["power_w"] else None,
        price_per_hour=float(row["price_usd_per_hour"]) if row["price_usd_per_hour"] else None,
    )


def link(name: str) -> Link:
    """The link of that name.

    >>> link("10gbe").rate
    1250000000.0
    """
    row = _row("links", name)
    return Link(rate=parse(row["rate"], "B/s"), latency=parse(row["latency"], "s"))


@cache
def _read(table: Table) -> tuple[dict[str, str], ...]:
    with (files("netsim.presets") / f"{table}.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def _row(table: Table, name: str) -> dict[str, str]:
    for row in _read(table):
        if row["name"] == name:
            return row
    raise ScenarioError(f"no {table[:-1]} {name!r}.{did_you_mean(name, names(table))}")


def read_link(value: Any) -> Link:
    """A link from the name of a preset, from a table of its fields, or from one that names a `file` of links and, where
    that has several, the `name` of one."""
    if isinstance(value, str):
        return link(value)
    table = linked(value) if isinstance(value, Mapping) and "file" in value else value
    found: Link = build(Link, table)
    return found


def _link_schema() -> dict[str, Any]:
    text = {"type": "string"}
    file = {"type": "object", "properties": {"file": text, "name": text}, "required": ["file"]}
    return {"anyOf": [{"enum": names("links")}, json_schema(Link), file]}


def _read_device(value: Any) -> Device:
    """A device by the name of a preset, or by a table of its fields."""
    found: Device = device(value) if isinstance(value, str) else build(Device, value)
    return found


def _device_schema() -> dict[str, Any]:
    return {"anyOf": [{"enum": names("devices")}, json_schema(Device)]}


ADevice = Annotated[Device, Reads(_read_device, _device_schema)]
ALink = Annotated[Link, Reads(read_link, _link_schema)]
