"""Files of the user's: read whole, or refused with a sentence."""

from __future__ import annotations

import json
import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netsim.errors import ScenarioError

DEEPEST = 50  # tables within tables; a scenario has some five
_LARGEST_FILE = 10_000_000  # bytes; such a file has a line a layer


def bounded(place: Path, most: int) -> tuple[bytes, int]:
    """The bytes of a file, cut off behind `most` + 1, and its size. It may be a pipe or a device, without a size and
    without an end. Raises OSError."""
    with place.open("rb") as file:
        content = file.read(most + 1)
    return content, max(place.stat().st_size, len(content))


def why_unreadable(error: Exception) -> str:
    """What keeps a file from being read, in words."""
    return "no such file" if isinstance(error, FileNotFoundError) else str(error)


def read_text(file: str, *, path: str = "", most: int = _LARGEST_FILE) -> str:
    """The text of a file of at most so many bytes, which may be compressed (`.gz`); ScenarioError, at `path`, if it
    cannot be one."""
    place = Path(file)
    try:
        if place.is_dir():
            raise ScenarioError(f"{file} is a directory", path=path)
        content, size = bounded(place, most)
        if place.suffix == ".gz":
            content = zlib.decompressobj(wbits=31).decompress(content, most + 1)
            size = len(content)
        if size > most:
            raise ScenarioError(f"{file} has {size} bytes or more; at most {most} are read", path=path)
        return content.decode("utf-8-sig")
    except zlib.error:
        raise ScenarioError(f"{file} is not compressed by gzip", path=path) from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{file} is no text in UTF-8", path=path) from None
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{file} cannot be read: {why_unreadable(error)}", path=path) from None


def tables_of(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError, with a sentence, for what is none, or is too much."""
    if any(part.count(".") > DEEPEST for part in re.split(r"[=,{\[\n]|#.*", text)):
        raise ValueError(f"a key has more than {DEEPEST} dots")  # tomllib takes the square of them in memory
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError("tables or lists are nested too deeply") from None
    except ValueError:
        raise ValueError("a number in it has too many digits") from None


def read_toml(file: str, *, path: str = "") -> dict[str, Any]:
    """The tables of a TOML file; ScenarioError, at `path`, if it cannot be read or is none."""
    text = read_text(file, path=path)
    try:
        return tables_of(text)
    except ValueError as error:
        raise ScenarioError(f"{file} is not TOML: {error}", path=path) from None


def read_json(file: Path, shape: Any, defaults: Mapping[str, Any] | None = None) -> Any:
    """What a JSON file of netsim's own holds, over defaults, if it has that shape; ScenarioError if not.

    A shape is a type or a union of types, a list with the shape of all its elements, a table with the shapes of keys
    that must be there, or one with the key `str`, the shape of all values: `{"axes": {str: [object]}}`.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{file} is not JSON: {error}") from None
    found = {**defaults, **found} if defaults and isinstance(found, dict) else found
    if (wrong := next(_misfits(found, shape), None)) is not None:
        raise ScenarioError(f"{file} is not what netsim keeps: {wrong or 'all of it'} is something else, or missing")
    return found


def _misfits(value: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Paths at which a value has another shape."""
    if isinstance(shape, list) and isinstance(value, list):
        for number, each in enumerate(value):
            yield from _misfits(each, shape[0], f"{path}[{number}]")
    elif isinstance(shape, dict) and isinstance(value, dict):
        for key in value if str in shape else shape:
            under = f"{path}.{key}" if path else str(key)
            yield from _misfits(value[key], shape.get(key, shape.get(str)), under) if key in value else [under]
    elif isinstance(shape, (list, dict)) or not isinstance(value, shape):
        yield path
