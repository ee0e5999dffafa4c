"""Units of quantities: the only place that parses or prints them. Inside, all numbers are SI: s, B, B/s, flop, flop/s.

>>> parse("10 Gbit/s", "B/s")
1250000000.0
>>> show(25e-6, "s")
'25 us'
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    import pint
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

# Our own vocabulary in the units library's grammar. There are no prefixes below one, so that "10 mbit/s" is refused
# instead of being read as millibits, and time units are spelled out.
_DEFINITIONS = """
kilo- = 1e3 = k- = K-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
tebi- = 1099511627776 = Ti-
second = [time] = s = sec = seconds
millisecond = 1e-3 second = ms
microsecond = 1e-6 second = us = µs = μs
nanosecond = 1e-9 second = ns
minute = 60 second = min
hour = 3600 second = h
byte = [information] = B = bytes
bit = byte / 8 = b = bits
bps = bit / second
watt = [power] = W
flop = [work] = FLOP
flops = flop / second = FLOPS
"""
_NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_NUMBER_AND_UNIT = re.compile(rf"\s*({_NUMBER})\s*([A-Za-zµμ]{{1,16}}(?:/[A-Za-z]{{1,8}})?)?\s*")
_LONGEST_TEXT = 80

EXAMPLES = {"s": "25 us", "B": "25 MB", "B/s": "10 Gbit/s", "flop/s": "15.7 Tflop/s", "W": "300 W"}
SUFFIXES = {"B/s": "_bytes_per_s", "flop/s": "_flop_per_s", "B": "_bytes", "s": "_s"}  # of names; the longer first
_BASE_UNITS = {"s": "second", "B": "byte", "B/s": "byte/second", "flop/s": "flop/second", "W": "watt"}
SCALES = {
    "s": [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")],
    "B": [(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")],
    "B/s": [(1 / 8, "bit/s"), (125.0, "kbit/s"), (125e3, "Mbit/s"), (125e6, "Gbit/s"), (125e9, "Tbit/s")],
    "flop/s": [(1.0, "flop/s"), (1e6, "Mflop/s"), (1e9, "Gflop/s"), (1e12, "Tflop/s")],
    "W": [(1.0, "W"), (1e3, "kW"), (1e6, "MW")],
}
_BINARY = [(2.0**10, "KiB"), (2.0**20, "MiB"), (2.0**30, "GiB"), (2.0**40, "TiB")]


@cache
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None)
    for line in _DEFINITIONS.strip().splitlines():
        registry.define(line)
    return registry


@cache
def known(unit: str) -> dict[str, float]:
    """What is read without the units library, whose import takes longer than most runs do: what `show` writes, binary
    bytes, and bytes a second."""
    more = {"B": [*SCALES["B"], *_BINARY], "B/s": [(factor, f"{name}/s") for factor, name in SCALES["B"]]}
    return {name: factor for factor, name in [*SCALES[unit], *more.get(unit, [])]}


@lru_cache(maxsize=1024)
def looked_up(name: str, unit: str) -> float:
    """What one of a unit is in SI, by the units library."""
    factor: float = (1.0 * _registry().parse_units(name)).to(_BASE_UNITS[unit]).magnitude
    return factor


def parse(text: str, unit: str) -> float:
    """The SI value of a quantity such as "25 us", in `unit` ("s", "B", "B/s", "flop/s" or "W").

    Raises ValueError, with a sentence that says what would do, for a missing, unknown or wrong unit, and for no number.
    """
    example = f"for example {EXAMPLES[unit]!r}"
    match = _NUMBER_AND_UNIT.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(f"{shown(text)} is not a number with a unit; {example}")
    number, name = float(match[1].replace("_", "")), match[2]
    if name is None:
        raise ValueError(f"{text.strip()!r} has no unit; {example}")
    factor = known(unit).get(name) or _of_another(name, unit, text)
    # Divided where the factor is below one: 25 / 1e6 is the float nearest to 25e-6, 25 * 1e-6 is not.
    return number * factor if factor >= 1 else number / round(1 / factor)


def _of_another(name: str, unit: str, text: str) -> float:
    """What one of a unit is in SI that is not among the known ones; ValueError for what is none."""
    import pint

    example = f"for example {EXAMPLES[unit]!r}"
    _registry()  # whose own definitions are no part of what may be wrong with a text
    try:
        return looked_up(name, unit)
    except pint.DimensionalityError:
        raise ValueError(f"{shown(text)} is in {name}, which does not measure this; {example}") from None
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError, ValueError, AttributeError, TypeError):
        raise ValueError(f"{shown(text)} has an unknown unit {name!r} (units mind their case); {example}") from None


def show(value: float, unit: str, *, digits: int = 4) -> str:
    """A short text for people: "16.9 MB", "10 Gbit/s", "25 us"; `digits` significant digits."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    scale, name = SCALES[unit][0]
    for bigger, its_name in SCALES[unit]:
        if abs(value) >= bigger * (1 - 0.5 * 10**-digits):
            scale, name = bigger, its_name
    short = f"{value / scale:.{digits}g}"
    large = "e+" in short and abs(value) < scale * 1e15
    return f"{float(short):.0f} {name}" if large else f"{short} {name}"


