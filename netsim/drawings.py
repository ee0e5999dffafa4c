"""Single figures that commands draw into a file: PNG, SVG or PDF by its ending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netsim.collectives.rounds import Collective, unrolled
from netsim.engine.run import simulate
from netsim.errors import ScenarioError
from netsim.families import FAMILIES
from netsim.hardware import Device
from netsim.layer_tables import shares, under_the_roof
from netsim.models.base import Model
from netsim.scenario import Scenario
from netsim.topologies._measures import placed_links

Row = Mapping[str, Any]
_MOST_DRAWN = 64  # ranks, as rows of a figure


def draw_layers(file: Path, table: Row) -> None:
    """Draws flop and time of a layer table into a PNG file."""
    _draw("layer_costs", file, shares(table))


def draw_roofline(file: Path, model: Model, device: Device, batch: int) -> None:
    """Draws a model's layers under the device's roofline into a PNG, SVG or PDF file."""
    _draw("roofline", file, under_the_roof(model, device, batch), height=4.6)


def draw_crossover(file: Path, rows: Sequence[Row]) -> None:
    """Draws iteration times along an axis into a PNG file."""
    _draw("crossover", file, rows)


def draw_winners(file: Path, rows: Sequence[Row]) -> None:
    """Draws who is fastest at pairs of places into a PNG file."""
    _draw("winners", file, rows)


def draw_rounds(file: Path, kind: Mapping[str, Any] | Collective, ranks: int) -> None:
    """Draws who sends to whom in each round of a collective into a PNG file; lanes go side by side."""
    collective = kind if isinstance(kind, Collective) else FAMILIES["collectives"].build(kind)
    collective.fit(ranks)
    if not 2 <= ranks <= _MOST_DRAWN:
        raise ScenarioError(f"{ranks} ranks cannot be drawn; 2 to {_MOST_DRAWN} can", path="--plot")
    reached: dict[int, int] = {}
    rows = []
    for each in unrolled(collective.rounds(ranks), collective.pieces(ranks)):
        reached[each.lane] = reached.get(each.lane, 0) + 1
        pairs = zip(each.src.tolist(), each.dst.tolist(), strict=True)
        rows += [{"round": reached[each.lane], "src": src, "dst": dst, "add": each.add} for src, dst in pairs]
    _draw("rounds", file, rows, height=3.0)


def draw_network(file: Path, scenario: Scenario, *, engine: str | None = None) -> None:
    """Draws the network of a scenario into a PNG file: rates of links, or, with an engine that plays it, their use."""
    links = placed_links(scenario.network())
    if engine is not None:
        trace = simulate(scenario, engine=engine, detail="summary")
        lasted = trace.summary()["iteration_time_s"] * scenario.iterations
        used = {each.link: each.nbytes / each.rate / lasted if lasted else 0.0 for each in trace.links}
        links = [{**link, "utilisation": used[link["link"]]} for link in links]
    xs, ys = ([link[f"{end}_{axis}"] for link in links for end in ("source", "target")] for axis in "xy")
    tall = (max(ys) - min(ys)) / ((max(xs) - min(xs)) or 1.0)
    _draw("network", file, links, height=min(8.0, max(1.4, 5.6 * tall)) + 0.9)


def _draw(figure: str, file: Path, rows: Any, *, height: float = 4.0) -> None:
    from netsim import plots
    from netsim.frames import frame

    try:
        plots.save(plots.figures()[figure], frame(rows), file, height=height)
    except OSError as error:
        raise ScenarioError(f"{file} cannot be written: {error.strerror}", path="--plot") from None
