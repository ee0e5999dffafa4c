"""`netsim explain`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netsim.commands._shared import options, warn

if TYPE_CHECKING:
    from netsim.explain.told import Explanation

_STRATEGIES = "ps,ring,tree,halving_doubling"
_FEW = 6  # layers, links or rivals that are listed


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--strategies", default="ps,ring,tree,halving_doubling", show_default=True, metavar="NAMES", help="To try."
)
@options("set", "seed", "json", "quiet")
def explain(file: Path, strategies: str, settings: Sequence[str], seed: int | None, as_json: bool, quiet: bool) -> None:
    """Why a scenario FILE takes its time: critical path, bottleneck, what would help.

    What would help is predicted from the critical path, then simulated.
    """
    from netsim import arguments, progress, results, terminal
    from netsim.engine.run import simulate
    from netsim.explain.explanation import explanation
    from netsim.loading import load

    names = arguments.strategies(strategies)
    scenario = load(file, arguments.overrides(settings, seed))
    warn(results.warnings_of(scenario))
    with progress.bar("iterations", scenario.iterations, quiet=quiet) as reached:
        explained = explanation(scenario, simulate, strategies=names, progress=lambda iteration: reached(iteration + 1))
    terminal.document(explained.as_dict()) if as_json else _show(explained)


def _show(explained: Explanation) -> None:
    from netsim import terminal
    from netsim.explain.told import told
    from netsim.wording import BOUND_NAMES, part_name

    terminal.say("\n".join(told(explained)))
    path = explained.path
    parts = {part_name(part): seconds for part, seconds in path.decomposition.items() if seconds}
    _bars("critical path", dict(sorted(parts.items(), key=lambda each: -each[1])), path.length)
    _bars("computing, by layer", path.by("compute"), path.length)
    _bars("sending and waiting, by link", path.by_link, path.length)
    _bars("waiting for others, by flow", path.by("sharing", "queueing"), path.length)
    _changes(explained)
    bounds = {words: explained.bounds[key] for key, words in BOUND_NAMES.items()}
    known = {words: seconds for words, seconds in bounds.items() if seconds is not None}
    _bars("bounds", {"simulated": path.length, **known}, max(path.length, *known.values()), most=len(known) + 1)


def _bars(title: str, seconds: Mapping[str, float], whole: float, *, most: int = _FEW) -> None:
    """A line each with its share of the whole, and one for what is left."""
    from netsim import terminal
    from netsim.units import show

    if not seconds:
        return
    shown, rest = dict(list(seconds.items())[:most]), list(seconds.values())[most:]
    if rest:
        shown[f"{len(rest)} more"] = math.fsum(rest)
    terminal.say("")
    rows = [(name, show(each, "s"), f"{each / whole:.1%}", terminal.bar(each / whole)) for name, each in shown.items()]
    terminal.grid((title, "an iteration", "share", ""), rows, left=(0, 3))


def _changes(explained: Explanation) -> None:
    from netsim import terminal
    from netsim.units import show

    terminal.say("")
    rows = []
    for each in explained.sensitivities:
        predicted = "-" if each.predicted_s is None else show(each.predicted_s, "s")
        note = "path changed" if each.path_changed else ""
        rows.append((each.change, predicted, show(each.simulated_s, "s"), f"{-each.saves_share:+.1%}", note))
    terminal.grid(("if", "predicted", "simulated", "change", ""), rows, left=(0, 4))
