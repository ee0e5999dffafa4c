"""An explanation, and how it is told: in sentences, as HTML, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from netsim.explain.path import CriticalPath
from netsim.explain.sensitivities import STRATEGY, Sensitivity
from netsim.markup import bar, paragraphs, table
from netsim.trace import Trace
from netsim.units import show
from netsim.wording import capital, listed, number_text, part_name, percent_text

_SMALL = 0.005  # share of an iteration: less goes unsaid
_WORTH = 0.02  # share of an iteration that is worth money
_FEW = 3
_MOST = 0.6  # share of the time on links: a host that has it is the one that is waited for
_CLOSE = 1.005  # times the lower bound: as good as the bound


@dataclass(frozen=True)
class Explanation:
    """Why an iteration takes its time; times in s, of an iteration on the mean over the run."""

    summary: dict[str, Any]  # of the run
    path: CriticalPath
    bounds: dict[str, float | None]
    sensitivities: tuple[Sensitivity, ...]
    trace: Trace = field(repr=False)

    def _repr_html_(self) -> str:
        """The sentences, the parts of the path, and what would help, in notebooks."""
        whole = self.path.length or 1.0
        parts = sorted(self.path.decomposition.items(), key=lambda each: -each[1])
        path = [
            (part_name(part), show(each, "s"), f"{each / whole:.1%}", bar(each / whole)) for part, each in parts if each
        ]
        helps = [
            (each.change, "–" if each.predicted_s is None else show(each.predicted_s, "s"), show(each.simulated_s, "s"),
             f"{-each.saves_share:+.1%}", "path changed" if each.path_changed else "")
            for each in self.sensitivities
        ]  # fmt: skip
        said = paragraphs(told(self)) + table(path, headers=("critical path", "an iteration", "share", ""))
        return said + (table(helps, headers=("if", "predicted", "simulated", "change", "")) if helps else "")

    def as_dict(self) -> dict[str, Any]:
        """What `netsim explain --json` prints."""
        kept = ("scenario", "engine", "seed", "strategy", "model", "workers", "iterations", "iteration_time_s")
        return {
            **{key: self.summary[key] for key in kept},
            "decomposition": self.path.decomposition,
            "bottleneck": self.path.bottleneck,
            "compute_by_layer": self.path.by("compute"),
            "time_by_link": self.path.by_link,
            "waiting_by_rival": self.path.by("sharing", "queueing"),
            "bounds": self.bounds,
            "sensitivities": [each.as_dict() for each in self.sensitivities],
        }


def told(explained: Explanation) -> tuple[str, ...]:
    """What takes the time, what is the bottleneck, what would help, and how far from the possible this is."""
    why = (_what(explained), _made_of(explained), *_bottleneck(explained), *_busiest(explained))
    return (*why, *_help(explained), *_bounds(explained)) if explained.sensitivities else why


def advice(explained: Explanation) -> str:
    """What to buy or to set otherwise, in a sentence: what helps most as the strategy is; "" if nothing does."""
    kept = [each for each in explained.sensitivities if not each.change.startswith(STRATEGY)]
    tried = [each for each in kept if not each.change.endswith("links 10 % faster")]  # nor twice
    good = [each for each in tried if each.saves_share >= _WORTH]
    idle = [each.change for each in tried if each.predicted_s is not None and abs(each.saves_share) < _SMALL]
    if not good:
        return ""
    said = [f"{each.change} {'would make it ' if each is good[0] else ''}{_short(each)}" for each in good[:_FEW]]
    nothing = f"; {listed(idle)} would hardly be felt" if idle else ""
    return f"{', '.join(said)}{nothing}."


def _short(each: Sensitivity) -> str:
    changed = (
        f", not {_seconds(each.predicted_s)}, since the path changes" if each.predicted_s and each.path_changed else ""
    )
    return f"{_seconds(each.simulated_s)} ({percent_text(each.saves_share)} less{changed})"


def link_name(link: str) -> str:
    """ "server0.down" as people say it: "server0's incoming port"."""
    host, _, way = link.rpartition(".")
    ways = {"up": "outgoing", "down": "incoming", "both": "half-duplex"}
    return f"{host}'s {ways[way]} port" if host and way in ways else f"link {link}"


def _seconds(seconds: float) -> str:
    return show(seconds, "s", digits=3)


def _share(part: float, total: float) -> str:
    return percent_text(float(f"{part / total:.9g}"))  # so that a half is rounded alike, whatever dust there is


def _what(explained: Explanation) -> str:
    summary = explained.summary
    workers = summary["workers"]
    who = f"{workers} worker{'' if workers == 1 else 's'}"
    strategy = "" if workers == 1 else f" with {summary['strategy'].replace('_', ' ')}"
    return f"An iteration of {summary['model']} takes {_seconds(summary['iteration_time_s'])} on {who}{strategy}."


def _made_of(explained: Explanation) -> str:
    parts, total = explained.path.decomposition, explained.path.length
    large = sorted(parts.items(), key=lambda each: -each[1])
    said = [
        f"{_share(seconds, total)} {part_name(part)} ({_seconds(seconds)})"
        for part, seconds in large
        if seconds >= _SMALL * total
    ]
    return f"Its critical path is {listed(said)}."


def _bottleneck(explained: Explanation) -> Iterator[str]:
    path, total = explained.path, explained.path.length
    if path.bottleneck == "compute":
        layer, seconds = next(iter(path.by("compute").items()))
        rest = total - path.decomposition["compute"]
        least = (
            f": a faster network cannot save more than {_seconds(rest)}"
            if rest > 1e-9 * total
            else ", and nothing else"
        )
        yield f"The bottleneck is computing{least}. The longest layer, {layer}, takes {_seconds(seconds)}."
    elif path.bottleneck.startswith("link "):
        yield _link(explained)
    else:
        said = {"stragglers": "waiting for stragglers"}.get(path.bottleneck, part_name(path.bottleneck))
        yield f"The bottleneck is {said}."


def _busiest(explained: Explanation) -> Iterator[str]:
    """What the totals of the run name instead, which count an exchange in full, also what computing hides of it."""
    named, waited = str(explained.summary["bottleneck"]), explained.path.bottleneck
    if named.split(" ")[0] != waited.split(" ")[0]:
        words = {"compute": "computing", "stragglers": "waiting for stragglers"}
        what = link_name(named.removeprefix("link ")) if named.startswith("link ") else words.get(named, named)
        yield f"By busy time, waited for or not, it would be {what}, which is what netsim run names."


def _link(explained: Explanation) -> str:
    """Which links the path waits for: one host's, or many alike; and what the busiest carries."""
    path, summary = explained.path, explained.summary
    whole, waits = math.fsum(path.by_link.values()), math.fsum(path.by("sharing", "queueing").values())
    hosts: dict[str, dict[str, float]] = {}
    for link, seconds in path.by_link.items():
        hosts.setdefault(link.rpartition(".")[0], {})[link] = seconds
    ports = max(hosts.values(), key=lambda links: math.fsum(links.values()))
    if math.fsum(ports.values()) > _MOST * whole:
        over = listed([f"{link_name(link)} for {_seconds(seconds)}" for link, seconds in ports.items()])
    else:
        link, seconds = next(iter(path.by_link.items()))
        over = f"links for {_seconds(whole)}, most on {link_name(link)} ({_seconds(seconds)})"
    shared = f"; {_share(waits, whole)} of that while others use them" if waits >= _SMALL * whole else ""
    busiest, nbytes = summary["busiest_link"], summary["busiest_link_bytes_per_iteration"]
    carried = f" {capital(link_name(busiest))} carries {show(nbytes, 'B', digits=3)} an iteration." if busiest else ""
    return f"The bottleneck is the network: the path waits on {over}{shared}.{carried}"


