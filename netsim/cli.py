"""The commands: each parses, calls and prints. No arithmetic of the model is done here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netsim.errors import NetsimError, Problem, ScenarioError, did_you_mean
from netsim.version import VERSION

if TYPE_CHECKING:
    from netsim.scenario import Scenario

# Heavy modules are imported by the command that needs them, so that `netsim --help` answers at once.

Command = Callable[..., Any]
_MOST_PROBLEMS = 100  # that are shown: a file of the wrong kind may have as many as lines


@dataclass(frozen=True)
class Failure:
    """A point that has no row: where, why, and whether its scenario was refused."""

    where: str
    error: str
    refused: bool


def main() -> None:
    """Runs the command line; errors become messages and exit statuses: 1 a run failed, 2 a wrong call, 130 Ctrl-C."""
    try:
        status = cli.main(prog_name="netsim", standalone_mode=False)
        sys.stdout.flush()
    except ScenarioError as error:
        _say_problems(error.problems)
        status = 2
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except NetsimError as error:
        click.echo(f"netsim: {error}", err=True)
        status = 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("netsim: interrupted; what was finished is kept", err=True)
        status = 130
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # as after `| head`, which has read enough
            click.echo(f"netsim: {error.filename or 'output'}: {error.strerror or error}", err=True)
        if error.filename is None:
            _forget_output()
        status = 1
    except MemoryError:
        click.echo("netsim: not enough memory; fewer workers or fewer iterations need less", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="netsim")
def cli() -> None:
    """Simulate distributed training: parameter server, tree or ring all-reduce, which is faster here, and why?"""


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


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--trace", "trace_file", type=click.Path(path_type=Path), help="Write a Chrome / Perfetto trace.")
@options("output", "set", "seed", "engine", "json", "quiet")
def run(
    file: Path,
    trace_file: Path | None,
    output: Path | None,
    settings: Sequence[str],
    seed: int | None,
    engine: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Simulate a scenario FILE and print its summary."""
    from netsim import arguments, chrome, results, terminal
    from netsim.engine.run import simulate
    from netsim.loading import load

    scenario = load(file, arguments.overrides(settings, seed))
    _warn(results.warnings_of(scenario))
    folder = arguments.writable_folder(output)
    if trace_file:
        arguments.write_trace(trace_file, {})  # made now, like the folder
    with terminal.progress("iterations", scenario.iterations, quiet=quiet) as advance:
        trace = simulate(scenario, engine=engine, detail="last", progress=lambda _: advance())
    summary = trace.summary()
    if trace_file:
        arguments.write_trace(trace_file, chrome.events(trace))
    if folder:
        results.save(folder, scenario, kind="run", axes={}, rows=[summary], command=arguments.typed(), engine=engine)
    terminal.document(summary) if as_json else terminal.summary(summary)
    _say_where(folder, as_json)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--strategies", default="ps,tree,ring", show_default=True, metavar="NAMES", help="ps: parameter_server.")
@click.option("--model", help="Instead of FILE: a model's name.")
@click.option("--workers", type=int, help="Instead of FILE: how many.")
@click.option("--rate", help='Instead of FILE: of the workers\' links, "10 Gbit/s".')
@click.option("--latency", help='Instead of FILE: end to end, "25 us".')
@click.option("--device", help="Instead of FILE: a device's name.")
@click.option("--batch", type=int, help="Instead of FILE: samples per worker (32).")
@options("output", "set", "seed", "engine", "json", "quiet")
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
    _warn(results.warnings_of(scenario))
    folder = arguments.writable_folder(output)
    axes = results.comparison_axes(scenario, names)
    rows, failed = _rows(scenario, axes, folder, engine, None, "auto", quiet)
    comparison = results.comparison(scenario, axes, rows)
    if not comparison.contenders:
        _fail(failed, nothing=True)
    if not failed and folder:
        results.save(folder, scenario, kind="compare", axes=axes, rows=rows, command=arguments.typed(), engine=engine)
    terminal.document(comparison.as_dict()) if as_json else terminal.comparison(comparison)
    _say_where(None if failed else folder, as_json)
    _fail(failed)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--axis", "axes_given", multiple=True, metavar="PATH=V1,V2,...", help="Values of a key; repeat for more.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes; by default one a core.")
