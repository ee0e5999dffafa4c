"""The error tree.

NetsimError
├── ScenarioError   the scenario or the call is wrong: the user can mend it (exit status 2)
└── RunError        a run cannot go on, for instance since nothing can ever move again (exit status 1)
    └── CheckError  a run broke a rule that holds of any run, as `check` found

Everything else that is raised is a bug of netsim.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LONGEST_PATH = 1000  # characters that are shown


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the path of the key ("job.batch"; "" for the whole) and a sentence."""

    path: str
    message: str

    def within(self, path: str) -> Problem:
        """The same, of a table that stands at a path."""
        dot = "." if path and self.path and not self.path.startswith("[") else ""
        return Problem(f"{path}{dot}{self.path}", self.message)

    def __str__(self) -> str:
        path = printable(self.path if len(self.path) <= _LONGEST_PATH else self.path[:_LONGEST_PATH] + "...")
        return f"{path}: {self.message}" if path else self.message


class NetsimError(Exception):
    """Base of all errors that netsim raises on purpose."""


class ScenarioError(NetsimError):
    """A scenario or a call that cannot be run as it stands; `problems` lists everything that is wrong."""

    def __init__(self, problems: Sequence[Problem] | str, *, path: str = "") -> None:
        self.problems = [Problem(path, problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[list[Problem]]]:
        return type(self), (self.problems,)


class RunError(NetsimError):
    """A run that cannot finish."""


class CheckError(RunError):
    """A run that broke a rule that holds of any run: a bug of netsim, which `check` found."""


def printable(text: str) -> str:
    """Text for one line of a terminal: keys and names of a file may be anything, control characters included."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ " Did you mean 'a100'?" where a name is close, else the names that there are."""
    names = sorted(names)
    close = difflib.get_close_matches(str(name).lower()[:_LONGEST_PATH], names, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f" There are: {shown}" if names else ""
