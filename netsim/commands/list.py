"""`netsim list`."""

from __future__ import annotations

import click

from netsim.commands._shared import options


@click.command("list")
@click.argument("family", required=False)
@options("json")
def list_members(family: str | None, as_json: bool) -> None:
    """The members of a FAMILY: collectives, strategies, topologies, layers, models, devices, links, figures."""
    from netsim import results, terminal

    listed = results.members(family)
    terminal.document(listed) if as_json else terminal.members(listed)
