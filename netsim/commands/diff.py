"""`netsim diff`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from netsim.commands._shared import options

Row = Mapping[str, Any]


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@options("json")
def diff(a: Path, b: Path, as_json: bool) -> None:
    """What changed from A to B: in the scenario, in the figures, and in the parts of the critical path.

    A and B are result folders, taken as they were saved, or scenario files, which are simulated.
    """
    from netsim import terminal
    from netsim.differences import difference, side

    found = difference(side(a), side(b))
    terminal.document(found) if as_json else _show(found)


def _show(found: Row) -> None:
    from netsim import terminal
    from netsim.axes import text

    terminal.say(f"A: {found['a']}\nB: {found['b']}\n")
    if found["scenario"]:
        rows = [
            (each["path"], *("-" if each[k] is None else text(each[k]) for k in "ab")) for each in found["scenario"]
        ]
        terminal.grid(("scenario", "A", "B"), rows)
    else:
        terminal.say("The scenarios are the same.")
    for pair in found["contenders"]:
        terminal.say("\n" + "\n".join(_sentences(pair)) + "\n")
        terminal.grid(("figure", "A", "B", "B / A"), map(_figure, pair["figures"]))
        if pair["decomposition"]:
            terminal.say("")
            terminal.grid(("critical path", "A", "B", "B - A"), map(_part, pair["decomposition"]))


def _sentences(pair: Row) -> Iterator[str]:
    from netsim.axes import label
    from netsim.units import show
    from netsim.wording import part_name

    names = [label("job.strategy", pair[k]) for k in "ab"]
    time = next(each for each in pair["figures"] if each["figure"] == "iteration_time_s")
    a, b = (show(time[k], "s", digits=3) for k in "ab")
    who = names[0] if names[0] == names[1] else f"{names[0]} (A), {names[1]} (B)"
    yield f"{who}: an iteration takes {a} in A, {b} in B ({time['ratio'] - 1:+.1%})."
    if pair["decomposition"]:
        most = max(pair["decomposition"], key=lambda each: abs(each["difference_s"]))
        more = "more" if most["difference_s"] > 0 else "less"
        if abs(most["difference_s"]) > 1e-9 * time["a"]:
            yield f"Most of that is {part_name(most['part'])}: {show(abs(most['difference_s']), 's', digits=3)} {more}."
    if pair["bottleneck"]["a"] != pair["bottleneck"]["b"]:
        yield f"The bottleneck was {pair['bottleneck']['a']}, and is {pair['bottleneck']['b']}."


def _figure(each: Row) -> tuple[str, ...]:
    from netsim.units import figure_text

    (name, a), (_, b) = (figure_text(each["figure"], each[k]) for k in "ab")
    return name, a, b, "-" if each["ratio"] is None else f"{each['ratio']:.3f}"


def _part(each: Row) -> tuple[str, ...]:
    from netsim.units import show
    from netsim.wording import part_name

    change = each["difference_s"] if abs(each["difference_s"]) > 1e-9 * each["a_s"] else 0.0
    sign = "-" if change < 0 else "+"
    return (
        part_name(each["part"]),
        show(each["a_s"], "s"),
        show(each["b_s"], "s"),
        f"{sign}{show(abs(change), 's', digits=3)}" if change else "0",
    )
