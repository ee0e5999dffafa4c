"""The words of a page: title, answer, and where its tables were taken."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from netsim import explain
from netsim.axes import distinct, place, text
from netsim.explained import Explained
from netsim.tables import Saved
from netsim.units import show
from netsim.wording import capital, listed, opening

K_NOTE = (
    "K is the size of the gradients, and so of the parameters, in bytes. Measured: bytes that were delivered over all "
    "links into hosts. A port's two directions count apart."
)
BYTES_NOTE = (
    f"{K_NOTE} The usual counts for N workers are 2 N K in all for a server and for trees, through the server's port "
    "or the root's, and 2 K a worker for a ring. To be exact, a server that stands apart moves 2 N K, and a tree or a "
    "ring 2 (N - 1) K: a ring's worker sends 2 (N - 1) / N times K."
)
UNEXPLAINED = (
    "This folder has no critical path: the runs have more messages than a report follows. netsim explain follows all."
)
LIMITS = (
    "Packets, congestion control's transients and losses, the inside of a device, kernel fusion. Efficiencies of "
    "devices are assumptions, so trust differences between strategies more than absolute times."
)


def here(saved: Saved) -> str:
    """Where the first table was taken: "At 8 workers, for ring"; for a run, its number of workers."""
    workers = place("cluster.workers", int(saved.points["workers"].iloc[0]))
    return capital(at_the_rest(saved, saved.contender_axis).strip() or workers)


def title(saved: Saved) -> str:
    return str(saved.result["name"]).replace("_", " ")


def answer(saved: Saved) -> list[str]:
    """Paragraphs: a sweep asks how its axes change things, and is told first; then who wins at the base point and why.
    A comparison asks for the winner."""
    contender = saved.contender_axis
    here = " ".join(explain.verdict(_rows(saved, saved.at_base(contender)), contender).sentences)
    changes = [" ".join(said) for said in _changes(saved, contender)]
    paragraphs = [*changes, here] if saved.result.get("kind") == "sweep" else [here, *changes]
    paragraphs = [" ".join(_learnt(saved, contender)), *paragraphs]
    return [paragraph for paragraph in paragraphs if paragraph]


def _learnt(saved: Saved, contender: str | None) -> Iterator[str]:
    """Who reaches the loss that is aimed at first, and who does not."""
    rows = saved.at_base(contender)
    if "time_to_target_s" not in rows:
        return
    target = tomllib.loads(saved.scenario)["job"]["statistics"]["target"]
    names = [contender_name(saved, text(value)) or "the run" for value in rows[contender or "strategy"]]
    times = dict(zip(names, pd.to_numeric(rows["time_to_target_s"]), strict=True))
    reached = sorted((seconds, who) for who, seconds in times.items() if not pd.isna(seconds))
    never = [who for who, seconds in times.items() if pd.isna(seconds)]
    if reached:
        (first, who), *others = [(show(seconds, "s", digits=3), who) for seconds, who in reached]
        later = [f"{who} after {seconds}" for seconds, who in others]
        by_others = f"; by {listed(later)}" if later else ""
        yield f"A training loss of {target} is reached first by {who}, after {first}{by_others}."
    if never:
        yield f"In these runs {listed(never)} {'does' if len(never) == 1 else 'do'} not come to a loss of {target}."


def _changes(saved: Saved, contender: str | None) -> Iterator[list[str]]:
    """Along each axis that does not compete; along two of them first together, then each at the base of the other."""
    others = [path for path in saved.axes if path != contender and len(saved.axes[path].values) > 1]
    numeric = [path for path in others if saved.axes[path].numbers]
    if contender and len(others) == 2 and numeric:
        first = numeric[0]
        other = next(path for path in others if path != first)
        yield explain.how_two_change_it(_rows(saved, saved.points), contender, first, other)
    for path in others:
        said = explain.how_it_changes(_rows(saved, saved.at_base(contender, path)), contender, path)
        where = at_the_rest(saved, path, contender).strip()
        if where and said:
            said[0] = f"{capital(where)}: {said[0][:1].lower()}{said[0][1:]}"
        yield said


def _rows(saved: Saved, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Plain rows, with None where a cell is empty, and tables of the file told apart as shortly as can be."""
    short = {path: distinct(axis.values) for path, axis in saved.axes.items() if axis.has_tables}

    def cell(key: str, value: Any) -> Any:
        if isinstance(value, float) and pd.isna(value):
            return None
        return short[key].get(text(value), value) if key in short else value

    return [{str(key): cell(str(key), value) for key, value in row.items()} for row in frame.to_dict("records")]


def at_the_rest(saved: Saved, *free: str | None) -> str:
    """ " at 8 workers": the axes that stand at their base value."""
    fixed = [place(path, saved.base(path)) for path in saved.axes if path not in free]
    return f" {listed(fixed)}" if fixed else ""


def _exchanges(job: Mapping[str, Any]) -> str:
    if job.get("forward_only"):
        return "Nothing is trained: each worker gets the weights of its next forward pass when it has ended one."
    bucket: Any = job.get("bucket")
    when = "while the backward pass goes on" if job.get("overlap", True) else "after the backward pass"
    if isinstance(bucket, dict):
        return f"Gradients go into buckets by the rule {bucket.get('kind')}, exchanged {when}."
    words = {"layer": "Each layer's gradient is a bucket of its own", "all": "All gradients make one bucket"}
    return f"{words.get(bucket, f'Gradients go into buckets of {bucket}')}, exchanged {when}."


def assumptions(saved: Saved) -> list[str]:
    """What the base scenario takes for granted, from its resolved file."""
    try:
        scenario = tomllib.loads(saved.scenario)
    except tomllib.TOMLDecodeError:
        return []
    cluster, job = scenario.get("cluster", {}), scenario.get("job", {})
    sharing = {"fair": "share links fairly (max-min)", "fifo": "queue for links, first in, first out"}
    adding = cluster.get("reduction_rate")
    jitter = scenario.get("noise", {}).get("jitter", 0)
    said = [
        "Computing takes what a roofline says for each layer and batch, with the device's efficiencies, or the times "
        "that were measured where a profile is given.",
        f"Messages {sharing.get(cluster.get('sharing'), 'share links')}; each waits out its route's latency.",
        f"Hosts add gradients at {adding}." if adding else "Adding gradients takes no time.",
        _exchanges(job),
        f"Computing times vary from step to step: log-normal, deviation {jitter}." if jitter else "Nothing is random.",
    ]
    return said if cluster else []


def buying(saved: Saved, found: Mapping[str, Explained]) -> list[str]:
    """What to buy: for the fastest and for the slowest of the contenders, or for the one there is."""
    ranked = sorted(found, key=lambda each: float(found[each]["iteration_time_s"]))
    said = []
    for each in dict.fromkeys((ranked[0], ranked[-1])) if ranked else ():
        advice = str(found[each]["advice"])
        if advice:
            who = f"{opening(contender_name(saved, each), saved.contender_axis)}: " if saved.contender_axis else ""
            said.append(f"{who}{advice}" if who else capital(advice))
    return said


def contender_name(saved: Saved, recorded: str) -> str:
    """What figures call a contender that records name so; "" in a run, which has none."""
    return saved.short_label(saved.contender_axis, recorded) if saved.contender_axis else ""
