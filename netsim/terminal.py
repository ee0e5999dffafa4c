"""What people read in the terminal: tables, progress bars, and JSON for scripts. Standard output gets the results."""

from __future__ import annotations

import csv
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from itertools import islice
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from netsim.axes import distinct, name, text
from netsim.errors import printable
from netsim.results import STRATEGY, WORKERS, Comparison
from netsim.units import SUFFIXES, figure_text, show

Row = Mapping[str, Any]
_WIDTH = 80
_MOST_POINTS = 200  # of a sweep, as lines
_FASTEST = 20
_LONGEST_BAR, _LONGEST_CELL = 20, 24  # letters
_KEPT = ("parameters", "gradients", "optimiser", "activations")
_UNIT = re.compile(r"(?<=\d) (?=(?:[mun]?s|[kMGT]?B|[kMGT]?bit/s|x|%|samples/s|workers?)(?!\w))")


def document(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def documents(values: Iterable[Any]) -> None:
    """One JSON document on standard output: a list, written value by value."""
    separator = "["
    for value in values:
        sys.stdout.write(separator + "\n" + textwrap.indent(json.dumps(value, indent=2), "  "))
        separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def summary(figures: Row) -> None:
    """One figure a line, with its unit; of a list, one entry a line."""
    table = _table("", "")
    table.show_header = False
    for key, value in figures.items():
        if key != "warnings":  # which have been said on standard error
            words, shown = figure_text(key, value)
            table.add_row(words, shown.replace("; ", "\n"))
    _print(table)


def crossover(found: Row) -> None:
    """Who is faster from where on, in sentences."""
    unit = next((unit for unit, suffix in SUFFIXES.items() if found["along"].endswith(suffix)), "")
    along = found["along"].removesuffix(SUFFIXES.get(unit, "")).replace("_", " ")

    def place(value: float) -> str:
        return show(value, unit, digits=4) if unit else f"{value:g}"

    ends = f"from {place(found['from'])} to {place(found['to'])}"
    names = " and ".join(_words(found[which]) for which in ("first", "second"))
    for each in found["crossings"]:
        faster = f"{_words(each['below'])} is faster below, {_words(each['above'])} above"
        if unit:
            say(f"{along} {place(each['at'])}: {names} are equally fast; {faster} (within {found['precision']:g})")
        else:
            say(f"{along} {place(each['low'])} to {place(each['high'])}: the lead changes; {faster}")
    if not found["crossings"]:
        ahead = found["ahead_at_first"]
        say(f"no crossing {ends}: " + (f"{_words(ahead)} is faster throughout" if ahead else "both are equally fast"))
    elif len(found["crossings"]) > 1:
        say(f"{len(found['crossings'])} crossings {ends}")


def comparison(result: Comparison) -> None:
    """Strategies side by side, the winner, why, and the iteration time at other numbers of workers."""
    workers = "1 worker" if result.workers == 1 else f"{result.workers} workers"
    say(f"{result.scenario}: {workers}")
    times = {"iteration": "iteration_time_s", "compute": "compute_time_s", "exposed\ncomm.": "exposed_communication_s"}
    if any(row["straggler_wait_s"] for row in result.contenders):
        times["waiting"] = "straggler_wait_s"
    headers = ("strategy", *times, "samples/s", "effi-\nciency", "busiest link")
    rows = [
        (
            _words(row[STRATEGY]).replace(" ", "\n"),
            *(show(row[key], "s") for key in times.values()),
            f"{row['samples_per_s']:,.0f}",
            f"{row['scaling_efficiency']:.0%}",
            f"{row['busiest_link']}\n{show(row['busiest_link_bytes_per_iteration'], 'B')}"
            if row["busiest_link"]
            else "-",
        )
        for row in result.contenders
    ]
    _print(_with_bars(headers, rows, [row["iteration_time_s"] for row in result.contenders]))
    say("\n" + "\n".join(result.verdict.sentences))
    if len({row["workers"] for row in result.along_workers}) > 1:
        _along_workers(result)


def _along_workers(result: Comparison) -> None:
    say("\nIteration time by number of workers:\n")
    strategies = list(dict.fromkeys(row[STRATEGY] for row in result.along_workers))
    times = {(row[WORKERS], row[STRATEGY]): row["iteration_time_s"] for row in result.along_workers}
    table = _table("workers", *map(_words, strategies))
    for count in dict.fromkeys(row[WORKERS] for row in result.along_workers):
        table.add_row(str(count), *(_time(times.get((count, strategy))) for strategy in strategies))
    _print(table)
    say("\n" + "\n".join(result.how_workers_change_it))


def points(rows: Iterable[Row], axes: Mapping[str, Sequence[Any]]) -> None:
    """A line a point of a sweep; of many points, the fastest."""
    shown = list(islice(rows, _MOST_POINTS + 1))
    if len(shown) > _MOST_POINTS:
        shown = nsmallest(_FASTEST, rows, key=lambda row: row["iteration_time_s"])
        say(f"The {_FASTEST} points with the shortest iterations; -o DIR and --json have all:\n")
    short = {path: distinct(values) for path, values in axes.items()}
    lines = []
    for row in shown:
        cells = {name(path): _folded(short[path].get(text(row[path]), text(row[path]))) for path in axes}
        lines.append(
            (
                *(_words(cell) if what == "strategy" else cell for what, cell in cells.items()),
                _time(row["iteration_time_s"]),
                f"{row['samples_per_s']:,.0f}",
                f"{row['scaling_efficiency']:.0%}",
                row["bottleneck"],
            )
        )
    headers = (*map(name, axes), "iteration", "samples/s", "effi-\nciency", "bottleneck")
    _print(_with_bars(headers, lines, [row["iteration_time_s"] for row in shown]))


def _folded(cell: str) -> str:
    return cell.replace(" (", "\n(", 1) if len(cell) > _LONGEST_CELL else cell


def _with_bars(headers: Sequence[str], rows: Sequence[Sequence[str]], times: Sequence[float]) -> Table:
    """A table with a bar a row for its iteration time, if there is the room."""
    table = _filled(_table(*headers), rows)
    room = min(_WIDTH - 1 - _console(10_000).measure(table).maximum, _LONGEST_BAR)
    if room < len("iteration") or len(rows) < 2 or not max(times):
        return table
    bars = [bar(time / max(times), width=room) for time in times]
    table = _filled(_table(*headers, "iteration"), [(*row, bar) for row, bar in zip(rows, bars, strict=True)])
    table.columns[-1].justify = "left"
    return table


def _filled(table: Table, rows: Iterable[Sequence[str]]) -> Table:
    for row in rows:
        table.add_row(*row)
    return table


def plan(found: Row) -> None:
    """How large a sweep is, and how long it may take."""
    kept = f", {found['kept']:,} of them kept already" if found["kept"] else ""
    say(f"{found['points']:,} points{kept}")
    if found["timed"]:
        each = _time(found["seconds_per_point_s"])
        cores = "1 core" if found["jobs"] == 1 else f"{found['jobs']} cores"
        say(f"about {_time(found['estimate_s'])} on {cores}: {found['timed']} of them took {each} each, on average")


def layers(model: Row) -> None:
    """A line a layer, and the totals."""
    timed = "device" in model
    table = _table("layer", "kind", "output", "params", "MACs", *(["forward", "backward", "bound by"] if timed else []))
    for row in model["layers"]:
        shape = " x ".join(map(str, row["output_shape"]))
        times = [_time(row["forward_s"]), _time(row["backward_s"]), row["bound"]] if timed else []
        table.add_row(row["name"], row["kind"], shape, f"{row['params']:,}", f"{row['macs']:,}", *times)
    _print(table)
    say("\n" + _totals(model["model"], model["params"], model["macs"], model["gradient_bytes"]))
    if timed:
        parts = ", ".join(f"{part} {_time(model[f'{part}_s'])}" for part in ("forward", "backward", "update"))
        say(f"on {model['device']} in {model['precision']}, batch {model['batch']}: {parts}")
        say(_memory(model["memory"]))


def side_by_side(pair: Row) -> None:
    """Two models: a line a stage with the ratio of the first to the second, and the totals."""
    timed = "device" in pair
    table = _table(
        "stage", "params\nratio", "MACs", "against", "ratio", *(["time", "against", "ratio"] if timed else [])
    )
    table.add_column("formula", justify="right", no_wrap=True)
    for row in [*pair["stages"], {**pair, "stage": "in all"}]:
        times = [_time(row["time_s"]), _time(row["against_time_s"]), _ratio(row["time_s_ratio"])] if timed else []
        macs = [_short(row["macs"]), _short(row["against_macs"]), _ratio(row["macs_ratio"])]
        table.add_row(row["stage"], _ratio(row["params_ratio"]), *macs, *times, _ratio(row.get("predicted")))
    _print(table)
    say("")
    say(_totals(pair["model"], pair["params"], pair["macs"], pair["gradient_bytes"]))
    say(_totals(pair["against"], pair["against_params"], pair["against_macs"], pair["against_gradient_bytes"]))
    for formula in dict.fromkeys(row["formula"] for row in pair["stages"] if row["formula"]):
        say(f"formula: {formula}")
    if timed:
        say(f"time: forward and backward on {pair['device']} in {pair['precision']}, batch {pair['batch']}")


def validation(rows: Sequence[Row], groups: Sequence[Row]) -> None:
    """A line a group of measured figures, and before them a line a row of those that fail."""
    failed = [row for row in rows if row["verdict"] in ("outside", "moved")]
    if failed:
        table = _table("fails", "measured", "predicted", "error", "may be", "verdict")
        for row in failed:
            stated = row["known_error"]
            may_be = f"within {row['within']:.1%}" if stated is None else f"{stated:+.1%} as stated"
            values = (f"{row[key]:.5g}" for key in ("measured", "predicted"))
            table.add_row(f"{row['source']}: {row['case']}", *values, f"{row['error']:+.1%}", may_be, row["verdict"])
        _print(table)
        for each in groups:
            if each["failures"]:
                say(f"{_words(each['source'])}, {each['group']}: {each['why']}.")
        say("")
    table = _table("source", "group", "rows", "mean\nerror", "at most", "worst", "known\nmisses", "fail")
    for each in groups:
        allowed = "-" if each["mean_allowed"] is None else f"{each['mean_allowed']:.1%}"
        mean = f"{each['mean_error']:.1%}" + (" fails" if each["mean_failed"] else "")
        counts = str(each["known_misses"]), str(each["failures"])
        table.add_row(
            _words(each["source"]),
            each["group"],
            str(each["rows"]),
            mean,
            allowed,
            f"{each['worst_error']:+.1%}",
            *counts,
        )
    _print(table)


def peers(rows: Sequence[Row]) -> None:
    """A line a collective, topology and simulator."""
    table = _table("collective", "ranks", "topology", "simulator", "predicted", "on the wall")
    for row in rows:
        times = (show(row[key], "s", digits=digits) for key, digits in (("time_s", 7), ("wall_s", 2)))
        words = _words(row["collective"]), str(row["ranks"]), _words(row["topology"])
        table.add_row(*words, row["simulator"], *times)
    _print(table)


def calibration(found: Row) -> None:
    """A line a layer, one a constant, the errors, and the device as a scenario has it."""
    table = _table("layer", "measured", "fitted", "held out")
    for row in found["layers"]:
        table.add_row(row["name"], *(_time(row[f"{key}_s"]) for key in ("measured", "fitted", "held_out")))
    _print(table)
    say("")
    table = _table("constant", "before", "fitted")
    for row in found["constants"]:
        timed = row["name"].endswith("_s")
        values = [_time(row[key]) if timed else f"{row[key]:.3g}" for key in ("before", "after")]
        table.add_row(_words(row["name"].removesuffix("_s")), *values)
    _print(table)
    say(
        f"\nmean error of a layer: {found['fit_error']:.1%} of those fitted, {found['held_out_error']:.1%} of those "
        "that the fit has not seen\n"
    )
    sys.stdout.write(found["toml"])


def lines(rows: Sequence[Row]) -> None:
    """Comma-separated values on standard output; shapes as 3x224x224."""
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        shapes = {key: "x".join(map(str, value)) for key, value in row.items() if isinstance(value, list)}
        writer.writerow({**row, **shapes})


def _totals(model: str, params: int, macs: int, gradient_bytes: int) -> str:
    return f"{model}: {params:,} parameters, {macs:,} MACs a sample, {show(gradient_bytes, 'B')} of gradients"


def _memory(memory: Row) -> str:
    parts = ", ".join(f"{part} {show(memory[f'{part}_bytes'], 'B', digits=3)}" for part in _KEPT)
    device = memory["device_bytes"]
    have = f" of the device's {show(device, 'B', digits=3)}" if device else ""
    return f"memory: {show(memory['total_bytes'], 'B', digits=3)}{have} ({parts})"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _short(count: int | None) -> str:
    """A count in three digits: 1.23 M."""
    if count is None:
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def topology(table: Row) -> None:
    """What a network is measured by, and a line a kind of link."""
    summary({key: value for key, value in table.items() if not isinstance(value, list)})
    lines = _table("links", "count", "rate", "latency")
    for row in table["kinds_of_links"]:
        lines.add_row(
            row["links"], str(row["count"]), show(row["rate_bytes_per_s"], "B/s"), show(row["latency_s"], "s")
        )
    say("")
    _print(lines)


def members(families: Mapping[str, Mapping[str, str]]) -> None:
    """The members of families with a line each."""
    for number, (family, lines) in enumerate(families.items()):
        table = _Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column()
        for member, line in lines.items():
            table.add_row(member, line)
        say(("\n" if number else "") + family)
        _print(table)


def grid(headers: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int] = (0,)) -> None:
    """A table of cells that are text already; columns go to the right, but for those that go to the left."""
    table = _table(*headers)
    for number in left:
        table.columns[number].justify = "left"
    _print(_filled(table, rows))


