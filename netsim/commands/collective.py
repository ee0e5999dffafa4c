"""`netsim collective`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from netsim.commands._shared import options


@click.command()
@click.argument("kind")
@click.option("--ranks", type=int, required=True, help="How many.")
@click.option("--size", required=True, metavar="SIZE", help='What each rank holds, "100 MB".')
@click.option("--rate", required=True, metavar="RATE", help='Of every link, each way, "10 Gbit/s".')
@click.option("--latency", required=True, metavar="TIME", help='From host to host, "10 us".')
@click.option("--topology", default="star", show_default=True)
@click.option("--sharing", default="fair", show_default=True, help="fair or fifo.")
@click.option("--reduction-rate", metavar="RATE", help="How fast a rank adds what it receives; by default at no cost.")
@click.option("--operation", metavar="NAME", help="What is done, where the kind can: broadcast, all_gather, ...")
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
    operation: str | None,
    settings: Sequence[str],
    engine: str,
    as_json: bool,
) -> None:
    """One collective on one network: time, closed form, lower bound, messages, bytes. --set takes the kind's fields."""
    from netsim import arguments, terminal
    from netsim.api import allreduce

    table = arguments.fields(settings, kind)
    result = allreduce(
        {**table, "operation": operation} if operation else table,
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