@click.option("--executor", default="auto", show_default=True, help="auto, serial or processes.")
@options("output", "set", "seed", "engine", "json", "quiet")
def sweep(
    file: Path,
    axes_given: Sequence[str],
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
    from netsim.loading import load
    from netsim.sweeps import EXECUTORS

    if executor not in EXECUTORS:
        raise ScenarioError(f"no executor {executor!r}.{did_you_mean(executor, EXECUTORS)}", path="--executor")
    scenario = load(file, arguments.overrides(settings, seed))
    axes = arguments.axes(axes_given) or {path: list(values) for path, values in scenario.sweep.items()}
    if not axes:
        raise ScenarioError("the file has no [sweep] table; give axes as --axis cluster.workers=2,4,8", path="--axis")
    folder = arguments.writable_folder(output)
    rows, failed = _rows(scenario, axes, folder, engine, jobs, executor, quiet)
    if not rows:
        _fail(failed, nothing=True)
    if folder:
        results.save(folder, scenario, kind="sweep", axes=axes, rows=rows, command=arguments.typed(), engine=engine)
    terminal.document(rows) if as_json else terminal.points(rows, axes)
    _say_where(folder, as_json)
    _fail(failed)


@cli.command()
@click.argument("kind")
@click.option("--ranks", type=int, required=True, help="How many.")
@click.option("--size", required=True, metavar="SIZE", help='What each rank holds, "100 MB".')
@click.option("--rate", required=True, metavar="RATE", help='Of every link, each way, "10 Gbit/s".')
@click.option("--latency", required=True, metavar="TIME", help='From host to host, "10 us".')
@click.option("--topology", default="star", show_default=True)
@click.option("--sharing", default="fair", show_default=True, help="fair or fifo.")
@click.option("--reduction-rate", metavar="RATE", help="How fast a rank adds what it receives; by default at no cost.")
@options("set", "engine", "json")
def collective(
    kind: str,
    ranks: int,
    size: str,
    rate: str,
    latency: str,
    topology: str,
    sharing: str,
    reduction_rate: str | None,
    settings: Sequence[str],
    engine: str,
    as_json: bool,
) -> None:
    """One collective on one network: time, closed form, lower bound, messages, bytes. --set takes the kind's fields."""
    from netsim import arguments, terminal
    from netsim.api import allreduce

    result = allreduce(
        arguments.fields(settings, kind),
        ranks=ranks,
        size=size,
        rate=rate,
        latency=latency,
        topology=topology,
        sharing=sharing,
        reduction_rate=reduction_rate,
        engine=engine,
    ).as_dict()
    terminal.document(result) if as_json else terminal.summary(result)


@cli.command()
@click.argument("name")
@click.option("--against", metavar="NAME", help="A second model: both side by side, and stage by stage.")
@click.option("--device", help="Also the time of each layer on this device.")
@click.option(
    "--batch", type=click.IntRange(1, 10_000_000), default=32, show_default=True, help="Samples, for the times."
)
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16"]), help="Of gradients and, there, the device.")
@click.option("--csv", "as_csv", is_flag=True, help="Lines of comma-separated values, in SI units.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw flop and time of layers as a PNG.")
@options("set", "json")
def model(
    name: str,
    against: str | None,
    device: str | None,
    batch: int,
    precision: str | None,
    as_csv: bool,
    plot: Path | None,
    settings: Sequence[str],
    as_json: bool,
) -> None:
    """The layers of a model: parameters, MACs, gradients; with --device, their times. --set takes its options."""
    from netsim import arguments, layer_tables, results, terminal

    if against and plot:
        raise ScenarioError("draws one model; leave --against out", path="--plot")
    built = arguments.models([name, against] if against else [name], settings)
    machine = arguments.device(device, precision) if device is not None else None
    for each in built:
        _warn(results.warnings_of_model(each, machine, batch))
    show: Command = terminal.side_by_side if against else terminal.layers
    count: Command = layer_tables.side_by_side if against else layer_tables.layer_table
    table = count(*built, machine, batch, precision=precision or "fp32")
    if plot:
        results.draw_layers(plot, table)
    if as_csv:
        terminal.lines(table["stages" if against else "layers"])
    else:
        terminal.document(table) if as_json else show(table)


@cli.command("list")
@click.argument("family", required=False)
@options("json")
def list_members(family: str | None, as_json: bool) -> None:
    """The members of a FAMILY: collectives, strategies, topologies, layers, models, devices, links, figures."""
    from netsim import results, terminal

    listed = results.members(family)
    terminal.document(listed) if as_json else terminal.members(listed)


@cli.command()
def schema() -> None:
    """The JSON Schema of a scenario file, for editors."""
    from netsim import loading, terminal

    terminal.document(loading.schema())


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def report(folder: Path) -> None:
    """Rebuild the pages and figures of results in DIR from their saved data, without simulating."""
    from netsim.report import write

    click.echo(f"report: {write(folder)}", err=True)


def _rows(
    scenario: Scenario,
    axes: Mapping[str, Sequence[Any]],
    folder: Path | None,
    engine: str,
    jobs: int | None,
    executor: str,
    quiet: bool,
) -> tuple[list[dict[str, Any]], list[Failure]]:
    """The rows of all points, in the order of the axes, and what went wrong at those that failed."""
    from netsim import sweeps, terminal
    from netsim.engine.run import check_engine, simulate

    check_engine(engine)
    points = sweeps.points_of(scenario, axes, engine=engine, version=VERSION)
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


def _warn(messages: Iterable[str]) -> None:
    for message in messages:
        click.echo(f"netsim: warning: {message}", err=True)


def _say_where(folder: Path | None, as_json: bool) -> None:
    if folder:
        click.echo(f"report: {click.format_filename(folder / 'report.html')}", err=as_json)


def _fail(failed: Sequence[Failure], *, nothing: bool = False) -> None:
    """Says what failed, if anything did. Where nothing is left, and all was refused, the call is wrong."""
    _say_problems([Problem(each.where, each.error) for each in failed])
    if failed:
        sys.exit(2 if nothing and all(each.refused for each in failed) else 1)


def _forget_output() -> None:
    """Lets Python end without another try at writing what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_problems(problems: Sequence[Problem]) -> None:
    for problem in problems[:_MOST_PROBLEMS]:
        click.echo(f"netsim: {problem}", err=True)
    if len(problems) > _MOST_PROBLEMS:
        click.echo(f"netsim: and {len(problems) - _MOST_PROBLEMS} more", err=True)
