"""`netsim crossover`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from netsim.commands._shared import options


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--scenario", type=click.Path(path_type=Path), metavar="FILE", help="Two strategies of a whole scenario.")
@click.option("--along", required=True, metavar="NAME", help="size, rate, latency, ranks; a scenario's: any path.")
@click.option("--from", "low", required=True, metavar="VALUE", help="Where to begin, with its unit.")
@click.option("--to", "high", required=True, metavar="VALUE", help="Where to end.")
@click.option("--precision", type=float, default=1e-3, show_default=True, help="Of the place, as a share of it.")
@click.option("--ranks", type=int, help="How many.")
@click.option("--size", metavar="SIZE", help='What each rank holds, "100 MB".')
@click.option("--rate", metavar="RATE", help='Of every link, each way, "10 Gbit/s".')
@click.option("--latency", metavar="TIME", help='From host to host, "10 us".')
@click.option("--topology", default="star", show_default=True, help="A kind, or a table of one with its keys.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw a map of who is faster as a PNG.")
@options("set", "engine", "json")
def crossover(
    first: str,
    second: str,
    scenario: Path | None,
    along: str,
    low: str,
    high: str,
    precision: float,
    ranks: int | None,
    size: str | None,
    rate: str | None,
    latency: str | None,
    topology: str,
    plot: Path | None,
    settings: Sequence[str],
    engine: str,
    as_json: bool,
) -> None:
    """Where two collectives take equally long: kinds, or tables such as '{ kind = "ring", slices = 4 }'; or two
    strategies in a whole scenario."""
    from netsim import api, arguments, drawings, terminal

    figures = {"ranks": ranks, "size": size, "rate": rate, "latency": latency}
    if scenario:
        arguments.refuse_beside("--scenario", {f"--{name}": value for name, value in figures.items()})
        ends = (arguments.value(low), arguments.value(high))
        contenders = (arguments.kind_or_table(first), arguments.kind_or_table(second))
        told = _of_scenario(scenario, contenders, (along, *ends), precision, settings, plot, engine)
        return terminal.document(told) if as_json else terminal.crossover(told)
    arguments.refuse_beside("two collectives", {"--set": settings or None})
    network: dict[str, Any] = {
        **arguments.network_beside(along, figures),
        "topology": arguments.kind_or_table(topology),
        "engine": engine,
    }
    kinds = [arguments.kind_or_table(each) for each in (first, second)]
    places = [arguments.whole_if_ranks(along, each) for each in (low, high)]
    found = api.crossover(
        kinds[0], kinds[1], along=along, low=places[0], high=places[1], precision=precision, **network
    )
    if plot:
        drawings.draw_winners(plot, api.map_of_winners(found, kinds, **network))
    return terminal.document(found.as_dict()) if as_json else terminal.crossover(found.as_dict())


def _of_scenario(
    file: Path,
    contenders: tuple[Any, Any],
    span: tuple[str, Any, Any],
    precision: float,
    settings: Sequence[str],
    plot: Path | None,
    engine: str,
) -> dict[str, Any]:
    from netsim import arguments, drawings
    from netsim.loading import load
    from netsim.search import crossover as search

    scenario, along = load(file, arguments.overrides(settings, None)), search.Along.of(*span)
    found = search.crossover(scenario, contenders, along, precision=precision, engine=engine)
    if plot:
        drawings.draw_crossover(plot, search.drawn(scenario, contenders, along, engine))
    return found
