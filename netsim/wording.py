"""The words of explanations: rows ranked, and their names, places and figures as people say them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from netsim.axes import label, measure, name, place, speaks_for_itself, text
from netsim.units import show

Row = Mapping[str, Any]

_BOUNDS = {"compute": "computing", "link": "the network", "stragglers": "slower workers"}
_PART_NAMES = {
    "compute": "computing",
    "straggler_wait": "waiting for stragglers",
    "latency": "latency",
    "transfer": "sending at the full rate",
    "sharing": "sharing links with others",
    "queueing": "queueing behind others",
    "degraded": "links below their rate",
    "overhead": "messages' overhead",
    "reduction": "adding gradients",
    "server_work": "servers' adding",
    "handle": "servers' handling of messages",
    "apply": "servers' optimiser",
    "stopped": "standing still",
    "redo": "doing lost work again",
    "waiting": "waiting for others",
    "checkpoint": "saving",
    "idle": "idling while others go on",
    "other": "what has no name",
}
BOUND_NAMES = {
    "compute_only_s": "computing alone",
    "bandwidth_only_s": "bytes alone",
    "latency_only_s": "latency alone",
    "lower_bound_s": "lower bound",
    "closed_form_s": "closed form",
}
TIE = 0.005  # throughputs closer than this share are called equal


def figure(row: Row, key: str) -> Any:
    value = row.get(key)
    return None if isinstance(value, float) and math.isnan(value) else value


def replica_times(row: Row) -> list[float]:
    """Iteration times (s) of the replicas that a row stands for; none where it stands for one run. A table that was
    read back has them as text."""
    times = figure(row, "replica_iteration_times_s")
    return list(json.loads(times) if isinstance(times, str) else times or ())


def speed_of(row: Row) -> float:
    speed = figure(row, "samples_per_s")
    return float(speed) if speed else 1.0 / float(row["iteration_time_s"])


def times_faster(fast: Row, slow: Row) -> float:
    return speed_of(fast) / speed_of(slow)


def ranked_rows(rows: Sequence[Row], axis: str | None) -> list[Row]:
    """Fastest first; the best row of each contender; ties in the order in which they came."""
    best: dict[str, Row] = {}
    for row in rows:
        key = text(row[axis]) if axis else ""
        if key not in best or speed_of(row) > speed_of(best[key]):
            best[key] = row
    return sorted(best.values(), key=lambda row: -speed_of(row))


def best_rows(ranked: Sequence[Row]) -> list[Row]:
    return [row for row in ranked if times_faster(ranked[0], row) - 1 < TIE]


def in_order(values: Sequence[Any]) -> list[Any]:
    distinct = [value for index, value in enumerate(values) if value not in values[:index]]
    measured = measure(distinct)
    if measured is None:
        return distinct
    return [value for _, value in sorted(zip(measured[1], distinct, strict=True), key=lambda pair: pair[0])]


# Words


def contender_name(row: Row, axis: str | None) -> str:
    return label(axis, row[axis]) if axis else "it"


def the_contender(row: Row, axis: str) -> str:
    """A contender as a noun: "the ring", "the parameter server"; names of models stand bare."""
    said = contender_name(row, axis)
    thing = said.endswith(("ring", "server", "tree"))
    return f"the {said}" if thing and axis in ("job.strategy", "job.strategy.kind") else said


def where_of(rows: Sequence[Row], skip: str | None) -> str:
    """The coordinates that all the rows share, and the number of workers, as " on 8 workers, at a batch of 32"."""
    shared = [
        key
        for key in rows[0]
        if "." in key and key not in (skip, "cluster.workers") and len({text(row[key]) for row in rows}) == 1
    ]
    workers = {figure(row, "workers") for row in rows}
    count = workers.pop() if len(workers) == 1 else None
    said = [f"on {whole_text(count)} worker{'' if count == 1 else 's'}"] if count is not None else []
    said += [place(key, rows[0][key]) for key in shared]
    return f" {', '.join(said)}" if said else ""


def pace_of(row: Row, *, verb: bool = False) -> str:
    time = show(row["iteration_time_s"], "s", digits=3)
    return (
        f"an iteration takes {time}, {rate_text(speed_of(row))}"
        if verb
        else f"{time} an iteration, {rate_text(speed_of(row))}"
    )


def bare_value(axis: str, value: Any) -> str:
    return place(axis, value).split(" ", 1)[1]


def makes(axis: str) -> str:
    return "make" if name(axis).endswith("s") else "makes"


def listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def names_listed(rows: Sequence[Row], axis: str) -> str:
    """Contenders one after the other; the name of their key is said once: "bucket 1 MB, 2 MB and 4 MB"."""
    names, key = [contender_name(row, axis) for row in rows], f"{name(axis)} "
    if len(names) > 1 and all(said.startswith(key) for said in names):
        return key + listed([said.removeprefix(key) for said in names])
    return listed(names)


def bound_of(row: Row) -> str:
    """What takes longest in an iteration: "by computing", "by the network", "by latency", "by slower workers"."""
    bottleneck = str(figure(row, "bottleneck") or "")
    kind = "link" if bottleneck.startswith("link") else bottleneck
    return f"by {_BOUNDS.get(kind, kind)}"


def opening(said: str, axis: str | None) -> str:
    """A sentence that begins with a contender: names of models and devices are spelled as they are typed."""
    typed = axis is not None and speaks_for_itself(axis) and not axis.startswith("job.strategy")
    return said if typed else capital(said)


def capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def number_text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def times_text(factor: float) -> str:
    return f"{number_text(factor)} x"


def rate_text(samples: float) -> str:
    return f"{samples:,.0f} samples/s" if samples >= 100 else f"{samples:.3g} samples/s"


def percent_text(share: float) -> str:
    return f"{100 * share:.0f} %"


def share_text(part: float, total: float) -> str:
    return percent_text(part / total)


def whole_text(value: Any) -> str:
    return f"{value:,.0f}"


def part_name(part: str) -> str:
    """A part of the critical path in words."""
    return _PART_NAMES.get(part, part.replace("_", " "))
