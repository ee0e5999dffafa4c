"""`netsim model`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import Command, options, warn
from netsim.errors import ScenarioError


@click.command()
@click.argument("name")
@click.option("--against", metavar="NAME", help="A second model: both side by side, and stage by stage.")
@click.option("--device", help="Also the time of each layer on this device.")
@click.option(
    "--batch", type=click.IntRange(1, 10_000_000), default=32, show_default=True, help="Samples, for the times."
)
@click.option("--precision", type=click.Choice(["fp32", "fp16", "bf16"]), help="Of gradients and, there, the device.")
@click.option("--csv", "as_csv", is_flag=True, help="Lines of comma-separated values, in SI units.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw flop and time of layers as a PNG.")
@click.option(
    "--roofline", type=click.Path(path_type=Path), metavar="FILE", help="Draw layers and --device's roofline."
)
@options("set", "json")
def model(
    name: str,
    against: str | None,
    device: str | None,
    batch: int,
    precision: str | None,
    as_csv: bool,
    plot: Path | None,
    roofline: Path | None,
    settings: Sequence[str],
    as_json: bool,
) -> None:
    """The layers of a model: parameters, MACs, gradients; with --device, their times. --set takes its options."""
    from netsim import arguments, drawings, layer_tables, results, terminal

    if against and plot:
        raise ScenarioError("draws one model; leave --against out", path="--plot")
    if roofline and (against or device is None):
        raise ScenarioError("draws one model on a device; give --device, and leave --against out", path="--roofline")
    built = arguments.models([name, against] if against else [name], settings)
    machine = arguments.device(device, precision) if device is not None else None
    for each in built:
        warn(results.warnings_of_model(each, machine, batch))
    show: Command = terminal.side_by_side if against else terminal.layers
    count: Command = layer_tables.side_by_side if against else layer_tables.layer_table
    table = count(*built, machine, batch, precision=precision or "fp32")
    if plot:
        drawings.draw_layers(plot, table)
    if roofline and machine:
        drawings.draw_roofline(roofline, built[0], machine, batch)
    if as_csv:
        terminal.lines(table["stages" if against else "layers"])
    else:
        terminal.document(table) if as_json else show(table)
