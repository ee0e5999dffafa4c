"""Collectives in the columns of nccl-tests."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from netsim.engine.single import CollectiveResult


def printed(results: Sequence[CollectiveResult]) -> None:
    """A line a size in the columns of nccl-tests (src/common.cu), whose readers then read these; in place and out of
    place are the same here."""
    heads = ("size", "count", "type", "redop", "root", *("time", "algbw", "busbw", "#wrong") * 2)
    units = ("(B)", "(elements)", "", "", "", *("(us)", "(GB/s)", "(GB/s)", "") * 2)
    lines = [
        f"# {results[0].kind}, {results[0].operation}, {results[0].ranks} ranks, simulated",
        "#",
        f"#{'':56}      out-of-place                       in-place          ",
        *(f"#{_columns(cells)[1:]}" for cells in (heads, units)),
    ]
    for each in results:
        parts = each.ranks if each.operation in ("all_gather", "reduce_scatter", "all_to_all") else 1
        redop = "sum" if each.operation in ("all_reduce", "reduce_scatter", "reduce") else "none"
        root = 0 if each.operation in ("broadcast", "reduce", "gather", "scatter") else -1
        count = f"{each.size_bytes / 4 / parts:.0f}"
        figures = (_microseconds(each.time_s * 1e6), f"{each.algbw / 1e9:.2f}", f"{each.busbw / 1e9:.2f}", "0")
        lines.append(_columns((f"{each.size_bytes:.0f}", count, "float", redop, str(root), *figures * 2)))
    mean = math.fsum(each.busbw for each in results) / len(results) / 1e9
    lines += ["# Out of bounds values : 0 OK", f"# Avg bus bandwidth    : {mean:g} ", "#"]
    sys.stdout.write("\n".join(lines) + "\n")  # as wide as it is, for those who read it by column


def _columns(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, (12, 14, 10, 8, 8, *(9, 8, 8, 7) * 2), strict=True))


def _microseconds(time: float) -> str:
    digits = 0 if time >= 1e4 else 1 if time >= 100 else 2
    return f"{time:.{digits}f}"
