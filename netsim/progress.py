"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g}/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def bar(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error with rate and time left, if that is a terminal; gives the function that is told how many
    are done. What it is told first was there before."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal or total < 2:
        yield lambda done: None
        return
    columns = [TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=total, start=False)
        started = False

        def reached(done: int) -> None:
            nonlocal started
            bars.update(task, completed=done) if started else bars.reset(task, completed=done)
            started = True

        yield reached
