"""`netsim collective`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from netsim.commands._shared import options, warn


@click.command()
@click.argument("kind", required=False)
@click.option("--file", metavar="FILE", help="Steps of your own in place of KIND: TOML, JSON or MSCCL XML.")
@click.option("--code", metavar="FILE.py:NAME", help="A class or a generator of rounds of your own; it is run.")
@click.option("--ranks", type=int, required=True, help="How many.")
@click.option("--size", required=True, metavar="SIZE", help='The buffer, "100 MB"; with --nccl-tests, several.')
@click.option("--rate", metavar="RATE", help='Of every link, each way, "10 Gbit/s".')
@click.option("--latency", metavar="TIME", help='From host to host, "10 us".')
@click.option("--burst", metavar="SIZE", help='What an idle link passes at once, "64 kB"; with --sharing fifo.')
@click.option("--link", metavar="LINK", help="Instead of these: a preset, FILE:NAME of calibrated links, or a table.")
@click.option("--topology", default="star", show_default=True, help="A kind, or a table of one with its keys.")
@click.option(
    "--routing", default="shortest", show_default=True, help="shortest, or ecmp: a hash draws each pair's way."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of ecmp.")
@click.option("--sharing", default="fair", show_default=True, help="fair or fifo.")
@click.option("--reduction-rate", metavar="RATE", help="How fast a rank adds what it receives; by default at no cost.")
@click.option("--operation", metavar="NAME", help="What is done, where the kind can: broadcast, all_gather, ...")
@click.option("--in-flight", type=int, metavar="N", help="Slices that a rank has under way at most; else all.")
@click.option("--rendezvous", is_flag=True, help="A message leaves when its receiver's word has come that it is ready.")
@click.option("--nccl-tests", is_flag=True, help="algbw and busbw, in the layout of nccl-tests; --size 1 MiB,2 MiB.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw who sends to whom as a PNG.")
@options("set", "engine", "check", "limit", "dry", "json")
def collective(
    kind: str | None,
    file: str | None,
    code: str | None,
    ranks: int,
    size: str,
    rate: str | None,
    latency: str | None,
    burst: str | None,
    link: str | None,
    topology: str,
    routing: str,
    seed: int,
    sharing: str,
    reduction_rate: str | None,
    operation: str | None,
    in_flight: int | None,
    rendezvous: bool,
    nccl_tests: bool,
    plot: Path | None,
    settings: Sequence[str],
    engine: str,
    check: bool,
    limit_memory: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """One collective on one network: time, closed form, lower bound, messages, bytes. --set takes the kind's fields.

    KIND is one of `netsim list collectives`, or auto: the fastest, or what --set library=NAME would choose."""
    from netsim import arguments, drawings, estimates, terminal
    from netsim.api import allreduce, choose
    from netsim.commands import _nccl

    fields = {"operation": operation, "in_flight": in_flight, "rendezvous": rendezvous or None}
    played = arguments.collective(kind, file, code, settings, fields, ranks)
    network: dict[str, Any] = {
        "ranks": ranks,
        "rate": rate,
        "latency": latency,
        "burst": burst,
        "link": arguments.link(link),
        "topology": arguments.kind_or_table(topology),
        "routing": routing,
        "seed": seed,
        "sharing": sharing,
        "reduction_rate": reduction_rate,
        "engine": engine,
        "check": check,
        "limit_memory": limit_memory,
    }
    if isinstance(played, arguments.Auto):
        arguments.refuse_with_auto({"--plot": plot, "--nccl-tests": nccl_tests, "--dry-run": dry_run})
        result = choose(library=played.library, operation=played.operation, size=size, **network).as_dict()
        terminal.document(result) if as_json else terminal.summary(result)
        return
    if dry_run:
        limit = arguments.memory(limit_memory)
        estimate = estimates.of_collective(played, ranks=ranks, size=size, limit=limit)
        terminal.document(estimate) if as_json else terminal.summary(estimate)
        return
    if plot:
        drawings.draw_rounds(plot, played, ranks)
    sizes = arguments.sizes(size) if nccl_tests else [size]
    rows = [allreduce(played, size=each, **network) for each in sizes]
    warn(dict.fromkeys(said for row in rows for said in row.warnings))
    if nccl_tests and not as_json:
        _nccl.printed(rows)
    elif as_json:
        terminal.document([each.as_dict() for each in rows] if nccl_tests else rows[0].as_dict())
    else:
        terminal.summary(rows[0].as_dict())
