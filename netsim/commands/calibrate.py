"""`netsim calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from netsim.commands._shared import options
from netsim.errors import Problem, ScenarioError


@click.command()
@click.option("--device", "times", type=click.Path(path_type=Path), metavar="TIMES.csv", help="Measured layer times.")
@click.option("--model", help="Whose layers were measured.")
@click.option("--batch", type=click.IntRange(1, 10_000_000), help="Samples that they were measured with.")
@click.option("--base", metavar="DEVICE", help="The device of the presets whose peak and memory rate hold.")
@click.option("--precision", type=click.Choice(["fp32", "tf32", "fp16", "bf16"]), help="That was computed in.")
@options("set", "json")
def calibrate(
    times: Path | None,
    model: str | None,
    batch: int | None,
    base: str | None,
    precision: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Efficiencies and overhead of a device from measured times of layers, with the error of the fit."""
    from netsim import arguments, results, terminal

    given = {"--device": times, "--model": model, "--batch": batch, "--base": base}
    missing = [Problem(name, "is missing") for name, value in given.items() if value is None]
    if times is None or model is None or batch is None or base is None:
        raise ScenarioError(missing)
    built = arguments.models([model], settings)[0]
    device = arguments.device(base, precision)
    found = results.calibrate_device(built, batch, device, str(times))
    terminal.document(found) if as_json else terminal.calibration(found)
