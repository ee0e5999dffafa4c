"""Every rule of `--check` holds of runs as they are, and finds a record that was tampered with."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import netsim
from netsim import loading
from netsim.engine import invariants
from netsim.engine.invariants import RULES, TRAFFIC_RULES, Run
from netsim.engine.messages import STUCK
from netsim.engine.plan import plan
from netsim.engine.run import simulate
from netsim.engine.single import collective
from netsim.errors import CheckError
from netsim.families import FAMILIES
from netsim.trace import NO_CAUSE, Columns, LinkBin, Trace, Update

BASE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {"workers": 3, "device": "v100", "link": {"rate": "1 Gbit/s", "latency": "25 us"}},
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [500], "units": 500, "name": name} for name in "abc"]},
        "batch": 4,
        "strategy": "ring",
        "bucket": "layer",
    },
}
ENGINES = ("auto", "simpy")
SERVERS = {"job.strategy": {"kind": "parameter_server", "mode": "async"}}


def played(changes: dict[str, Any] | None = None, engine: str = "simpy") -> Run:
    scenario = loading.from_table(BASE, changes or {})
    return Run(simulate(scenario, engine=engine, check=True), plan(scenario), True)


def broken(run: Run) -> set[str]:
    found = {rule.__name__ for rule in RULES if list(rule(run))}
    return found | {rule.__name__ for rule in TRAFFIC_RULES if list(rule(run.traffic))}


def tampered(run: Run, records: str, change: Any) -> Run:
    """The run with other rows of one kind of record: `change` gets them, and gives them back."""
    rows = list(getattr(run.trace, records))
    kind = type(rows[0])
    return replace(run, trace=replace(run.trace, **{records: Columns(kind, change(rows))}))


def first(**changes: Any) -> Any:
    """Changes the first row; a function gets the old value."""

    def change(rows: list[Any]) -> list[Any]:
        new = {name: each(getattr(rows[0], name)) if callable(each) else each for name, each in changes.items()}
        return [rows[0]._replace(**new), *rows[1:]]

    return change


def of_messages(**changes: Any) -> Any:
    """Changes the first message among the activities."""

    def change(rows: list[Any]) -> list[Any]:
        at = next(place for place, row in enumerate(rows) if row.kind == "message")
        return [*rows[:at], *first(**changes)(rows[at:])]

    return change


def twice_at_once(rows: list[Any]) -> list[Any]:
    """A message is there once more, at the same time, over the same links."""
    return [*rows, next(row for row in rows if row.kind == "message")]


def never_there(rows: list[Any]) -> list[Any]:
    """Others' messages are gone, so that nothing explains why the last one took so long."""
    messages = [row for row in rows if row.kind == "message"]
    slow = max(messages, key=lambda row: row.end - row.start - row.latency - row.wire)
    return [slow._replace(end=slow.end + 1.0, cause=NO_CAUSE)]


def swapped(rows: list[Update]) -> list[Update]:
    """The first two updates change their times."""
    return [rows[0]._replace(time=rows[1].time + 1.0), *rows[1:]]


def with_facts(run: Run, **facts: Any) -> Run:
    return replace(run, trace=replace(run.trace, facts={**run.trace.facts, **facts}))


CASES: dict[str, Any] = {
    "messages_take_ways_that_there_are": lambda: tampered(
        played(), "activities", of_messages(to=lambda to: (to + 1) % 3)
    ),
    "no_message_comes_before_it_is_sent": lambda: tampered(played(), "activities", of_messages(end=lambda t: t / 2)),
    "no_link_is_above_its_rate": lambda: tampered(played(), "activities", twice_at_once),
    "links_that_have_something_to_send_send": lambda: tampered(played(), "activities", never_there),
    "links_carry_what_was_sent_over_them": lambda: tampered(played(), "links", first(messages=lambda n: n + 1)),
    "links_are_busy_for_what_they_carry": lambda: tampered(played(), "links", first(busy=lambda t: t * 0.9)),
    "no_link_passes_more_than_failures_leave": lambda: tampered(
        played(), "link_bins", lambda rows: [rows[0]._replace(nbytes=1.01 * 125e6 * (rows[0].end - rows[0].start))]
    ),
    "engines_agree": lambda: with_facts(played(), why_simpy=STUCK),
    "what_is_exchanged_is_what_the_strategy_moves": lambda: with_facts(played(), wire_bytes=1.0),
    "parts_sum_to_steps": lambda: tampered(played(), "steps", first(compute=lambda t: t * 1.01)),
    "a_worker_does_one_step_after_the_other": lambda: tampered(
        played(), "steps", lambda rows: [row._replace(start=0.0) for row in rows]
    ),
    "a_worker_computes_one_thing_at_a_time": lambda: tampered(played(), "spans", first(end=lambda t: t * 2)),
    "nothing_begins_before_its_cause_has_ended": lambda: tampered(
        played(), "activities", lambda rows: [*rows[:-1], rows[-1]._replace(start=0.0)]
    ),
    "no_gradient_is_sent_before_it_is_computed": lambda: tampered(
        played(), "transfers", lambda rows: [row._replace(sent=0.0) for row in rows]
    ),
    "weights_go_forward": lambda: tampered(played(SERVERS), "updates", swapped),
    "nothing_is_faster_than_the_lower_bound": lambda: with_facts(played(), lower_bound_s=1e9),
}


