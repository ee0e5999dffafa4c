"""`netsim report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def report(folder: Path) -> None:
    """Rebuild the pages and figures of results in DIR from their saved data, without simulating."""
    from netsim.report import write

    click.echo(f"report: {write(folder)}", err=True)
