"""What a log holds, and which format a text has."""

from __future__ import annotations

import math
import pkgutil
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module

from netsim import logs
from netsim.errors import Problem, ScenarioError
from netsim.texts import read_text

Lines = Sequence[str]
Reader = Callable[[Lines], "list[Log]"]
_LARGEST_LOG = 50_000_000  # bytes
_LONGEST_LINE = 2000  # characters; a line of results has some hundred
_LABEL = re.compile(r"^\s*(?:\[\d+,\d+\]<std(?:out|err)>:\s?|\d+:\s(?=\s*[#\d]))")  # of mpirun or srun, before a line


@dataclass(frozen=True)
class Sample:
    """So many bytes took so long (s)."""

    size: float
    seconds: float


@dataclass(frozen=True)
class Log:
    """Measurements of one kind. `what`: "one_way", a message from host to host; "stream", the time from one of many
    messages in flight to the next; or the operation of a collective among `ranks`, of a buffer of Sample.size bytes as
    netsim counts it. `unread`: lines that look like results and could not be used."""

    format: str
    what: str
    samples: tuple[Sample, ...]
    ranks: int | None = None
    unread: int = 0
    per_rank: bool = False  # sizes are of what each rank contributes: the buffer is as many times larger

    @property
    def pointwise(self) -> bool:
        """Whether it is of two hosts only."""
        return self.what in ("one_way", "stream")


def read(file: str, *, ranks: int | None = None) -> list[Log]:
    """The logs in a file, of whichever format. Raises ScenarioError that says what was expected, or what is missing.

    ranks: of collectives whose log does not say.
    """
    lines = [_LABEL.sub("", line) for line in read_text(file, most=_LARGEST_LOG).splitlines()]
    lines = [line for line in lines if len(line) <= _LONGEST_LINE]
    for reader in readers().values():
        if found := [log for log in reader(lines) if log.samples or log.unread]:
            return [_complete(log, file, ranks) for log in found]
    expected = "; ".join(f"{name}: {_expected(reader)}" for name, reader in readers().items())
    raise ScenarioError(f"{file} is no log that netsim knows. It reads {expected}")


@cache
def readers() -> dict[str, Reader]:
    """The formats by name: the public function of each file of this folder, which is named as the file."""
    names = [each.name for each in pkgutil.iter_modules(logs.__path__) if each.name != "base"]
    return {name: getattr(import_module(f"{logs.__name__}.{name}"), name) for name in names}


def sample(size: float, seconds: float) -> Sample | None:
    """A sample, if it is one: a size of at least 0, and a time of more than 0 that a network may take."""
    sane = 0 <= size <= 1e18 and 0 < seconds <= 1e6
    return Sample(size, seconds) if sane else None


def number(text: str) -> float | None:
    """The number that a text is; None for anything else, infinities included."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and text.isascii() and "_" not in text else None


def log(format: str, what: str, rows: Iterator[Sample | None], **about: int | bool | None) -> Log:
    """A log of rows, of which those that are None were not to be used."""
    found = list(rows)
    samples = tuple(row for row in found if row is not None)
    given: dict[str, int | bool | None] = {"unread": len(found) - len(samples), **about}
    return Log(format, what, samples, **given)  # type: ignore[arg-type]


def _expected(reader: Reader) -> str:
    return (reader.__doc__ or "").split("\n")[0].rstrip(".")


def _complete(found: Log, file: str, ranks: int | None) -> Log:
    """The log with the number of ranks, and sizes of whole buffers."""
    if not found.samples:
        raise ScenarioError(f"{file} has no line of results that can be used; {found.unread} could not be read")
    if found.pointwise:
        return found
    if ranks is not None and found.ranks is not None and ranks != found.ranks:
        raise ScenarioError(f"{ranks} is not what {file} says, which is {found.ranks}", path="--ranks")
    count = found.ranks or ranks
    if count is None:
        raise ScenarioError(f"{file} does not say how many ranks took part; say it as --ranks N", path="--ranks")
    if count < 2:
        raise ScenarioError(
            [Problem("", f"{file} is of 1 rank, which sends nothing; were the tests built with MPI (MPI=1)?")]
        )
    factor = count if found.per_rank else 1
    samples = tuple(Sample(each.size * factor, each.seconds) for each in found.samples)
    return replace(found, samples=samples, ranks=count, per_rank=False)