SLIGHTLY = 1 + 1e-6
MORE: list[tuple[str, Any]] = [
    ("no_message_comes_before_it_is_sent", ("activities", of_messages(end=lambda t: t / SLIGHTLY))),
    ("no_link_is_above_its_rate", ("activities", of_messages(nbytes=lambda n: n * SLIGHTLY))),
    ("links_carry_what_was_sent_over_them", ("links", first(nbytes=lambda n: n * SLIGHTLY))),
    ("links_are_busy_for_what_they_carry", ("links", first(busy=lambda t: t / SLIGHTLY))),
    ("parts_sum_to_steps", ("steps", first(straggler_wait=lambda t: t - 1.0, compute=lambda t: t + 1.0))),
    ("a_worker_does_one_step_after_the_other", ("steps", first(end=lambda t: t * SLIGHTLY))),
    ("a_worker_computes_one_thing_at_a_time", ("spans", first(end=lambda t: t * SLIGHTLY))),
    (
        "no_gradient_is_sent_before_it_is_computed",
        ("transfers", lambda rows: [row._replace(sent=row.sent / SLIGHTLY) for row in rows]),
    ),
    ("nothing_begins_before_its_cause_has_ended", ("activities", lambda rows: [rows[0]._replace(cause=0), *rows[1:]])),
]
UPDATES: list[Any] = [
    lambda rows: [*rows, rows[0]],  # one counts twice
    lambda rows: [rows[0]._replace(held=rows[0].version), *rows[1:]],  # computed on weights that it led to
]


@pytest.mark.parametrize(("rule", "change"), MORE, ids=lambda it: it if isinstance(it, str) else "")
def test_a_rule_finds_what_was_tampered_with_a_little(rule: str, change: Any) -> None:
    assert rule in broken(tampered(played(), *change))


@pytest.mark.parametrize("change", UPDATES)
def test_gradients_count_once_and_for_weights_that_come_after_theirs(change: Any) -> None:
    assert list(invariants.weights_go_forward(tampered(played(SERVERS), "updates", change)))


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for rule in (*RULES, *TRAFFIC_RULES)} == set(CASES)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_what_was_tampered_with(rule: str) -> None:
    assert rule in broken(CASES[rule]())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("strategy", FAMILIES["strategies"].names())
def test_runs_of_every_strategy_keep_all_rules(strategy: str, engine: str) -> None:
    for slices in (1, 3):
        assert not broken(played({"job.strategy": {"kind": strategy, "slices": slices}}, engine))


DISTURBED: list[dict[str, Any]] = [
    {"cluster.fault": [{"link": "worker1.up", "at": "1 ms", "lasts": "5 ms"}]},
    {"cluster.sharing": "fifo", "cluster.fault": [{"link": "worker1.up", "at": "1 ms", "lasts": "5 ms"}]},
    {"cluster.traffic": [{"size": "100 kB", "rate": "0.2 Gbit/s"}]},
    {"cluster.sharing": "fifo", "cluster.link.burst": "50 kB", "cluster.link.flow_rate": "0.3 Gbit/s"},
    {"cluster.stop": [{"host": "worker1", "at": "2 ms", "lasts": "5 ms"}]},
    {"cluster.link.overhead": "10 us", "cluster.link.flow_rate": "0.3 Gbit/s"},
    {"cluster.link.duplex": "half", "noise.jitter": 0.3},
    {"job.strategy": {"kind": "ring", "slices": 4, "in_flight": 2, "rendezvous": True}, "cluster.sharing": "fifo"},
    {"job.sharding": "zero3"},
    {"job.schedule": "priority", "job.partition": "100 kB"},
    {"job.strategy": {"kind": "parameter_server", "mode": "sync", "backup": 1}},
    {"job.strategy": {"kind": "parameter_server", "mode": "ssp", "placement": "colocated", "servers": 2}},
]


