"""Tables of what was measured of a network."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from netsim.terminal import _print, _table, _words, say
from netsim.units import show

Row = Mapping[str, Any]


def trips(rows: Sequence[Row], log: object) -> None:
    """A line a size of messages that went there and back."""
    table = _table("message", "messages", "one way", "fastest", "slowest", "rate")
    for row in rows:
        times = (show(row[key], "s") for key in ("one_way_s", "fastest_s", "slowest_s"))
        table.add_row(show(row["size_bytes"], "B"), str(row["messages"]), *times, show(row["bytes_per_s"], "B/s"))
    _print(table)
    if log:
        say(f"\nlog: {log}; netsim calibrate {log} makes a link of it")


def link_fit(found: Row) -> None:
    """What a link was fitted to, its constants by size of message, the errors, and its table."""
    for log in found["logs"]:
        ranks = f" of {log['ranks']} ranks" if log["ranks"] else ""
        say(f"{log['format']}: {_words(log['what'])}{ranks}, {log['samples']} samples")
    if found["algorithm"]:
        say(f"read as {_words(found['algorithm'])}; --algorithm names another")
    say("")
    table = _table("messages from", "latency", "rate")
    for piece in found["pieces"]:
        start = show(piece["from_bytes"], "B")
        table.add_row(start, show(piece["latency_s"], "s"), show(piece["rate_bytes_per_s"], "B/s"))
    _print(table)
    worst, unseen = found["fit_error_worst"], ""
    if not math.isnan(found["held_out_error"]):
        at_most = f"{found['held_out_error_worst']:.1%}"
        unseen = f"; of those that the fit has not seen {found['held_out_error']:.1%}, at most {at_most}"
    say(f"\nmean error of a sample: {found['fit_error']:.1%}, at most {worst:.1%}{unseen}\n")
    sys.stdout.write(found["toml"])
    if found["file"]:
        told = f'link = {{ file = "{found["file"]}", name = "{found["name"]}" }}'
        say(f"\nin a scenario: {told}\non the command line: --link {found['file']}:{found['name']}")
