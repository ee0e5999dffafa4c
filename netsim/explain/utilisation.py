"""How much of their rate links use, over the last iteration of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from netsim.trace import Trace

_BINS = 120  # of the iteration's time
_LINKS = 6  # of all, those that carry most for their rate


def utilisation(trace: Trace) -> dict[str, Any]:
    """{"step_s": length of a bin, "links": {name: share of its rate in each bin}}, from the messages' first bytes to
    their last, each taken to have had an even pace; empty without messages in the last iteration."""
    rows = trace.activities.columns
    last = (rows["kind"] == "message") & (rows["iteration"] == rows["iteration"].max(initial=0))
    if not last.any():
        return {}
    begin, end = float(rows["start"][last].min()), float(rows["end"][last].max())
    edges = np.linspace(begin, end, _BINS + 1)
    rates = dict(zip(trace.links["link"].tolist(), trace.links["rate"].tolist(), strict=True))
    shares: dict[str, Any] = {}
    for number, route in enumerate(trace.routes):
        on = last & (rows["route"] == number)
        moved = _in_bins(rows["begin"][on], rows["end"][on], rows["nbytes"][on], edges)
        for link in route:
            if link in rates:
                shares[link] = shares.get(link, 0.0) + moved / (rates[link] * (edges[1] - edges[0]))
    busiest = sorted(shares, key=lambda link: -float(shares[link].sum()))[:_LINKS]
    return {"step_s": float(edges[1] - edges[0]), "links": {link: shares[link].round(6).tolist() for link in busiest}}


def _in_bins(begin: Any, end: Any, nbytes: Any, edges: Any) -> Any:
    """Bytes in each bin, of messages that move theirs evenly from `begin` to `end`."""
    points = np.concatenate([begin, end])
    paces = nbytes / np.maximum(end - begin, 1e-300)
    steps = np.concatenate([paces, -paces])
    order = np.argsort(points, kind="stable")
    points, pace = points[order], np.cumsum(steps[order])
    moved = np.concatenate([[0.0], np.cumsum(pace[:-1] * np.diff(points))])
    return np.diff(np.interp(edges, points, moved)) if len(points) else np.zeros(len(edges) - 1)
