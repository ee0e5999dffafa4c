"""What several commands do alike: options, points, warnings, failures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netsim.errors import Problem

if TYPE_CHECKING:
    from netsim.scenario import Scenario
    from netsim.sweeps import Results

Command = Callable[..., Any]
_MOST_PROBLEMS = 100  # that are shown: a file of the wrong kind may have as many as lines


@dataclass(frozen=True)
class Failure:
    """A point that has no row: where, why, and whether its scenario was refused."""

    where: str
    error: str
    refused: bool


def options(*names: str) -> Callable[[Command], Command]:
    """The options that several commands share, by name."""
    shared = {
        "set": click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Another value of a key."),
        "seed": click.option("--seed", type=int, help="Seed of all noise."),
        "engine": click.option("--engine", default="auto", show_default=True, help="auto, simpy or fast."),
        "json": click.option("--json", "as_json", is_flag=True, help="One JSON document, in SI units."),
        "quiet": click.option("-q", "--quiet", is_flag=True, help="No progress bars."),
        "check": click.option("--check", is_flag=True, help="Hold every run to the rules that hold of any run."),
        "limit": click.option(
            "--limit-memory", metavar="SIZE", help="Refuse what needs more memory; by default half of it."
        ),
        "dry": click.option("--dry-run", is_flag=True, help="Say how large it is and how long it may take."),
        "output": click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="For a report."),
    }

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = shared[name](command)
        return command

    return decorate


@contextlib.contextmanager
def swept(
    scenario: Scenario,
    axes: Mapping[str, Any],
    folder: Path | None,
    *,
    engine: str,
    quiet: bool,
    check: bool = False,
    limit_memory: float | None = None,
    jobs: int | None = None,
    executor: str = "auto",
    scheduler: str | None = None,
    retry_failed: bool = True,
) -> Iterator[Results]:
    """What all points of a sweep came to; what the folder keeps is not computed again."""
    from netsim import progress, results, sweeps
    from netsim.engine.run import check_engine, simulate

    check_engine(engine)
    sweep = sweeps.Sweep.of(scenario, axes, engine=engine)
    where: dict[str, Any] = {"executor": executor, "jobs": jobs, "scheduler": scheduler}
    with sweeps.kept_in(folder) as store:
        if retry_failed:
            store.retry_failures()
        warn(results.warnings_of_points(scenario, sweep.checked(store)))
        with progress.bar("points", len(sweep), quiet=quiet) as reached:
            for done in sweeps.computed(
                sweep, store, simulate=partial(simulate, check=check, limit_memory=limit_memory), **where
            ):
                reached(done)
        found = sweeps.Results(sweep, store)
        warn(results.warnings_of_rows(found))
        yield found


def failures_of(results: Results) -> list[Failure]:
    """The points of a sweep that failed."""
    return [
        Failure(", ".join(f"{path}={value}" for path, value in at.items()), str(outcome.error), outcome.refused)
        for at, outcome in results.failures()
    ]


def warn(messages: Iterable[str]) -> None:
    for message in messages:
        click.echo(f"netsim: warning: {message}", err=True)


def say_where(folder: Path | None, as_json: bool) -> None:
    if folder:
        click.echo(f"report: {click.format_filename(folder / 'report.html')}", err=as_json)


def fail(failed: Sequence[Failure], *, nothing: bool = False) -> None:
    """Says what failed, if anything did. Where nothing is left, and all was refused, the call is wrong."""
    say_problems([Problem(each.where, each.error) for each in failed])
    if failed:
        sys.exit(2 if nothing and all(each.refused for each in failed) else 1)


def say_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:_MOST_PROBLEMS]:
        click.echo(f"netsim: {problem}", err=True)
    if len(problems) > _MOST_PROBLEMS:
        click.echo(f"netsim: and {len(problems) - _MOST_PROBLEMS} more", err=True)
