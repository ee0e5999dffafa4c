"""`netsim compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import fail, failures_of, options, say_where, swept, warn
from netsim.errors import Problem, ScenarioError


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--strategies", default="ps,tree,ring", show_default=True, metavar="NAMES", help="ps: parameter_server.")
@click.option("--model", help="Instead of FILE: a model's name.")
@click.option("--workers", type=int, help="Instead of FILE: how many.")
@click.option("--rate", help='Instead of FILE: of the workers\' links, "10 Gbit/s".')
@click.option("--latency", help='Instead of FILE: end to end, "25 us".')
@click.option("--device", help="Instead of FILE: a device's name.")
@click.option("--batch", type=int, help="Instead of FILE: samples per worker (32).")
@options("output", "set", "seed", "engine", "check", "limit", "dry", "json", "quiet")
def compare(
    file: Path | None,
    strategies: str,
    model: str | None,
    workers: int | None,
    rate: str | None,
    latency: str | None,
    device: str | None,
    batch: int | None,
    output: Path | None,
    settings: Sequence[str],
    seed: int | None,
    engine: str,
    check: bool,
    limit_memory: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """The same scenario under several strategies, side by side: the winner, why, and how workers change it."""
    from netsim import arguments, results, terminal
    from netsim.loading import from_table, load

    names = arguments.strategies(strategies)
    short = {"--model": model, "--workers": workers, "--rate": rate, "--latency": latency, "--device": device}
    if file is not None:
        given = [name for name, value in {**short, "--batch": batch}.items() if value is not None]
        if given:
            raise ScenarioError([Problem(name, "stands in for FILE, which is given, too") for name in given])
        scenario = load(file, arguments.overrides(settings, seed))
    else:
        table = arguments.short_form(short, names[0], 32 if batch is None else batch)
        scenario = from_table(table, arguments.overrides(settings, seed), name=str(model))
    warn(results.warnings_of(scenario))
    limit = arguments.memory(limit_memory)
    axes = results.comparison_axes(scenario, names)
    if dry_run:
        plan = results.plan_of(scenario, axes, output, engine=engine, jobs=None)
        terminal.document(plan) if as_json else terminal.plan(plan)
        return
    folder = arguments.writable_folder(output)
    with swept(scenario, axes, folder, engine=engine, quiet=quiet, check=check, limit_memory=limit) as found:
        rows, failed = list(found), failures_of(found)
    comparison = results.comparison(scenario, axes, rows)
    if not comparison.contenders:
        fail(failed, nothing=True)
    if not failed and folder:
        results.save(folder, scenario, kind="compare", axes=axes, rows=rows, command=arguments.typed(), engine=engine)
    terminal.document(comparison.as_dict()) if as_json else terminal.comparison(comparison)
    say_where(None if failed else folder, as_json)
    fail(failed)
