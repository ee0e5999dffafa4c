"""`netsim sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import fail, failures_of, options, say_where, swept
from netsim.errors import ScenarioError, did_you_mean


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--axis", "axes_given", multiple=True, metavar="PATH=V1,V2,...", help="Values of a key; repeat for more.")
@click.option("--zip", "zipped", multiple=True, metavar="PATH,PATH", help="Axes that vary together.")
@click.option("--skip", multiple=True, metavar="CONDITION", help="Points to leave out: 'cluster.workers > 8'.")
@click.option("--replicas", type=int, metavar="N", help="Each point with N seeds.")
@click.option("--design", "drawn", metavar="KIND=N", help="N points drawn: latin_hypercube=100, random=100.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@click.option("--executor", default="auto", show_default=True, help="auto, serial, processes or dask.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask's, such as tcp://head:8786; without it, of this machine.")
@click.option("--retry-failed", is_flag=True, help="Simulate again what failed.")
@click.option("--dry-run", is_flag=True, help="Say how many points there are and how long they may take.")
@click.option("--parquet", is_flag=True, help="With -o: the points as data/points.parquet, too.")
@options("output", "set", "seed", "engine", "check", "limit", "json", "quiet")
def sweep(
    file: Path,
    axes_given: Sequence[str],
    zipped: Sequence[str],
    skip: Sequence[str],
    replicas: int | None,
    drawn: str | None,
    jobs: int | None,
    executor: str,
    scheduler: str | None,
    retry_failed: bool,
    dry_run: bool,
    parquet: bool,
    output: Path | None,
    settings: Sequence[str],
    seed: int | None,
    engine: str,
    check: bool,
    limit_memory: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """All combinations of axes (by default, of FILE's own); with -o, the same call goes on where it stopped."""
    from netsim import arguments, results, terminal
    from netsim.loading import load
    from netsim.sweeps import EXECUTORS

    if executor not in EXECUTORS:
        raise ScenarioError(f"no executor {executor!r}.{did_you_mean(executor, EXECUTORS)}", path="--executor")
    if scheduler and executor != "dask":
        raise ScenarioError("is Dask's; add --executor dask", path="--scheduler")
    if parquet and output is None:
        raise ScenarioError("needs -o, the folder to write into", path="--parquet")
    scenario = load(file, arguments.overrides(settings, seed))
    table = arguments.design(arguments.axes(axes_given) or scenario.sweep, zipped, skip, replicas, drawn)
    if not table:
        raise ScenarioError("the file has no [sweep] table; give axes as --axis cluster.workers=2,4,8", path="--axis")
    if dry_run:
        plan = results.plan_of(scenario, table, output, engine=engine, jobs=jobs)
        terminal.document(plan) if as_json else terminal.plan(plan)
        return
    limit = arguments.memory(limit_memory)
    folder = arguments.writable_folder(output)
    with swept(
        scenario,
        table,
        folder,
        engine=engine,
        quiet=quiet,
        check=check,
        limit_memory=limit,
        jobs=jobs,
        executor=executor,
        scheduler=scheduler,
        retry_failed=retry_failed,
    ) as rows:
        axes, failed = rows.sweep.design.axes, failures_of(rows)
        if len(failed) == len(rows.sweep):
            fail(failed, nothing=True)
        if folder:
            told = {"command": arguments.typed(), "engine": engine, "zipped": table.get("zip", ())}
            results.save(folder, scenario, kind="sweep", axes=axes, rows=rows, **told)
        if folder and parquet:
            results.save_parquet(folder, rows)
        terminal.documents(rows) if as_json else terminal.points(rows, axes)
    say_where(folder, as_json)
    fail(failed)
