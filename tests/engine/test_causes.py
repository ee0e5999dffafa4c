"""Every activity of a run knows the one whose end let it begin, whatever is played, however links are shared.

Where this fails for something new: a wait that takes time has no name (`lasting` in engine/record/causes.py gives it
one), or a message was not sent in the course of what released it.
"""

from __future__ import annotations

from itertools import pairwise
from math import isclose
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netsim import loading
from netsim.collectives._libraries import Library
from netsim.engine.run import simulate
from netsim.explain.path import critical_path
from netsim.families import FAMILIES
from netsim.scenario import Scenario
from netsim.trace import NO_CAUSE, Columns, Trace, Transfer
from netsim.training.parameter_server import ParameterServer

BASE: dict[str, Any] = {
    "iterations": 2,
    "cluster": {
        "group": [{"count": 3}, {"count": 2, "slowdown": 1.5}],
        "device": "v100",
        "link": {"rate": "1 Gbit/s", "latency": "25 us"},
        "reduction_rate": "5 GB/s",
    },
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [500], "units": 500, "name": name} for name in "abcd"]},
        "batch": 4,
        "strategy": "ring",
        "bucket": "layer",
    },
}
NETWORKS: dict[str, dict[str, Any]] = {
    "fair": {},
    "fifo": {"cluster.sharing": "fifo"},
    "priced": {"cluster.link.overhead": "10 us", "cluster.link.gap": "30 us", "cluster.link.flow_rate": "0.3 Gbit/s"},
    "windows": {"cluster.link.window": "200 kB"},
    "half duplex": {"cluster.link.duplex": "half", "cluster.reduction_rate": "0.1 GB/s"},
}
FLIGHTS = [
    *({"kind": name, "slices": 5, "in_flight": 2} for name in ("ring", "tree", "direct", "double_binary_tree")),
    *({"kind": "ring", "library": library} for library in get_args(Library)),
]
LARGE = [{"kind": "dense", "input_shape": [2500], "units": 2000, "name": name} for name in "ab"]  # of 20 MB
MODES = get_args(get_type_hints(ParameterServer)["mode"])
KINDS = [
    *({"kind": name, "slices": slices} for name in FAMILIES["strategies"].names() for slices in (1, 3)),
    *FLIGHTS,
    *({"kind": "parameter_server", "mode": mode, "servers": 2} for mode in MODES),
    *({"kind": "parameter_server", "mode": mode, "placement": "colocated", "keys": "whole"} for mode in MODES),
]


def played(changes: dict[str, Any], detail: str = "full") -> Trace:
    return simulate(loading.from_table(BASE, changes), engine="simpy", detail=detail)


def begins_when_its_cause_ends(trace: Trace) -> None:
    start, end, cause = (trace.activities[column] for column in ("start", "end", "cause"))
    first = cause == NO_CAUSE
    assert (start[first] == 0).all(), "what has no cause begins with the run"
    np.testing.assert_allclose(end[cause[~first]], start[~first], rtol=1e-12)


def leads_back_to_the_start(trace: Trace) -> None:
    """From every worker's every end."""
    rows = trace.activities.columns
    kind, end, cause, lasted = rows["kind"], rows["end"], rows["cause"].tolist(), (rows["end"] - rows["start"]).tolist()
    ends = np.flatnonzero(kind == "end")
    assert len(ends) == len(trace.steps)
    np.testing.assert_allclose(np.sort(end[ends]), np.sort(trace.steps["end"]), rtol=1e-12)
    for row in ends:
        passed, at = 0.0, int(row)
        while at != NO_CAUSE:
            assert cause[at] < at
            passed, at = passed + lasted[at], cause[at]
        assert passed == pytest.approx(float(end[row]), rel=1e-9)


def parts_sum_to_the_iteration_time(trace: Trace) -> None:
    path = critical_path(trace)
    time = trace.summary()["iteration_time_s"]
    assert path.length == pytest.approx(time, rel=1e-9)
    assert sum(path.decomposition.values()) == pytest.approx(time, rel=1e-9)
    assert path.decomposition["other"] == 0, "all time on the path has a name"
    follows = [isclose(next_.start, one.end) or next_.start == 0 for one, next_ in pairwise(path.steps)]
    assert all(follows), "steps meet end to start; where workers go their own ways, each has such a chain"


def has_all_records(trace: Trace) -> None:
    """Each transfer is a message, and all that hosts do lies within something that they are known to do."""
    rows = trace.activities.columns
    messages = rows["kind"] == "message"
    columns = (rows[name][messages] for name in ("host", "to", "start", "begin", "end"))
    sent = sorted(zip(*(column.tolist() for column in columns), strict=True))
    assert sent == sorted((t.src, t.dst, t.sent, t.start, t.end) for t in trace.transfers)
    for name in ("latency", "overhead", "wire"):
        assert (rows[name] >= 0).all()
    spent = rows["end"] - rows["start"] - rows["latency"] - rows["overhead"] - rows["wire"]
    assert (spent[messages] >= -1e-9 * rows["end"][messages]).all(), "a message takes what it must"
    done = sum((rows["end"] - rows["start"])[(rows["kind"] == "forward") | (rows["kind"] == "backward")])
    spans = trace.spans
    computing = (spans["phase"] == "forward") | (spans["phase"] == "backward")
    assert sum((spans["end"] - spans["start"])[computing]) == pytest.approx(done, rel=1e-9)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values())))