def write(value: float, unit: str) -> str:
    """A text that `parse` reads back to the very same float."""
    short = show(value, unit, digits=12)
    return short if parse(short, unit) == value else f"{value!r} {unit}"


def plain(value: Any) -> Any:
    """numpy's numbers and arrays as Python's numbers and lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def shown(value: object) -> str:
    """A value as its owner wrote it, short enough for a message."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(list(value) if isinstance(value, tuple) else value)
    except RecursionError:
        return "what is nested this deeply"
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Quantity:
    """Marks a float field that is written with a unit in files: `rate: Annotated[float, Quantity("B/s", above=0)]`.

    A scenario's field so marked takes text with a unit only, or one of `words`; bounds are in SI.
    """

    unit: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    words: tuple[str, ...] = ()

    @property
    def wanted(self) -> str:
        """What would do, in words."""
        return " or ".join([f"text with a unit such as {EXAMPLES[self.unit]!r}", *map(repr, self.words)])

    def read(self, value: object) -> float | str:
        """The SI value of a scenario's text; raises ValueError with a sentence for anything else."""
        if isinstance(value, str):
            if value in self.words:
                return value
            try:
                return self.within(parse(value, self.unit), value)
            except ValueError as error:
                raise ValueError(" or ".join([str(error), *map(repr, self.words)])) from None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            raise ValueError(f"{shown(value)} has no unit; it must be {self.wanted}")
        raise ValueError(f"{shown(value)} is not a number with a unit; it must be {self.wanted}")

    def write(self, value: float | str) -> str:
        """The text that `read` reads back to the very same value."""
        return value if isinstance(value, str) else write(value, self.unit)

    def within(self, number: float, said: object) -> float:
        """The number itself, if it is finite and within the bounds; raises ValueError if not."""
        if not math.isfinite(number):
            raise ValueError(f"{shown(said)} is not finite")
        if self.above is not None and number <= self.above:
            raise ValueError(f"{shown(said)} is too small; it must be more than {self.above:g} {self.unit}")
        if self.at_least is not None and number < self.at_least:
            raise ValueError(f"{shown(said)} is too small; it must be at least {show(self.at_least, self.unit)}")
        if self.at_most is not None and number > self.at_most:
            raise ValueError(f"{shown(said)} is absurdly large; it must be at most {show(self.at_most, self.unit)}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _core_schema(self.read, self.write)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        wanted = f"a number with a unit of {self.unit}" + "".join(f", or {word!r}" for word in self.words)
        return {"type": "string", "description": wanted, "examples": [EXAMPLES[self.unit], *self.words]}


@dataclass(frozen=True)
class Number:
    """Marks a float field without a unit, with its bounds: `jitter: Annotated[float, Number("a jitter", at_least=0)]`.

    `noun` says what the number is, as in "-1 is not a jitter".
    """

    noun: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    _kind = "number"  # of JSON Schema

    def read(self, value: object) -> float:
        """The number itself if it is one and within the bounds; raises ValueError with a sentence if not."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{shown(value)} is not {self.noun}; it must be a number")
        return float(self._within(value))

    def _within(self, value: float) -> float:
        wrong = f"{shown(value)} is not {self.noun}; it must be "
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(wrong + "finite")
        if self.above is not None and value <= self.above:
            raise ValueError(wrong + f"more than {self.above:.12g}")
        if self.at_least is not None and value < self.at_least:
            raise ValueError(wrong + f"at least {self.at_least:.12g}")
        if self.at_most is not None and value > self.at_most:
            raise ValueError(wrong + f"at most {self.at_most:.12g}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _core_schema(self.read, None)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        bounds = {"exclusiveMinimum": self.above, "minimum": self.at_least, "maximum": self.at_most}
        return {"type": self._kind, **{name: bound for name, bound in bounds.items() if bound is not None}}


@dataclass(frozen=True)
class Count(Number):
    """Marks an int field with its bounds, from 1 up by default: `batch: Annotated[int, Count("a batch size")]`."""

    at_least: float | None = 1

    _kind = "integer"

    def read(self, value: object) -> int:
        """The whole number itself if it is one and within the bounds; 16.0 and true are none."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{shown(value)} is not {self.noun}; it must be a whole number")
        self._within(value)
        return value


