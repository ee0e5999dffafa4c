"""Units of quantities: the only place that parses or prints them. Inside, all numbers are SI: s, B, B/s, flop, flop/s.

>>> parse("10 Gbit/s", "B/s")
1250000000.0
>>> show(25e-6, "s")
'25 us'
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
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
flop = [work] = FLOP
flops = flop / second = FLOPS = FLOP/s
"""
_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([A-Za-zµμ]{1,16}(?:/[A-Za-z]{1,8})?)?\s*")
_LONGEST_TEXT = 80

EXAMPLES = {"s": "25 us", "B": "25 MB", "B/s": "10 Gbit/s", "flop/s": "15.7 Tflop/s"}
_BASE_UNITS = {"s": "second", "B": "byte", "B/s": "byte/second", "flop/s": "flop/second"}
_SCALES = {
    "s": [(1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s")],
    "B": [(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")],
    "B/s": [(1 / 8, "bit/s"), (125.0, "kbit/s"), (125e3, "Mbit/s"), (125e6, "Gbit/s"), (125e9, "Tbit/s")],
    "flop/s": [(1.0, "flop/s"), (1e6, "Mflop/s"), (1e9, "Gflop/s"), (1e12, "Tflop/s")],
}


@cache
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(None)
    for line in _DEFINITIONS.strip().splitlines():
        registry.define(line)
    return registry


def parse(text: str, unit: str) -> float:
    """The SI value of a quantity such as "25 us", in `unit` ("s", "B", "B/s" or "flop/s").

    Raises ValueError, with a sentence that says what would do, for a missing, unknown or wrong unit, and for no number.
    """
    example = f"for example {EXAMPLES[unit]!r}"
    match = _NUMBER_AND_UNIT.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise ValueError(f"{_clip(text)} is not a number with a unit; {example}")
    number, name = float(match[1].replace("_", "")), match[2]
    if name is None:
        raise ValueError(f"{text.strip()!r} has no unit; {example}")
    import pint

    try:
        factor: float = (1.0 * _registry().parse_units(name)).to(_BASE_UNITS[unit]).magnitude
    except pint.DimensionalityError:
        raise ValueError(f"{_clip(text)} is in {name}, which does not measure this; {example}") from None
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError, ValueError, AttributeError, TypeError):
        raise ValueError(f"{_clip(text)} has an unknown unit {name!r} (units mind their case); {example}") from None
    # Divided where the factor is below one: 25 / 1e6 is the float nearest to 25e-6, 25 * 1e-6 is not.
    return number * factor if factor >= 1 else number / round(1 / factor)


def show(value: float, unit: str, *, digits: int = 4) -> str:
    """A short text for people: "16.9 MB", "10 Gbit/s", "25 us"; `digits` significant digits."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}"
    scale, name = _SCALES[unit][0]
    for bigger, its_name in _SCALES[unit]:
        if abs(value) >= bigger * (1 - 0.5 * 10**-digits):
            scale, name = bigger, its_name
    return f"{value / scale:.{digits}g} {name}"


def write(value: float, unit: str) -> str:
    """A text that `parse` reads back to the very same float."""
    short = show(value, unit, digits=12)
    return short if parse(short, unit) == value else f"{value!r} {unit}"


def _clip(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Quantity:
    """Marks a float field that is written with a unit in files: `rate: Annotated[float, Quantity("B/s", above=0)]`.

    A scenario's field so marked takes text with a unit only; bounds are in SI.
    """

    unit: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def read(self, value: object) -> float:
        """The SI value of a scenario's text; raises ValueError with a sentence for anything else."""
        if isinstance(value, bool) or not isinstance(value, str):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                raise ValueError(f"{value} has no unit; write it as text, for example {EXAMPLES[self.unit]!r}")
            raise ValueError(f"{_clip(value)} is not text with a number and a unit; for example {EXAMPLES[self.unit]!r}")
        return self.within(parse(value, self.unit), value)

    def within(self, number: float, said: object) -> float:
        """The number itself, if it is finite and within the bounds; raises ValueError if not."""
        if not math.isfinite(number):
            raise ValueError(f"{_clip(said)} is not finite")
        if self.above is not None and number <= self.above:
            raise ValueError(f"{_clip(said)} is too small; it must be more than {self.above:g} {self.unit}")
        if self.at_least is not None and number < self.at_least:
            raise ValueError(f"{_clip(said)} is too small; it must be at least {self.at_least:g} {self.unit}")
        if self.at_most is not None and number > self.at_most:
            raise ValueError(f"{_clip(said)} is absurdly large; it must be at most {show(self.at_most, self.unit)}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import PydanticCustomError, core_schema

        def read(value: object) -> float:
            try:
                return self.read(value)
            except ValueError as error:
                raise PydanticCustomError("quantity", "{reason}", {"reason": str(error)}) from None

        return core_schema.no_info_plain_validator_function(
            read,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: write(value, self.unit)),
            json_schema_input_schema=core_schema.str_schema(),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "description": f"a number with a unit of {self.unit}",
            "examples": [EXAMPLES[self.unit]],
        }


Rate = Annotated[float, Quantity("B/s", above=0, at_most=1e18)]
Duration = Annotated[float, Quantity("s", at_least=0, at_most=1e6)]
Size = Annotated[float, Quantity("B", at_least=0, at_most=1e18)]
FlopRate = Annotated[float, Quantity("flop/s", above=0, at_most=1e24)]
