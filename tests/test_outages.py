"""When hosts are away, without a clock."""

from __future__ import annotations

import math
from itertools import islice

import pytest

from netsim.errors import ScenarioError
from netsim.outages import Outages, Recovery, Stop

HOSTS = ["worker0", "worker1", "server0"]


def test_a_stop_names_one_host_or_all_of_a_kind() -> None:
    assert Stop(host="worker1", at=1.0).among(HOSTS) == ["worker1"]
    assert Stop(host="workers", at=1.0).among(HOSTS) == ["worker0", "worker1"]
    with pytest.raises(ScenarioError, match=r"no host 'worker7'; there are worker0 \.\. worker1, server0"):
        Stop(host="worker7", at=1.0).among(HOSTS)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "either at"),
        ({"at": 1.0, "mtbf": 1.0, "mttr": 1.0}, "either at"),
        ({"mtbf": 1.0}, "either at"),
        ({"mtbf": 1.0, "mttr": 1.0, "lasts": 1.0}, "lasts belongs to at"),
        ({"mtbf": 0.0, "mttr": 1.0}, "mtbf must be more"),
        ({"mtbf": 1.0, "mttr": 0.0}, "mttr must be more"),
        ({"at": 1.0, "lasts": 0.0}, "lasts must be more"),
    ],
)
def test_a_stop_is_given_or_drawn(fields: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Stop(host="worker0", **fields)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"timeout": 1.0}, "timeout is for"),
        ({"failover": 1.0}, "failover is for"),
        ({"checkpoint": 1.0}, "checkpoint_every"),
        ({"checkpoint_every": 1, "workers": "drop"}, "not both"),
    ],
)
def test_a_recovery_says_nothing_that_would_move_nothing(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Recovery(**fields)


def test_outages_that_overlap_are_one() -> None:
    stops = [Stop(host="worker0", at=1.0, lasts=3.0), Stop(host="workers", at=2.0, lasts=4.0)]
    outages = Outages(stops, HOSTS, seed=0)
    assert outages.away(0, 1.5) == (1.0, 6.0)
    assert outages.away(0, 6.0) is None
    assert outages.away(1, 1.5) is None and outages.away(1, 2.0) == (2.0, 6.0)
    assert (outages.next(0, 0.0), outages.next(0, 6.0), outages.next(2, 0.0)) == (1.0, math.inf, math.inf)


def test_who_does_not_return_is_away_for_ever() -> None:
    assert Outages([Stop(host="worker0", at=1.0)], HOSTS, seed=0).away(0, 1e9) == (1.0, math.inf)


def test_failures_come_at_their_mean_and_last_their_mean() -> None:
    drawn = list(islice(Stop(host="workers", mtbf=10.0, mttr=2.0).outages("worker0", 1), 20_000))
    lasted = [end - begin for begin, end in drawn]
    assert sum(lasted) / len(lasted) == pytest.approx(2.0, rel=0.05)  # 7 standard errors
    assert drawn[-1][1] / len(drawn) == pytest.approx(12.0, rel=0.05)


def test_one_hosts_luck_does_not_depend_on_the_others() -> None:
    stop = [Stop(host="workers", mtbf=10.0, mttr=2.0)]
    few, many = Outages(stop, HOSTS[:1], seed=3), Outages(stop, HOSTS, seed=3)
    assert [few.next(0, t) for t in (0.0, 50.0, 500.0)] == [many.next(0, t) for t in (0.0, 50.0, 500.0)]
    assert many.next(0, 0.0) != many.next(1, 0.0)
