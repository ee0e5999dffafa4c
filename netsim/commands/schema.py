"""`netsim schema`."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """The JSON Schema of a scenario file, for editors."""
    from netsim import loading, terminal

    terminal.document(loading.schema())
