"""What must hold of any run, whatever is simulated: `--check` holds a trace to it, one function a rule.

Rules look at records alone, and at what was known before the run (plan.py); none asks an engine how it came to them.
What a trace did not record is not checked: `detail="full"`, which `check` asks for, records all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from netsim.engine.messages import STUCK
from netsim.engine.plan import Plan
from netsim.engine.record.sent import Traffic, traffic_of
from netsim.errors import CheckError
from netsim.trace import NO_CAUSE, Trace
from netsim.training.parameter_server import ParameterServer
from netsim.units import show

Numbers = npt.NDArray[np.float64]
_SHARE = 1e-9  # of bytes or seconds: what is summed in other orders differs by less
_DUST = 1e-11  # of the time on the clock: what a difference of two such times may be off by
_MOST_WINDOWS = 64  # of each link, that begin with a message
_SHOWN = 10  # violations in a message


@dataclass(frozen=True)
class Run:
    """A trace and the plan that it was played by. `whole`: it has the records of all iterations."""

    trace: Trace
    plan: Plan
    whole: bool

    @cached_property
    def traffic(self) -> Traffic:
        plain = self.plan.undisturbed and all(link.unpriced for link in self.plan.links)
        rerouted = self.trace.scenario.cluster.on_failure == "reroute" and len(self.trace.interruptions)
        topology = self.plan.topology
        return traffic_of(self.trace, topology, complete=self.whole, undisturbed=plain, whole_ways=not rerouted)

    @cached_property
    def length(self) -> float:
        """Seconds until the last worker has ended its last step."""
        return float(self.trace.steps["end"].max(initial=0.0))

    @cached_property
    def bursts(self) -> dict[str, float]:
        """Bytes that links pass at once, by name, of those that do."""
        return dict(zip(self.plan.topology.names, self.plan.topology.bursts, strict=False))

    @property
    def dust(self) -> float:
        return _DUST * self.length

    @property
    def servers(self) -> bool:
        return isinstance(self.plan.strategy, ParameterServer)

    @property
    def in_step(self) -> bool:
        """Whether every worker does every iteration, once."""
        return not self.plan.at_once and not self.plan.stops and self.plan.needed == self.plan.workers


Violations = Iterator[str]
RULES: list[Callable[[Run], Violations]] = []
TRAFFIC_RULES: list[Callable[[Traffic], Violations]] = []


def rule(check: Callable[[Run], Violations]) -> Callable[[Run], Violations]:
    """Has the function look at every run that is checked."""
    RULES.append(check)
    return check


def traffic_rule(check: Callable[[Traffic], Violations]) -> Callable[[Traffic], Violations]:
    """Has the function look at the messages of every run, and of every collective, that is checked."""
    TRAFFIC_RULES.append(check)
    return check


def check_run(trace: Trace, plan: Plan, *, whole: bool) -> None:
    """CheckError with what broke which rule."""
    run = Run(trace, plan, whole)
    found = [f"{_said(each)}: {told}" for each in RULES for told in each(run)]
    _raise(found + _of_traffic(run.traffic))


def check_collective(traffic: Traffic, seconds: float, other: tuple[float, int, float] | str) -> None:
    """CheckError with what broke which rule: of the messages of a collective that took the reference so many seconds,
    and of the other engine's seconds, messages and bytes, or why it did not play it."""
    found = _of_traffic(traffic)
    if isinstance(other, str):
        found += _got_stuck(other)
    else:
        reference = seconds, len(traffic.nbytes), float(traffic.nbytes.sum())
        figures = zip(("seconds", "messages", "bytes"), other, reference, strict=True)
        found += [
            f"engines agree: the fast one says {quick:.12g} {what}, the reference {slow:.12g}"
            for what, quick, slow in figures
            if abs(quick - slow) > _SHARE * slow
        ]
    _raise(found)


def _got_stuck(why_simpy: str | None) -> list[str]:
    return ["engines agree: the fast one got stuck, the reference did not"] if why_simpy == STUCK else []


def always() -> bool:
    """Whether the environment wants every run to be checked."""
    return os.environ.get("NETSIM_CHECK", "") not in ("", "0")


def _of_traffic(traffic: Traffic) -> list[str]:
    return [f"{_said(each)}: {told}" for each in TRAFFIC_RULES for told in each(traffic)]


def _raise(found: list[str]) -> None:
    if found:
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        told = "\n  ".join(
            ["the run broke rules that hold of any run; this is a bug of netsim:", *found[:_SHOWN], *more]
        )
        raise CheckError(told)


