"""What a sweep varies, in words and numbers: the path of a key, the values that it took, and how a sentence says them.

>>> Axis("cluster.link.latency", ("10 us", "1 ms")).numbers
(1e-05, 0.001)
>>> place("cluster.workers", 8)
'at 8 workers'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from netsim.units import EXAMPLES, parse

_SECTIONS = ("cluster", "job")
_SPEAK_FOR_THEMSELVES = ("strategy", "model", "device", "link", "topology")


@dataclass(frozen=True)
class Axis:
    """One axis of a sweep: the path of its key and its values, in the order in which they were asked for."""

    path: str
    values: tuple[Any, ...]

    @property
    def name(self) -> str:
        """What a label calls it: "workers", "link latency", "strategy"."""
        return name(self.path)

    @cached_property
    def _measured(self) -> tuple[str, tuple[float, ...]] | None:
        return measure(self.values)

    @property
    def numbers(self) -> tuple[float, ...] | None:
        """The values in SI, if they are numbers or quantities of one kind; None where they are words or tables."""
        return self._measured[1] if self._measured else None

    @property
    def has_tables(self) -> bool:
        """Whether values are tables of the file, such as { kind = "mobilenet_v1", width = 0.5 }."""
        return any(isinstance(value, Mapping) for value in self.values)

    @property
    def unit(self) -> str:
        """The SI unit of `numbers`, "" for a plain number or for words."""
        return self._measured[0] if self._measured else ""


def measure(values: Sequence[Any]) -> tuple[str, tuple[float, ...]] | None:
    """The common SI unit and the numbers of values that can be ordered by size; None for words, switches and tables."""
    if values and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        with suppress(OverflowError):  # of an integer beyond all floats
            return "", tuple(float(value) for value in values)
    if not values or not all(isinstance(value, str) for value in values):
        return None
    for unit in EXAMPLES:
        try:
            return unit, tuple(parse(value, unit) for value in values)
        except ValueError:
            continue
    return None


def contender_axis(axes: Mapping[str, Sequence[Any]]) -> str | None:
    """The path whose values compete: the strategy's kind, else the first axis of words or tables, else None."""
    if "job.strategy.kind" in axes:
        return "job.strategy.kind"
    return next((path for path, values in axes.items() if measure(values) is None), None)


@dataclass(frozen=True)
class Choice:
    """One value of an axis, and the coordinates that it stands for: several where axes vary together."""

    value: Any
    at: Mapping[str, Any]


def choices(
    axes: Mapping[str, Sequence[Any]], zipped: Sequence[Sequence[str]] = (), usual: Mapping[str, Any] | None = None
) -> dict[str, list[Choice]]:
    """What a sweep chooses from, by path: the values of each axis, and of axes that vary together those of the first of
    words, or else of numbers that all differ, which names the others' values too where they are not the `usual` ones.

    >>> axes = {"job.strategy": ["ring", "ring"], "job.local_steps": [1, 4]}
    >>> [choice.value for choice in choices(axes, [["job.strategy", "job.local_steps"]], {})["job.strategy"]]
    [{'kind': 'ring', 'local steps': 1}, {'kind': 'ring', 'local steps': 4}]
    """
    group = {path: paths for paths in zipped for path in paths}
    found: dict[str, list[Choice]] = {}
    for path, values in axes.items():
        paths = group.get(path, [path])
        first = _speaker({each: axes[each] for each in paths})
        if path != first:
            continue
        points = [dict(zip(paths, point, strict=True)) for point in zip(*(axes[each] for each in paths), strict=True)]
        words = measure(values) is None or len(set(map(text, values))) < len(values)
        found[path] = [Choice(_joined(first, point, usual or {}) if words else point[first], point) for point in points]
    return found


def _speaker(axes: Mapping[str, Sequence[Any]]) -> str:
    """Which of some axes that vary together stands for all."""
    differ = (path for path, values in axes.items() if len({text(value) for value in values}) == len(values))
    return contender_axis(axes) or next(differ, next(iter(axes)))


