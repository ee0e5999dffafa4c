"""`netsim collective`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from netsim.commands._shared import options


@click.command()
@click.argument("kind", required=False)
@click.option("--file", metavar="FILE", help="Steps of your own in place of KIND: a .toml or .json file.")
@click.option("--code", metavar="FILE.py:CLASS", help="A class of your own in place of KIND; the file is run.")
@click.option("--ranks", type=int, required=True, help="How many.")
@click.option("--size", required=True, metavar="SIZE", help='The buffer, "100 MB"; with --nccl-tests, several.')
@click.option("--rate", required=True, metavar="RATE", help='Of every link, each way, "10 Gbit/s".')
@click.option("--latency", required=True, metavar="TIME", help='From host to host, "10 us".')
@click.option("--topology", default="star", show_default=True)
@click.option("--sharing", default="fair", show_default=True, help="fair or fifo.")
@click.option("--reduction-rate", metavar="RATE", help="How fast a rank adds what it receives; by default at no cost.")
@click.option("--operation", metavar="NAME", help="What is done, where the kind can: broadcast, all_gather, ...")
@click.option("--nccl-tests", is_flag=True, help="algbw and busbw, in the layout of nccl-tests; --size 1 MiB,2 MiB.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw who sends to whom as a PNG.")
@options("set", "engine", "json")
def collective(
    kind: str | None,
    file: str | None,
    code: str | None,
    ranks: int,
    size: str,
    rate: str,
    latency: str,
    topology: str,
    sharing: str,
    reduction_rate: str | None,
    operation: str | None,
    nccl_tests: bool,
    plot: Path | None,
    settings: Sequence[str],
    engine: str,
    as_json: bool,
) -> None:
    """One collective on one network: time, closed form, lower bound, messages, bytes. --set takes the kind's fields.

    KIND is one of `netsim list collectives`, or auto: the fastest, or what --set library=NAME would choose."""
    from netsim import arguments, results, terminal
    from netsim.api import allreduce, choose

    played = arguments.collective(kind, file, code, settings, operation, ranks)
    network: dict[str, Any] = {
        "ranks": ranks,
        "rate": rate,
        "latency": latency,
        "topology": topology,
        "sharing": sharing,
        "reduction_rate": reduction_rate,
        "engine": engine,
    }
    if plot and not isinstance(played, arguments.Auto):
        results.draw_rounds(plot, played, ranks)
    if isinstance(played, arguments.Auto):
        choice = choose(library=played.library, operation=played.operation, size=size, **network)
        result = choice.as_dict()
    elif nccl_tests:
        rows = [allreduce(played, size=each, **network) for each in arguments.sizes(size)]
        terminal.document([each.as_dict() for each in rows]) if as_json else terminal.nccl_tests(rows)
        return
    else:
        result = allreduce(played, size=size, **network).as_dict()
    terminal.document(result) if as_json else terminal.summary(result)
