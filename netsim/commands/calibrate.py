"""`netsim calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from netsim.commands._shared import options, warn
from netsim.errors import Problem, ScenarioError


@click.command()
@click.argument("logs", nargs=-1, metavar="[LOG]...")
@click.option("--ranks", type=click.IntRange(2, 1_000_000), help="Of collectives whose log does not say.")
@click.option("--algorithm", metavar="KIND", help="That collectives are read as; by default ring.")
@click.option("--name", default="calibrated", show_default=True, help="Of the link.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="A file of links, to add it to.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw the fit and its errors as a PNG.")
@click.option("--device", "times", type=click.Path(path_type=Path), metavar="TIMES.csv", help="Measured layer times.")
@click.option("--model", help="Whose layers were measured.")
@click.option("--batch", type=click.IntRange(1, 10_000_000), help="Samples that they were measured with.")
@click.option("--base", metavar="DEVICE", help="The device of the presets whose peak and memory rate hold.")
@click.option("--precision", type=click.Choice(["fp32", "tf32", "fp16", "bf16"]), help="That was computed in.")
@options("set", "json")
def calibrate(
    logs: tuple[str, ...],
    ranks: int | None,
    algorithm: str | None,
    name: str,
    output: Path | None,
    plot: Path | None,
    times: Path | None,
    model: str | None,
    batch: int | None,
    base: str | None,
    precision: str | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """A link from logs of measurements (nccl-tests, OSU, torch.distributed, ping-pong CSV), or with --device the
    efficiencies of a device from measured times of layers; with the error of the fit."""
    from netsim import arguments, calibrated, results, terminal
    from netsim.commands import _measured

    if logs:
        of_device = {"--device": times, "--model": model, "--batch": batch, "--base": base, "--set": settings or None}
        arguments.refuse_beside("LOG", of_device)
        found = calibrated.calibrate_link(logs, ranks=ranks, algorithm=algorithm, name=name, output=output, plot=plot)
        warn(found["warnings"])
        return terminal.document(found) if as_json else _measured.link_fit(found)
    arguments.refuse_beside("--device", {"--ranks": ranks, "--algorithm": algorithm, "-o": output, "--plot": plot})
    given = {"--device": times, "--model": model, "--batch": batch, "--base": base}
    missing = [Problem(option, "is missing") for option, value in given.items() if value is None]
    if len(missing) == len(given):
        raise ScenarioError("is missing: a log of measurements, or --device TIMES.csv", path="LOG")
    if times is None or model is None or batch is None or base is None:
        raise ScenarioError(missing)
    built = arguments.models([model], settings)[0]
    device = arguments.device(base, precision)
    fitted = results.calibrate_device(built, batch, device, str(times))
    return terminal.document(fitted) if as_json else terminal.calibration(fitted)