def _joined(first: str, point: Mapping[str, Any], usual: Mapping[str, Any]) -> Any:
    """The value of an axis with those of the others that are not the usual ones."""
    others = {name(path): value for path, value in point.items() if path != first and usual.get(path) != value}
    value = point[first]
    return {**(value if isinstance(value, Mapping) else {"kind": value}), **others} if others else value


def name(path: str) -> str:
    """A path in words: cluster.workers is "workers", job.strategy.servers "servers", cluster.topology.nics "nics",
    cluster.link.rate "link rate"."""
    keys = path.split(".")
    keys = keys[1:] if keys[0] in _SECTIONS and len(keys) > 1 else keys
    keys = keys[:-1] if keys[-1] == "kind" and len(keys) > 1 else keys
    keys = keys[1:] if keys[0] in ("strategy", "model") and len(keys) > 1 else keys
    keys = keys[1:] if keys[0] == "topology" and len(keys) == 2 and keys[1] != "link" else keys
    return " ".join(keys).replace("_", " ")


def text(value: Any) -> str:
    """A value as one cell of a table: a table of the file becomes "parameter_server (servers 2)", a switch "on"."""
    if isinstance(value, Mapping):
        rest = ", ".join(f"{key} {text(item)}" for key, item in value.items() if key != "kind")
        kind = str(value.get("kind", ""))
        return f"{kind} ({rest})" if kind and rest else kind or rest
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(text(item) for item in value)
    return str(value)


def label(path: str, value: Any) -> str:
    """What a legend calls one contender: "parameter server", "mobilenet_v1", "4 servers", "overlap off"."""
    said = text(value)
    if path.startswith("job.strategy") and name(path) == "strategy":
        return said.replace("_", " ")
    if path == "" or (speaks_for_itself(path) and measure([value]) is None):
        return said
    return f"{said} {_counted(path, value)}" if is_count(path, value) else f"{name(path)} {said}"


def place(path: str, value: Any) -> str:
    """Where something holds, with its preposition: "at 8 workers", "at a link latency of 10 us", "with overlap off"."""
    if is_count(path, value):
        return f"at {label(path, value)}"
    if measure([value]) is not None:
        article = "an" if name(path)[0] in "aeiou" else "a"
        return f"at {article} {name(path)} of {text(value)}"
    return f"for {label(path, value)}" if speaks_for_itself(path) else f"with {label(path, value)}"


def every(path: str, first: Any, last: Any) -> str:
    """A whole axis: "at every number of workers, from 2 to 16", "at every link latency, from 10 us to 1 ms"."""
    what = f"number of {name(path)}" if is_count(path, first) else name(path)
    return f"at every {what}, from {text(first)} to {text(last)}"


def speaks_for_itself(path: str) -> bool:
    """Whether values of an axis are names that need no more words: "ring", "mobilenet_v1", "v100"."""
    return name(path).split(" ")[-1] in _SPEAK_FOR_THEMSELVES


def is_count(path: str, value: Any) -> bool:
    """Whether a value counts things: 8 workers, 4 servers, but not a batch of 32."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and name(path).endswith("s")


def distinct(values: Sequence[Any]) -> dict[str, str]:
    """Values as text -> as short as tells them apart: options that all tables share are left out.

    >>> distinct([{"kind": "lightrnn", "vocabulary": 9}, {"kind": "rnn_lm", "vocabulary": 9}])
    {'lightrnn (vocabulary 9)': 'lightrnn', 'rnn_lm (vocabulary 9)': 'rnn_lm'}
    """
    tables = [value for value in values if isinstance(value, Mapping)]
    if len(tables) < len(values) or len(values) < 2:
        return {text(value): text(value) for value in values}
    alike = {key for key in tables[0] if key != "kind" and all(t.get(key) == tables[0][key] for t in tables)}
    return {text(t): text({key: item for key, item in t.items() if key not in alike}) for t in tables}


def _counted(path: str, value: int) -> str:
    return name(path)[:-1] if value == 1 else name(path)
