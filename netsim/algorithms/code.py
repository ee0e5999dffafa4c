"""Algorithms of the user's own in Python, which is run, and so has to be named as code."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from netsim.algorithms.proof import proved
from netsim.collectives.rounds import Collective, Operation, Round
from netsim.errors import Problem, ScenarioError
from netsim.families import build
from netsim.hardware import Link
from netsim.texts import read_text


@dataclass(frozen=True, kw_only=True)
class OwnRounds(Collective):
    """The collective of a generator of rounds."""

    operations: ClassVar[tuple[Operation, ...]] = ("all_reduce", "barrier")
    generator: ClassVar[Callable[[int], Iterator[Round]]]

    def pieces(self, ranks: int) -> int:
        """As many as the rounds speak of."""
        return max((int((each.first + each.count).max()) for each in self.rounds(ranks)), default=1)

    def rounds(self, ranks: int) -> Iterator[Round]:
        return type(self).generator(ranks)

    def fan(self, ranks: int) -> int:
        return ranks  # nothing is known of who sends to how many at once, so that one latency is all that is sure

    def wire_bytes(self, ranks: int, nbytes: float) -> float:
        """What the rounds send."""
        return sum(int(each.count.sum()) * each.times for each in self.rounds(ranks)) * nbytes / self.pieces(ranks)

    def ideal_time(self, ranks: int, nbytes: float, link: Link, reduction_rate: float | None = None) -> float | None:
        """0 for one rank; a generator comes without a closed form."""
        return 0.0 if ranks == 1 else None


def from_code(place: str, fields: Mapping[str, Any], ranks: int) -> Collective:
    """The collective NAME of "FILE.py:NAME" or "package.module:NAME", with its fields, proved right for so many ranks:
    a class that derives from Collective, or a generator of an all-reduce's rounds. Its code is run, which is why it has
    to be named."""
    module, _, name = place.rpartition(":")
    if not module or not name.isidentifier():
        told = f"{place!r} is neither FILE.py:NAME nor package.module:NAME, such as mine.py:MyRing"
        raise ScenarioError(told, path="--code")
    member = getattr(_loaded(module), name, None)
    kind: Collective = build(_class_of(member, module, name), fields)
    try:
        return proved(kind, ranks)
    except ScenarioError as error:
        raise ScenarioError([Problem(each.path or place, each.message) for each in error.problems]) from None
    except Exception as error:
        raise ScenarioError(f"ends in {type(error).__name__}: {error}", path=place) from None


def _class_of(member: Any, module: str, name: str) -> type[Collective]:
    if inspect.isclass(member) and issubclass(member, Collective):
        return member
    if inspect.isfunction(member):
        return type(name, (OwnRounds,), {"generator": staticmethod(member), "__module__": __name__})
    told = f"{module} has no {name!r} that is a class derived from Collective, or a generator of rounds"
    raise ScenarioError(told, path="--code")


def _loaded(module: str) -> ModuleType:
    """A file, or a module that Python finds, also in the folder where the command is given."""
    if not module.endswith(".py"):
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        found: ModuleType = _run(module, lambda: import_module(module))
        return found
    read_text(module, path="--code")
    spec = importlib.util.spec_from_file_location(Path(module).stem, module)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # where dataclasses look for the names in their annotations
    loader = spec.loader
    _run(module, lambda: loader.exec_module(found))
    return found


def _run(module: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        raise ScenarioError(f"{module} ends in {type(error).__name__}: {error}", path="--code") from None