@pytest.mark.parametrize("changes", DISTURBED, ids=lambda changes: next(iter(changes)))
def test_runs_that_are_disturbed_keep_all_rules(changes: dict[str, Any]) -> None:
    assert not broken(played(changes))


def test_what_is_broken_is_told_with_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    run = played()
    early = tampered(run, "activities", of_messages(end=lambda t: t / 2)).trace
    with pytest.raises(CheckError, match=r"no message comes before it is sent: a message from worker\d to worker\d"):
        invariants.check_run(early, run.plan, whole=True)


def test_the_environment_has_every_run_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Trace] = []
    monkeypatch.setattr("netsim.engine.run.check_run", lambda trace, *_, **__: looked.append(trace))
    scenario = loading.from_table(BASE)
    simulate(scenario, detail="summary")
    monkeypatch.setenv("NETSIM_CHECK", "0")
    simulate(scenario, detail="summary")
    assert len(looked) == 1


@pytest.mark.parametrize("sharing", ["fair", "fifo"])
@pytest.mark.parametrize("kind", FAMILIES["collectives"].names())
def test_collectives_keep_all_rules_and_engines_agree(kind: str, sharing: str) -> None:
    ranks = 4
    result = netsim.allreduce(
        kind, ranks=ranks, size="1 MB", rate="1 GB/s", latency="10 us", sharing=sharing, check=True
    )
    assert result.ranks == ranks
    none = netsim.allreduce(
        {"kind": kind, "operation": "barrier"}, ranks=ranks, size="0 B", rate="1 GB/s", latency="0 s", check=True
    )
    assert (none.time_s, none.wire_bytes) == (0.0, 0.0)


def test_an_engine_that_disagrees_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = FAMILIES["collectives"].build("ring")
    from netsim.engine.fast import engine as fast

    true = fast.play
    monkeypatch.setattr(fast, "play", lambda *given, **more: (2 * true(*given, **more)[0], true(*given, **more)[1]))
    with pytest.raises(CheckError, match=r"engines agree: the fast one says .* seconds, the reference"):
        collective(ring, ranks=4, size=1e6, rate=1e9, latency=1e-5, check=True)


def test_shares_of_a_links_rate_are_added_up_over_time() -> None:
    changes = [(1.0, 0.5), (3.0, 0.0), (4.0, 1.0)]
    assert invariants._whole_seconds(changes, 0.0, 5.0) == pytest.approx(1 + 2 * 0.5 + 0 + 1)
    assert invariants._whole_seconds([], 2.0, 5.0) == 3.0


def test_bins_of_a_failed_link_may_hold_nothing() -> None:
    run = played({"cluster.fault": [{"link": "worker1.up", "at": "0 s", "lasts": "5 ms"}]})
    inside = Columns(LinkBin, [LinkBin("worker1.up", 1e-3, 2e-3, 10.0)])
    assert "no_link_passes_more_than_failures_leave" in broken(replace(run, trace=replace(run.trace, link_bins=inside)))
    assert np.all(run.trace.link_bins["nbytes"] >= 0)


@pytest.mark.parametrize(
    ("end", "told"), [(9.0, []), (17.0, []), (17.1, ["it took 12.1 s; its links had work for 12 s of it"])]
)
def test_what_was_gone_before_a_message_was_sent_does_not_explain_how_long_it_took(end: float, told: list[str]) -> None:
    """10 bytes from 0 on, 1 from 1 on, and 2 from 5 on share a link of 1 byte/s: they are there at 13, 3 and 9 s. The
    last one may have waited for the first, of which it is not known when it had how much, but not for the second."""
    traffic: Any = SimpleNamespace(
        complete=True,
        undisturbed=True,
        whole_ways=True,
        latency=np.zeros(3),
        by_link={0: np.arange(3)},
        start=np.asarray([0.0, 1.0, 5.0]),
        sent=np.asarray([0.0, 1.0, 5.0]),
        end=np.asarray([13.0, 3.0, end]),
        nbytes=np.asarray([10.0, 1.0, 2.0]),
        topology=SimpleNamespace(rates=[1.0]),
        told=lambda row: "it",
    )
    assert list(invariants.links_that_have_something_to_send_send(traffic)) == told