def test_every_activity_begins_when_its_cause_ends(kind: dict[str, Any], network: str) -> None:
    trace = played({"job.strategy": kind, **NETWORKS[network]})
    begins_when_its_cause_ends(trace)
    leads_back_to_the_start(trace)
    parts_sum_to_the_iteration_time(trace)
    has_all_records(trace)


def fast_agrees(scenario: Scenario, reference: Trace | None = None) -> bool:
    """Where the fast engine follows causes, they are as whole, and the path is made of the same."""
    trace = simulate(scenario, engine="fast")
    if trace.engine != "fast" or not len(trace.activities):
        return False
    reference = reference or simulate(scenario, engine="simpy")
    begins_when_its_cause_ends(trace)
    leads_back_to_the_start(trace)
    parts_sum_to_the_iteration_time(trace)
    has_all_records(trace)
    one, other = critical_path(trace), critical_path(reference)
    assert one.decomposition == pytest.approx(other.decomposition, rel=1e-9, abs=1e-9 * other.length)
    assert len(trace.activities) == len(reference.activities)
    return True


PATTERNS: dict[str, dict[str, Any]] = {
    "overlap": {},
    "no overlap": {"job.overlap": False},
    "one bucket": {"job.bucket": "all"},
    "jitter": {"noise.jitter": 0.3},
    "slow adding": {"cluster.reduction_rate": "0.1 GB/s", "noise.jitter": 0.1},
    "free adding": {"cluster.reduction_rate": "1 PB/s"},
    "two workers": {"cluster.group": [{"count": 2}]},
    "one worker": {"cluster.group": [{"count": 1}]},
}


@pytest.mark.parametrize("changes", PATTERNS.values(), ids=PATTERNS)
def test_both_engines_explain_an_iteration_alike(changes: dict[str, Any]) -> None:
    followed = set()
    for kind in (kind for kind in KINDS if kind.get("slices") == 1):
        scenario = loading.from_table(BASE, {"job.strategy": kind, **changes})
        if fast_agrees(scenario):
            followed.add(kind["kind"])
    assert {"ring", "halving_doubling"} <= followed, "rounds in which no two messages meet are followed by both"


def by_pair(transfers: Columns[Transfer]) -> Columns[Transfer]:
    """In an order that does not hang on last digits: from whom, to whom, and of these as they were sent."""
    order = np.lexsort([transfers[name] for name in ("sent", "dst", "src", "iteration")])
    return Columns.of(Transfer, *(column[order] for column in transfers.columns.values()))


@pytest.mark.parametrize("pattern", ["overlap", "one bucket", "slow adding"])
def test_both_engines_explain_slices_that_follow_one_another_alike(pattern: str, same_rows: Any) -> None:
    changes = {"cluster.reduction_rate": "1 PB/s", "job.model.layers": LARGE, "iterations": 1, **PATTERNS[pattern]}
    followed = 0
    for kind in FLIGHTS:
        scenario = loading.from_table(BASE, {"job.strategy": kind, **changes})
        reference, other = (simulate(scenario, engine=engine) for engine in ("simpy", "fast"))
        followed += fast_agrees(scenario, reference)
        same_rows(by_pair(reference.transfers), by_pair(other.transfers))
    assert followed, "rings are played at a stroke"


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    network=st.sampled_from(sorted(NETWORKS)),
    bucket=st.sampled_from(["layer", "all", "1.5 MB"]),
    overlap=st.booleans(),
    streams=st.integers(1, 3),
    jitter=st.sampled_from([0.0, 0.2]),
    workers=st.integers(1, 6),
)
def test_causes_hold_for_jobs_that_are_drawn(
    kind: dict[str, Any], network: str, bucket: str, overlap: bool, streams: int, jitter: float, workers: int
) -> None:
    if kind["kind"] == "parameter_server":
        kind, streams = {**kind, "servers": 1}, 1
    changes = {"job.strategy": kind, "job.bucket": bucket, "job.overlap": overlap, "job.streams": streams}
    noise = {"noise.jitter": jitter, "cluster.group": [{"count": workers}], "iterations": 1}
    scenario = loading.from_table(BASE, {**changes, **noise, **NETWORKS[network]})
    trace = simulate(scenario, engine="simpy")
    begins_when_its_cause_ends(trace)
    leads_back_to_the_start(trace)
    parts_sum_to_the_iteration_time(trace)
    fast_agrees(scenario, trace)


def test_of_the_last_iteration_alone_causes_are_kept_from_its_start_on() -> None:
    whole, last = played({}), played({}, detail="last")
    assert 0 < len(last.activities) < len(whole.activities)
    begun = last.activities["start"][last.activities["cause"] == NO_CAUSE]
    assert begun.max() <= whole.steps["end"][:5].max() * (1 + 1e-12)
    assert len(played({}, detail="summary").activities) == 0
