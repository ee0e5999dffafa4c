"""`netsim sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import fail, options, rows_of, say_where
from netsim.errors import ScenarioError, did_you_mean


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--axis", "axes_given", multiple=True, metavar="PATH=V1,V2,...", help="Values of a key; repeat for more.")
@click.option("--zip", "zipped", multiple=True, metavar="PATH,PATH", help="Axes that vary together.")
@click.option("--skip", multiple=True, metavar="CONDITION", help="Points to leave out: 'cluster.workers > 8'.")
@click.option("--replicas", type=int, metavar="N", help="Each point with N seeds.")
@click.option("--design", "drawn", metavar="KIND=N", help="N points drawn: latin_hypercube=100, random=100.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@click.option("--executor", default="auto", show_default=True, help="auto, serial or processes.")
@options("output", "set", "seed", "engine", "json", "quiet")
def sweep(
    file: Path,
    axes_given: Sequence[str],
    zipped: Sequence[str],
    skip: Sequence[str],
    replicas: int | None,
    drawn: str | None,
    jobs: int | None,
    executor: str,
    output: Path | None,
    settings: Sequence[str],
    seed: int | None,
    engine: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """All combinations of axes (by default, of FILE's own); with -o, the same call goes on where it stopped."""
    from netsim import arguments, results, terminal
    from netsim.designs import Design
    from netsim.loading import load
    from netsim.sweeps import EXECUTORS

    if executor not in EXECUTORS:
        raise ScenarioError(f"no executor {executor!r}.{did_you_mean(executor, EXECUTORS)}", path="--executor")
    scenario = load(file, arguments.overrides(settings, seed))
    table = arguments.design(arguments.axes(axes_given) or scenario.sweep, zipped, skip, replicas, drawn)
    if not table:
        raise ScenarioError("the file has no [sweep] table; give axes as --axis cluster.workers=2,4,8", path="--axis")
    folder = arguments.writable_folder(output)
    axes = Design.of(table, seed=scenario.seed).axes
    rows, failed = rows_of(scenario, table, folder, engine, jobs, executor, quiet)
    if not rows:
        fail(failed, nothing=True)
    if folder:
        results.save(folder, scenario, kind="sweep", axes=axes, rows=rows, command=arguments.typed(), engine=engine)
    terminal.document(rows) if as_json else terminal.points(rows, axes)
    say_where(folder, as_json)
    fail(failed)
