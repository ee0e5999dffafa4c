"""Why a run takes its time, and why one contender is slower than another."""

from __future__ import annotations

import re

from netsim.units import show
from netsim.wording import (
    TIE,
    Row,
    contender_name,
    figure,
    listed,
    number_text,
    opening,
    percent_text,
    share_text,
    the_contender,
    whole_text,
)

_ALIKE = 1.1  # busiest links that differ by less than this factor are no reason for a difference


def why(row: Row, contender_axis: str | None = None) -> list[str]:
    """What one run spends its time on and what holds it back, from its measured figures."""
    total = figure(row, "iteration_time_s")
    if not total:
        return []
    exposed, waiting = figure(row, "exposed_communication_s") or 0.0, figure(row, "straggler_wait_s") or 0.0
    who = (
        f"{opening(contender_name(row, contender_axis), contender_axis)}'s iteration"
        if contender_axis
        else "An iteration"
    )
    if exposed + waiting < TIE * total:
        return [f"{who} is all computing: no exchange holds it up."]
    parts = [f"{share_text(figure(row, 'compute_time_s') or 0.0, total)} computing"]
    parts += (
        [f"{share_text(exposed, total)} communication that computing does not hide"] if exposed >= TIE * total else []
    )
    parts += [f"{share_text(waiting, total)} waiting for slower workers"] if waiting >= TIE * total else []
    return [f"{who} is {listed(parts)}.", *_holding_back(row, who)]


def contrast(fast: Row, slow: Row, contender_axis: str) -> list[str]:
    """Why one contender is slower than another: what its busiest link carries, its messages or its computing."""
    lost = {key: (figure(slow, key) or 0.0) - (figure(fast, key) or 0.0) for key in _PARTS}
    key = max(lost, key=lambda part: lost[part])
    if lost[key] <= 0:
        return []
    return _PARTS[key](fast, slow, contender_axis)


# Why


def _link_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    if figure(slow, "bottleneck") == "latency":
        messages = [figure(row, "messages_per_iteration") for row in (slow, fast)]
        counts = (
            f" ({whole_text(messages[0])} messages an iteration, against {whole_text(messages[1])})"
            if None not in messages
            else ""
        )
        return [f"{opening(the_contender(slow, axis), axis)} waits for latency, not for bandwidth{counts}."]
    ours, theirs = _carried(fast), _carried(slow)
    if ours is None or theirs is None:
        return []
    if _load(slow) <= _ALIKE * _load(fast):
        hidden = [show(figure(row, "exposed_communication_s") or 0.0, "s", digits=3) for row in (slow, fast)]
        ours_sent, theirs_sent = (figure(row, "messages_per_iteration") or 0 for row in (fast, slow))
        sent = (
            f" {opening(the_contender(slow, axis), axis)} sends {whole_text(theirs_sent)} messages an iteration, "
            f"{the_contender(fast, axis)} {whole_text(ours_sent)}."
        )
        more = sent if theirs_sent > 2 * ours_sent else ""
        return [
            f"Their busiest links carry about the same, {ours}; with {the_contender(slow, axis)} computing leaves "
            f"{hidden[0]} of the exchange uncovered, with {the_contender(fast, axis)} {hidden[1]}.{more}"
        ]
    other = f"no link carries more than {ours}" if ours != theirs else f"the same is {_sending(fast).lstrip(', ')}"
    return [
        f"{opening(the_contender(slow, axis), axis)} is held back by {_link(slow)}, which carries {theirs} an iteration"
        f"{_sending(slow)}; with {the_contender(fast, axis)} {other}."
    ]


def _load(row: Row) -> float:
    """Seconds that the busiest link needs for its bytes."""
    rate = figure(row, "busiest_link_rate_bytes_per_s")
    return float(figure(row, "busiest_link_bytes_per_iteration") or 0.0) / rate if rate else 0.0


def _compute_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    ours, theirs = (show(figure(row, "compute_time_s") or 0.0, "s", digits=3) for row in (fast, slow))
    return [
        f"{opening(the_contender(slow, axis), axis)} computes for {theirs} an iteration, "
        f"{the_contender(fast, axis)} for {ours}."
    ]


def _waiting_lost(fast: Row, slow: Row, axis: str) -> list[str]:
    ours, theirs = (show(figure(row, "straggler_wait_s") or 0.0, "s", digits=3) for row in (fast, slow))
    return [
        f"{opening(the_contender(slow, axis), axis)} waits {theirs} an iteration for slower workers, "
        f"{the_contender(fast, axis)} {ours}."
    ]


_PARTS = {
    "exposed_communication_s": _link_lost,
    "compute_time_s": _compute_lost,
    "straggler_wait_s": _waiting_lost,
}


def _holding_back(row: Row, who: str) -> list[str]:
    bottleneck = str(figure(row, "bottleneck") or "")
    carried = _carried(row)
    if bottleneck.startswith("link") and carried is not None:
        return [f"The busiest link, {_link(row)}, carries {carried} an iteration{_sending(row)}."]
    use = figure(row, "busiest_link_utilisation")
    if bottleneck == "latency" and use is not None:
        return [
            f"It is latency that counts: the busiest link, {_link(row)}, is in use for {percent_text(use)} of the time."
        ]
    return []


def _carried(row: Row) -> str | None:
    nbytes, gradients = figure(row, "busiest_link_bytes_per_iteration"), figure(row, "gradient_bytes")
    if nbytes is None:
        return None
    multiple = f" ({number_text(nbytes / gradients)} x the gradients)" if gradients else ""
    return f"{show(nbytes, 'B', digits=3)}{multiple}"


def _sending(row: Row) -> str:
    nbytes, rate = figure(row, "busiest_link_bytes_per_iteration"), figure(row, "busiest_link_rate_bytes_per_s")
    if not nbytes or not rate:
        return ""
    return f", {show(nbytes / rate, 's', digits=3)} of sending at {show(rate, 'B/s')}"


def _link(row: Row) -> str:
    """ "server0.down" as people say it: "the port of server0, incoming"."""
    link = str(figure(row, "busiest_link") or "the busiest link")
    match = re.fullmatch(r"(\w+)\.(up|down)", link)
    return f"{match[1]}'s {'outgoing' if match[2] == 'up' else 'incoming'} port" if match else link
