"""`netsim report`."""

from __future__ import annotations

from pathlib import Path

import click

from netsim.errors import ScenarioError

_FORMATS = ("png", "svg", "pdf")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--plots", default="png", show_default=True, metavar="FORMATS", help="Of figures: png,svg,pdf.")
def report(folder: Path, plots: str) -> None:
    """Rebuild the pages and figures of results in DIR from their saved data, without simulating."""
    from netsim.report import write

    formats = [each.strip() for each in plots.split(",") if each.strip()]
    if wrong := [each for each in formats if each not in _FORMATS]:
        raise ScenarioError(f"no format {wrong[0]!r}; there are: {', '.join(_FORMATS)}", path="--plots")
    click.echo(f"report: {write(folder, formats=[each for each in formats if each != 'png'])}", err=True)