def _help(explained: Explanation) -> Iterator[str]:
    """What helps most as the strategy is, what another strategy would do, and what would be money for nothing."""
    kept = [each for each in explained.sensitivities if not each.change.startswith(STRATEGY)]
    good = [each for each in kept if each.saves_share >= _SMALL]
    if good:
        yield f"What would help most: {'; '.join(f'{each.change} ({_outcome(each)})' for each in good[:_FEW])}."
    idle = [each.change for each in kept if each.predicted_s and abs(each.saves_share) < _SMALL]
    if idle:
        yield f"{capital(listed(idle))} would hardly be felt."
    yield from _others([each for each in explained.sensitivities if each.change.startswith(STRATEGY)])


def _others(tried: Sequence[Sensitivity]) -> Iterator[str]:
    """What the other strategies do, which are in order of what they save."""
    names = {each: each.change.removeprefix(STRATEGY) for each in tried}
    faster = [f"{name} ({_outcome(each)})" for each, name in names.items() if each.saves_share >= _SMALL]
    same = [f"{name} ({_signed(each)})" for each, name in names.items() if abs(each.saves_share) < _SMALL]
    slower = [f"{name} ({_signed(each)})" for each, name in names.items() if each.saves_share <= -_SMALL]
    if faster:
        yield f"Faster with another strategy: {listed(faster)}."
    if same:
        yield f"About as fast: {listed(same)}."
    if slower:
        yield f"Slower: {listed(slower)}."


def _signed(each: Sensitivity) -> str:
    """By how much longer or shorter an iteration is: 0.3 % less."""
    share = abs(100 * each.saves_share)
    said = f"{share:.1f} %" if share < 1 else percent_text(share / 100)
    return f"{said} {'less' if each.saves_s > 0 else 'more'}" if share >= 0.05 else "the same"


def _outcome(each: Sensitivity) -> str:
    least = f"{_seconds(each.simulated_s)}, {percent_text(each.saves_share)} less"
    if each.predicted_s is None:
        return least
    if each.path_changed:
        return f"{least}; the critical path predicted {_seconds(each.predicted_s)}, but the path changed"
    return f"{least}, as the critical path predicts"


def _bounds(explained: Explanation) -> Iterator[str]:
    """Nothing of one worker, which has nobody to exchange with."""
    if explained.summary["workers"] == 1:
        return
    bounds, total = explained.bounds, explained.path.length
    parts = [
        f"{_seconds(seconds)} {words}"
        for key, words in (
            ("compute_only_s", "if only computing took time"),
            ("bandwidth_only_s", "if only bytes did"),
            ("latency_only_s", "if only latency did"),
        )
        if (seconds := bounds[key]) is not None
    ]
    yield f"An iteration would take {listed(parts)}."
    least = bounds["lower_bound_s"]
    if least:
        factor = total / least
        yield (
            f"However these buckets are exchanged, an iteration takes at least {_seconds(least)}: this one "
            + ("takes no longer." if factor < _CLOSE else f"takes {number_text(factor)} x as long.")
        )