def _core_schema(read: Callable[[object], object], write: Callable[[Any], str] | None) -> CoreSchema:
    """A field that `read` reads (its ValueErrors are the messages) and `write` writes."""
    from pydantic_core import PydanticCustomError, core_schema

    def validate(value: object) -> object:
        try:
            return read(value)
        except ValueError as error:
            raise PydanticCustomError("netsim", "{reason}", {"reason": str(error)}) from None

    serialization = core_schema.plain_serializer_function_ser_schema(write) if write else None
    return core_schema.no_info_plain_validator_function(validate, serialization=serialization)


# The smallest rates keep every time a finite number: 1e18 B at 1 bit/s.
Rate = Annotated[float, Quantity("B/s", above=0, at_least=1 / 8, at_most=1e18)]
Duration = Annotated[float, Quantity("s", at_least=0, at_most=1e6)]
Size = Annotated[float, Quantity("B", at_least=0, at_most=1e18)]
Power = Annotated[float, Quantity("W", at_least=0, at_most=1e9)]
FlopRate = Annotated[float, Quantity("flop/s", above=0, at_least=1, at_most=1e24)]


_MOST_LISTED = 16  # values of one figure
_OF_FIGURES = {"_bytes_per_iteration": "B", **{suffix: unit for unit, suffix in SUFFIXES.items()}}


def figure_text(key: str, value: Any) -> tuple[str, str]:
    """A key of a summary in words, and its value with a unit; of many values the lowest and the highest.

    >>> figure_text("iteration_time_s", 0.0123)
    ('iteration time', '12.3 ms')
    >>> figure_text("server_busy_s", [0.0123, 0.5]), figure_text("updates_per_s", 2.5)
    (('server busy', '12.3 ms, 500 ms'), ('updates per s', '2.5'))
    """
    if isinstance(value, list) and value and all(isinstance(each, (int, float)) for each in value):
        few = len(value) <= _MOST_LISTED
        shown = [figure_text(key, each) for each in (value if few else (min(value), max(value)))]
        return shown[0][0], (", " if few else " to ").join(each for _, each in shown)
    words = key.replace("_", " ")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for ending, unit in _OF_FIGURES.items():
            if key.endswith(ending) and not (unit == "s" and key.endswith("_per_s")):
                rest = " an iteration" if ending == "_bytes_per_iteration" else ""
                kept = "_bytes" if unit == "B" else ""
                return (key.removesuffix(ending) + kept).replace("_", " "), show(value, unit) + rest
        return words, f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return words.removesuffix(" s"), "-" if value is None else str(value)