def _said(check: Callable[..., Any]) -> str:
    return check.__name__.replace("_", " ")


@rule
def engines_agree(run: Run) -> Violations:
    """Where the reference ended, the fast engine had not found that nothing can move any more."""
    yield from _got_stuck(run.trace.facts["why_simpy"])


# Of messages and links


@traffic_rule
def messages_take_ways_that_there_are(traffic: Traffic) -> Violations:
    """From link to link, from the source to the destination."""
    for src, dst, route in {(*ends, route) for *ends, route in zip(*traffic.places, strict=True)}:
        reached = {traffic.hosts[src]}
        for link in traffic.routes[route]:
            one, other = traffic.topology.ends[link]
            both = link in traffic.topology.both_ways
            reached = {to for at, to in ((one, other), (other, one) if both else (one, other)) if at in reached}
        if traffic.hosts[dst] not in reached:
            yield f"{traffic.between(src, dst)} went over {', '.join(traffic.named(route)) or 'no link'}"


@traffic_rule
def no_message_comes_before_it_is_sent(traffic: Traffic) -> Violations:
    """Nor sooner than the latency of its route and the rate of its slowest link allow."""
    for row in _rows(~((traffic.sent <= traffic.start) & (traffic.start <= traffic.end))):
        times = (
            f"sent at {traffic.sent[row]:.9g} s, begun at {traffic.start[row]:.9g} s, there at {traffic.end[row]:.9g} s"
        )
        yield f"{traffic.told(row)} was {times}"
    if not traffic.whole_ways:
        return
    took, least = traffic.end - traffic.sent, traffic.latency + traffic.wire
    for row in _rows(took < least * (1 - _SHARE) - _DUST * traffic.end):
        yield f"{traffic.told(row)} took {took[row]:.9g} s; its route needs {least[row]:.9g} s"


