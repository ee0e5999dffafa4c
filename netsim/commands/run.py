"""`netsim run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import options, say_where, warn


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--trace", "trace_file", type=click.Path(path_type=Path), help="Write a Chrome / Perfetto trace.")
@options("output", "set", "seed", "engine", "check", "limit", "dry", "json", "quiet")
def run(
    file: Path,
    trace_file: Path | None,
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
    """Simulate a scenario FILE and print its summary."""
    from netsim import arguments, chrome, estimates, progress, results, terminal
    from netsim.engine.run import simulate
    from netsim.loading import load

    scenario = load(file, arguments.overrides(settings, seed))
    warn(results.warnings_of(scenario))
    limit = arguments.memory(limit_memory)
    if dry_run:
        estimate = estimates.of_run(scenario, engine=engine, limit=limit)
        terminal.document(estimate) if as_json else terminal.summary(estimate)
        return
    folder = arguments.writable_folder(output)
    if trace_file:
        arguments.write_trace(trace_file, {})  # made now, like the folder
        engine = "simpy" if engine == "auto" else engine  # which knows what went over which link
    with progress.bar("iterations", scenario.iterations, quiet=quiet) as reached:
        trace = simulate(
            scenario,
            engine=engine,
            detail="last" if trace_file else "summary",
            progress=lambda number: reached(number + 1),
            check=check,
            limit_memory=limit,
        )
    summary = trace.summary()
    warn(summary.get("warnings", ()))
    if trace_file:
        arguments.write_trace(trace_file, chrome.events(trace))
    if folder:
        results.save(folder, scenario, kind="run", axes={}, rows=[summary], command=arguments.typed(), engine=engine)
    terminal.document(summary) if as_json else terminal.summary(summary)
    say_where(folder, as_json)
