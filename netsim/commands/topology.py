"""`netsim topology`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from netsim.commands._shared import options
from netsim.errors import ScenarioError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw it with its rates as a PNG.")
@click.option("--heat", is_flag=True, help="Simulate, and draw how much each link is used instead.")
@options("set", "engine", "json")
def topology(file: Path, plot: Path | None, heat: bool, settings: Sequence[str], engine: str, as_json: bool) -> None:
    """The network of a scenario: hosts, switches, links, degree, diameter, bisection, oversubscription."""
    from netsim import arguments, drawings, loading, terminal, topology_tables

    scenario = loading.load(file, arguments.overrides(settings, None))
    if heat and not plot:
        raise ScenarioError("colours a drawing; add --plot FILE", path="--heat")
    if plot:
        drawings.draw_network(plot, scenario, engine=engine if heat else None)
    table = topology_tables.topology_table(scenario)
    terminal.document(table) if as_json else terminal.topology(table)