@traffic_rule
def no_link_is_above_its_rate(traffic: Traffic) -> Violations:
    """In any stretch of time that begins with one message and ends with another: what began and ended within it passed
    the link within it, at its rate, and a burst once."""
    if not traffic.whole_ways:
        return
    for link, rows in traffic.by_link.items():
        rate, rows = traffic.topology.rates[link], rows[np.argsort(traffic.end[rows], kind="stable")]
        starts, ends, nbytes = traffic.start[rows], traffic.end[rows], traffic.nbytes[rows]
        chosen = np.unique(starts)
        for begin in chosen[:: max(1, len(chosen) // _MOST_WINDOWS)]:
            within = starts >= begin
            passed, until = np.cumsum(nbytes[within]), ends[within]
            could = rate * ((until - begin) * (1 + _SHARE) + _DUST * until) + traffic.burst(link) * (1 + _SHARE)
            if (over := np.flatnonzero(passed > could)).size:
                span = f"from {begin:.9g} s to {until[over[0]]:.9g} s"
                told = f"{passed[over[0]]:.9g} B {span}; it could pass {could[over[0]]:.9g} B"
                yield f"{traffic.topology.names[link]} passed {told}"
                break


@traffic_rule
def links_that_have_something_to_send_send(traffic: Traffic) -> Violations:
    """A message is not longer on its way than its links need for all that shared them with it in that time."""
    if not (traffic.complete and traffic.undisturbed and traffic.whole_ways):
        return  # what was not recorded may have been on the links, too
    explained = traffic.latency.copy()
    for link, rows in traffic.by_link.items():
        begun, ended = np.argsort(traffic.start[rows]), np.argsort(traffic.end[rows])
        so_far = [np.concatenate(([0.0], np.cumsum(traffic.nbytes[rows][order]))) for order in (begun, ended)]
        before = np.searchsorted(traffic.start[rows][begun], traffic.end[rows], side="left")
        gone = np.searchsorted(traffic.end[rows][ended], traffic.sent[rows], side="right")
        work = so_far[0][before] - so_far[1][gone]  # less than none where a burst was passed at once
        explained[rows] += np.maximum(work, 0.0) / traffic.topology.rates[link]
    took = traffic.end - traffic.sent
    for row in _rows(took > explained * (1 + _SHARE) + _DUST * traffic.end):
        yield f"{traffic.told(row)} took {took[row]:.9g} s; its links had work for {explained[row]:.9g} s of it"


@traffic_rule
def links_carry_what_was_sent_over_them(traffic: Traffic) -> Violations:
    """The bytes and the messages that a link counted are those of the records, which name one way of each message."""
    if not (traffic.complete and traffic.whole_ways):
        return
    for link, (name, counted, number) in enumerate(
        zip(traffic.topology.names, traffic.carried, traffic.counts, strict=True)
    ):
        rows = traffic.by_link.get(link, np.zeros(0, dtype=np.int64))
        nbytes = float(traffic.nbytes[rows].sum())
        if number != len(rows) or abs(nbytes - counted) > _SHARE * max(nbytes, counted):
            yield f"{name} counted {number} messages, {counted:.9g} B; the records have {len(rows)}, {nbytes:.9g} B"


# Of runs


@rule
def links_are_busy_for_what_they_carry(run: Run) -> Violations:
    """For as long as their bytes need, and no longer than the run; a link with a burst passes some in no time."""
    for use in run.trace.links:
        burst = run.bursts.get(use.link, 0.0)
        could = use.rate * run.length + burst if burst else use.rate * use.busy
        if use.nbytes > could * (1 + _SHARE) + use.rate * run.dust:
            yield f"{use.link} carried {use.nbytes:.9g} B in {use.busy:.9g} busy seconds at {show(use.rate, 'B/s')}"


@rule
def no_link_passes_more_than_failures_leave(run: Run) -> Violations:
    """In any stretch of time, everybody's bytes together, at the rates that links had then."""
    changes: dict[str, list[tuple[float, float]]] = {}
    for change in run.trace.link_changes:
        changes.setdefault(change.link, []).append((change.time, change.share))
    rates = {use.link: use.rate for use in run.trace.links}
    for each in run.trace.link_bins:
        could = rates[each.link] * _whole_seconds(changes.get(each.link, []), each.start, each.end)
        could += 2 * run.bursts.get(each.link, 0.0)  # twice: where a message has a cap, it is known on the mean alone
        if each.nbytes > could * (1 + 1e-6) + rates[each.link] * run.dust:
            span = f"from {each.start:.9g} s to {each.end:.9g} s"
            yield f"{each.link} passed {each.nbytes:.9g} B {span}; it could pass {could:.9g} B"


def _whole_seconds(changes: list[tuple[float, float]], start: float, end: float) -> float:
    """Seconds of a stretch of time, each counted by the share of its rate that a link has then."""
    times = [(-np.inf, 1.0), *changes, (np.inf, 0.0)]
    return math.fsum(max(0.0, min(end, until) - max(start, at)) * share for (at, share), (until, _) in pairwise(times))


@rule
def what_is_exchanged_is_what_the_strategy_moves(run: Run) -> Violations:
    """Every gradient goes round once: bytes between hosts are those of the strategy's count, in every iteration."""
    facts, plan = run.trace.facts, run.plan
    formula = facts["formula_wire_bytes"] * facts["iterations"]
    if run.in_step and abs(facts["wire_bytes"] - formula) > _SHARE * max(formula, 1.0):
        told = f"{facts['wire_bytes']:.9g} B were delivered in {facts['iterations']} iterations"
        yield f"{told}; {facts['strategy']} among {plan.workers} moves {formula:.9g} B"


@rule
def parts_sum_to_steps(run: Run) -> Violations:
    """Computing, waiting for stragglers, exposed communication and standing still; none is negative."""
    steps = run.trace.steps
    parts = [steps[part] for part in ("compute", "straggler_wait", "exposed_communication", "stopped")]
    length = steps["end"] - steps["start"]
    off = np.abs(sum(parts) - length) > _SHARE * length + _DUST * steps["end"]
    negative = np.min([part + _DUST * steps["end"] for part in parts], axis=0) < 0
    for row in _rows(off | negative):
        told = " + ".join(f"{part[row]:.9g}" for part in parts)
        yield f"{_step(run, row)}: {told} s, of {length[row]:.9g} s"


@rule
def a_worker_does_one_step_after_the_other(run: Run) -> Violations:
    """Each begins when the one before has ended, or later."""
    steps = run.trace.steps
    order = np.lexsort((steps["start"], steps["worker"]))
    same = steps["worker"][order][1:] == steps["worker"][order][:-1]
    early = steps["start"][order][1:] < steps["end"][order][:-1] * (1 - _DUST)
    for row in order[1:][same & early].tolist():
        yield f"{_step(run, row)} began at {steps['start'][row]:.9g} s, before the one before had ended"


@rule
def a_worker_computes_one_thing_at_a_time(run: Run) -> Violations:
    """What it did in forward and backward passes and updates is one after the other."""
    spans = run.trace.spans
    rows = np.flatnonzero(np.isin(spans["phase"], ("forward", "backward", "update")))
    rows = rows[np.lexsort((spans["start"][rows], spans["host"][rows]))]
    same = spans["host"][rows][1:] == spans["host"][rows][:-1]
    early = spans["start"][rows][1:] < spans["end"][rows][:-1] * (1 - _SHARE) - run.dust
    for row in rows[1:][same & early].tolist():
        where = f"{run.trace.hosts[spans['host'][row]]} in iteration {spans['iteration'][row]}"
        what = f"{spans['phase'][row]} {spans['name'][row]}"
        yield f"{where} began {what} at {spans['start'][row]:.9g} s, in the midst of something else"


@rule
def nothing_begins_before_its_cause_has_ended(run: Run) -> Violations:
    """Of everything that took time it is known what released it."""
    did = run.trace.activities
    causes = did["cause"]
    for row in _rows(causes != NO_CAUSE):
        cause = causes[row]
        if cause >= row or did["end"][cause] > did["start"][row] + run.dust:
            what = f"{did['kind'][row]} {did['name'][row]} of {run.trace.hosts[did['host'][row]]}"
            led = f"{did['kind'][cause]}, which led to it, ended at {did['end'][cause]:.9g} s"
            yield f"{what} began at {did['start'][row]:.9g} s; {led}"


@rule
def no_gradient_is_sent_before_it_is_computed(run: Run) -> Violations:
    """A worker sends a bucket once it has gone backward through its layers. Servers send others' sums."""
    if run.servers or run.plan.stops or run.plan.scenario.job.sharding == "zero3":
        return
    ready = _backward_ends(run)
    for sent in run.trace.transfers:
        known = ready.get((sent.src, sent.iteration, sent.label))
        if known is not None and sent.sent < known - run.dust:
            ends = f"{run.trace.hosts[sent.src]} to {run.trace.hosts[sent.dst]}"
            told = f"{sent.label} went from {ends} at {sent.sent:.9g} s in iteration {sent.iteration}"
            yield f"{told}; it was computed by {known:.9g} s"


def _backward_ends(run: Run) -> dict[tuple[int, int, str], float]:
    """When each worker has gone backward through the layers of each bucket, by iteration."""
    last: dict[tuple[int, int, str], float] = {}
    for span in run.trace.spans:
        if span.phase == "backward":
            key = span.host, span.iteration, span.name
            last[key] = max(last.get(key, 0.0), span.end)
    steps = {(worker, iteration) for worker, iteration, _ in last}
    layers = {bucket.name: [run.plan.layers[layer] for layer in bucket.layers] for bucket in run.plan.buckets}
    return {
        (*step, bucket): max(last.get((*step, name), 0.0) for name in names)
        for step in steps
        for bucket, names in layers.items()
    }


@rule
def weights_go_forward(run: Run) -> Violations:
    """A gradient is of weights that there were; versions follow one another in time; none counts twice."""
    updates = run.trace.updates
    kept = updates["version"] > 0
    for row in _rows(kept & (updates["held"] >= updates["version"])):
        numbers = f"on weights {updates['held'][row]} for weights {updates['version'][row]}"
        yield f"{_gradient(run, row)} was computed {numbers}"
    rows = np.flatnonzero(kept)[np.argsort(updates["version"][kept], kind="stable")]
    for row in rows[1:][np.diff(updates["time"][rows]) < -run.dust].tolist():
        yield f"{_gradient(run, row)} was applied before the weights that it follows"
    if not run.plan.stops:
        pairs = np.stack([updates["worker"], updates["iteration"]])
        again = pairs.shape[1] - np.unique(pairs, axis=1).shape[1]
        if again:
            yield f"{again} gradients became part of the weights a second time"


@rule
def nothing_is_faster_than_the_lower_bound(run: Run) -> Violations:
    """The time of an iteration is at least what no schedule can beat."""
    bound, found = run.trace.facts["lower_bound_s"], run.trace.summary()["iteration_time_s"]
    if bound is not None and found < bound * (1 - _SHARE):
        yield f"an iteration took {found:.9g} s; its bound is {bound:.9g} s"


def _rows(broken: npt.NDArray[np.bool_]) -> list[int]:
    """Where a rule does not hold."""
    return list(np.flatnonzero(broken).tolist())


def _step(run: Run, row: int) -> str:
    steps = run.trace.steps
    return f"{run.trace.hosts[steps['worker'][row]]}, iteration {steps['iteration'][row]}"


def _gradient(run: Run, row: int) -> str:
    updates = run.trace.updates
    return f"the gradient of {run.trace.hosts[updates['worker'][row]]} in its iteration {updates['iteration'][row]}"