def bar(share: float, *, width: int = 20) -> str:
    """A share of one as a bar, to an eighth of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else show(seconds, "s")


def _words(value: Any) -> str:
    return str(value).replace("_", " ")


class _Table(Table):
    def add_row(self, *cells: Any, **options: Any) -> None:
        """Names in saved results may be anything."""
        super().add_row(*("\n".join(map(printable, cell.split("\n"))) for cell in cells), **options)


def _table(*headers: str) -> Table:
    table = _Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0)
    for number, header in enumerate(headers):
        table.add_column(header, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _console(width: int = _WIDTH) -> Console:
    """Where standard output is no terminal, its width is ours, so that files do not depend on who wrote them."""
    terminal = sys.stdout.isatty()
    plain: Any = {"highlight": False, "markup": False, "emoji": False, "soft_wrap": False}  # names may be anything
    return Console(width=None if terminal else width, no_color=not terminal, **plain)


def _print(table: Table) -> None:
    """A table, cut to a terminal's width but never in a file; lines end where their words do."""
    needed = _console(10_000).measure(table).maximum
    console = _console(max(_WIDTH, needed))
    with console.capture() as printed:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))


def say(sentences: str) -> None:
    """Sentences, wrapped, a paragraph a line, so that numbers stay with their units."""
    for sentence in sentences.split("\n"):
        together = _UNIT.sub("\N{NO-BREAK SPACE}", printable(sentence))
        lines = textwrap.wrap(together, _console().width, break_long_words=False, break_on_hyphens=False) or [""]
        sys.stdout.write("".join(f"{line}\n" for line in lines).replace("\N{NO-BREAK SPACE}", " "))
