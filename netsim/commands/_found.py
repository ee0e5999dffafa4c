"""Tables of what a search found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netsim.axes import name, text
from netsim.terminal import _print, _table, say
from netsim.units import figure_text

Row = Mapping[str, Any]


def optimum(found: Row, folder: Path | None) -> None:
    """The best settings, a line each, beside the scenario as it stands."""
    figures = [goal["figure"] for goal in found["goals"]]
    paths = [path for path in found["best"][0] if path not in figures]
    table = _table(*map(name, paths), *(figure_text(figure, 0)[0] for figure in figures))
    for row in found["best"]:
        table.add_row(
            *(text(row[path]) for path in paths), *(figure_text(figure, row[figure])[1] for figure in figures)
        )
    _print(table)
    stands = ", ".join(" ".join(figure_text(figure, value)) for figure, value in found["as_it_stands"].items())
    of = f" of {found['combinations']:,} settings" if found["combinations"] else ""
    say(f"\n{found['trials']} trials{of}; the scenario as it stands: {stands}")
    if folder:
        say(f"{folder / 'best.toml'} is the scenario with the first of them; {folder / 'trials.csv'} has all")
