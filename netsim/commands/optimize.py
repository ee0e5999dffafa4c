"""`netsim optimize`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import options, warn
from netsim.errors import ScenarioError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--over", multiple=True, metavar="PATH=...", help="What to vary: values, or { from = 1, to = 64 }.")
@click.option("--minimise", multiple=True, metavar="FIGURE", help="Of the summary; by default iteration_time_s.")
@click.option("--maximise", multiple=True, metavar="FIGURE", help="Such as samples_per_s. Two figures make a front.")
@click.option("--trials", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Simulations, in all.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the front of two figures as a PNG.")
@options("output", "set", "seed", "engine", "json", "quiet")
def optimize(
    file: Path,
    over: Sequence[str],
    minimise: Sequence[str],
    maximise: Sequence[str],
    trials: int,
    plot: Path | None,
    output: Path | None,
    settings: Sequence[str],
    seed: int | None,
    engine: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """The best settings of a scenario, in few simulations; with -o, the same call goes on where it stopped."""
    from netsim import arguments, progress, sweeps, terminal
    from netsim.commands import _found
    from netsim.engine.run import check_engine
    from netsim.loading import load
    from netsim.search import optimize as search
    from netsim.search import results

    check_engine(engine)
    scenario = load(file, arguments.overrides(settings, seed))
    axes = arguments.axes(over)
    if not axes:
        raise ScenarioError('is missing: what to vary, such as job.bucket=\'"1 MB","25 MB"\'', path="--over")
    goals = [search.Goal(each) for each in minimise] + [search.Goal(each, most=True) for each in maximise]
    if len(goals) > 2 or (plot and len(goals) != 2):
        raise ScenarioError("one figure or two; --plot draws two", path="--minimise")
    if plot:
        arguments.writable_file(plot, "--plot")
    folder = arguments.writable_folder(output)
    asked = search.Search.of(
        scenario, axes, goals or [search.Goal("iteration_time_s")], seed=scenario.seed, engine=engine
    )
    tried = []
    with sweeps.kept_in(folder) as store, progress.bar("trials", trials, quiet=quiet) as reached:
        for trial in search.trials(asked, store, trials, folder):
            tried.append(trial)
            reached(len(tried))
    found = results.told(asked, tried)
    if folder:
        results.save(folder, asked, tried)
    if plot:
        results.draw(plot, asked, tried)
    warn(results.warnings_of(asked, tried))
    terminal.document(found) if as_json else _found.optimum(found, folder)
