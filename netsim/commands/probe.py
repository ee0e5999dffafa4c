"""`netsim probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netsim.commands._shared import options
from netsim.errors import ScenarioError, did_you_mean

_LONGEST = 1e6  # s


@click.command()
@click.argument("peer", required=False, metavar="[HOST:PORT]")
@click.option("--listen", type=click.IntRange(0, 65535), metavar="PORT", help="Answer others, until Ctrl-C.")
@click.option("--once", is_flag=True, help="With --listen: answer one peer, and end.")
@click.option("--transport", default="tcp", show_default=True, help="tcp, or gloo: torch.distributed's, with PyTorch.")
@click.option("--sizes", metavar="SIZE,...", help='Of messages, "1 kB,1 MB"; by default from 0 B to 16 MiB.')
@click.option("--repeat", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Messages of each size.")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="After which each size has one message.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The log, for netsim calibrate.")
@options("json", "quiet")
def probe(
    peer: str | None,
    listen: int | None,
    once: bool,
    transport: str,
    sizes: str | None,
    repeat: int,
    seconds: float,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measures the network between two hosts: `netsim probe --listen 9000` on one, `netsim probe HOST:9000 -o log.csv`
    on the other."""
    from netsim import arguments, probe, probed, progress, terminal
    from netsim.commands import _measured

    if (peer is None) == (listen is None):
        raise ScenarioError("is one of: HOST:PORT of the other side, or --listen PORT", path="PEER")
    over = _transport(transport)
    if listen is not None:
        arguments.refuse_beside("--listen", {"--sizes": sizes, "-o": output})
        over.serve(listen, once=once, ready=lambda port: click.echo(f"listening on port {port}", err=True))
        return
    arguments.refuse_beside("HOST:PORT", {"--once": once or None})
    if not 0 <= seconds <= _LONGEST:
        raise ScenarioError(f"{seconds:g} is no time to measure; it must be from 0 to {_LONGEST:g}", path="--seconds")
    asked = arguments.message_sizes(sizes) if sizes else probe.SIZES
    trips = []
    with probed.log(output) as note, progress.bar("messages", len(asked) * repeat, quiet=quiet) as reached:
        for number, trip in enumerate(over.measure(str(peer), sizes=asked, repeat=repeat, seconds=seconds), 1):
            note(trip)
            trips.append(trip)
            reached(number)
    rows = probed.summary(trips)
    terminal.document(rows) if as_json else _measured.trips(rows, output)


def _transport(name: str) -> Any:
    from netsim.probe import TRANSPORTS

    if name not in TRANSPORTS:
        raise ScenarioError(f"no transport {name!r}.{did_you_mean(name, TRANSPORTS)}", path="--transport")
    return TRANSPORTS[name]
