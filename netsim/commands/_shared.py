"""What several commands do alike: options, points, warnings, failures."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netsim.errors import Problem
from netsim.version import VERSION

if TYPE_CHECKING:
    from netsim.scenario import Scenario

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
        "output": click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="For a report."),
    }

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = shared[name](command)
        return command

    return decorate


def rows_of(
    scenario: Scenario,
    axes: Mapping[str, Any],
    folder: Path | None,
    engine: str,
    jobs: int | None,
    executor: str,
    quiet: bool,
) -> tuple[list[dict[str, Any]], list[Failure]]:
    """The rows of all points, in the order of the axes, and what went wrong at those that failed."""
    from netsim import results, sweeps, terminal
    from netsim.engine.run import check_engine, simulate

    check_engine(engine)
    points = sweeps.points_of(scenario, axes, engine=engine, version=VERSION)
    warn(results.warnings_of_points(scenario, [point.scenario for point in points]))
    outcomes: dict[int, sweeps.Outcome] = {}
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(sweeps.kept_in(folder)) if folder else None
        advance = stack.enter_context(terminal.progress("points", len(points), quiet=quiet))
        for index, outcome in sweeps.outcomes_of(
            points, simulate=simulate, store=store, jobs=jobs, engine=engine, executor=executor
        ):
            outcomes[index] = outcome
            advance()
    ordered = [outcomes[index] for index in range(len(points))]
    at = [", ".join(f"{path}={value}" for path, value in point.coordinates.items()) for point in points]
    failed = [
        Failure(where, each.error, each.refused)
        for where, each in zip(at, ordered, strict=True)
        if each.error is not None
    ]
    return [each.row for each in ordered if each.row is not None], failed


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
