"""In which turn buckets are all-reduced where that is decided for all workers alike, and who waits for whom."""

from __future__ import annotations

from typing import Any

import pytest

from netsim import loading
from netsim.engine.plan import plan
from netsim.engine.record.log import Log
from netsim.engine.reference.allreduces import AllReduces, Fused, InTurn, Prioritised
from netsim.engine.reference.sharing import SHARING

BASE: dict[str, Any] = {
    "iterations": 3,
    "cluster": {"workers": 2, "device": "v100", "link": {"rate": "1 kB/s", "latency": "0 s"}},
    "job": {
        "model": {"layers": [
            {"kind": "dense", "input_shape": [10], "units": 10, "bias": False, "name": name} for name in "abc"
        ]},
        "batch": 1, "strategy": "ring", "bucket": "layer",
    },
}  # fmt: skip
HOROVOD = {"job.bucket": {"kind": "horovod", "cycle": "2 s", "threshold": "1 kB"}}  # two buckets of 400 bytes


class Site:
    """An exchange whose workers do nothing but what a test has them do; which turns were decided when."""

    def __init__(self, kind: type[Any], **changes: Any) -> None:
        self.plan = plan(loading.from_table(BASE, {name.replace("__", "."): value for name, value in changes.items()}))
        self.log = Log(self.plan, "full")
        self.env = self.log.clock()
        self.network = SHARING["fair"](self.env, self.plan.topology, self.log.delivered)
        self.decided: list[tuple[float, Any]] = []
        self.exchange = kind(self.plan, self.network, self.log)
        if isinstance(self.exchange, InTurn):
            decide = self.exchange._decide

            def noted(turn: Any) -> None:
                self.decided.append((self.env.now, turn))
                decide(turn)

            self.exchange._decide = noted  # type: ignore[method-assign]

    def at(self, when: float, *offers: tuple[int, int, int]) -> None:
        """Workers offer buckets then: (worker, iteration, bucket)."""

        def offering() -> Any:
            yield self.env.timeout(when)
            for offer in offers:
                self.exchange.offer(*offer)

        self.env.process(offering())

    def run(self) -> list[tuple[float, Any]]:
        self.env.run()
        return self.decided

    @property
    def sent(self) -> list[tuple[float, float, str]]:
        """From when to when messages of which bucket went, once each."""
        return sorted({(row.sent, row.end, row.label) for row in self.log.transfers})


def both(iteration: int, *buckets: int) -> list[tuple[int, int, int]]:
    return [(worker, iteration, bucket) for bucket in buckets for worker in (0, 1)]


@pytest.mark.parametrize(
    ("when", "tick"), [(0.0, 0.0), (0.1, 2.0), (1.9, 2.0), (2.0, 2.0), (2.1, 4.0), (4.0 * (1 + 1e-13), 4.0), (6.0, 6.0)]
)
def test_what_is_ready_is_fused_at_the_next_whole_cycle(when: float, tick: float) -> None:
    site = Site(Fused, **HOROVOD)
    site.at(when, *both(0, 0))
    ((found, turn),) = site.run()
    assert (found, turn) == (pytest.approx(tick, abs=1e-12), (0, (0,)))


def test_a_cycle_fuses_what_all_workers_have_at_its_end_as_far_as_it_fits() -> None:
    """Buckets 0 and 1 are there at 1 and 2 s, at which the cycle ends; 2 at 2.5 s; of 3 a buffer holds two."""
    site = Site(Fused, **HOROVOD)
    site.at(1.0, *both(0, 0))
    site.at(2.0, *both(0, 1))
    site.at(2.5, *both(0, 2))
    assert site.run() == [(2.0, (0, (0, 1))), (4.0, (0, (2,)))]
    together = Site(Fused, **HOROVOD)
    together.at(1.0, *both(0, 2, 0, 1))
    assert together.run() == [(2.0, (0, (2, 0))), (2.0, (0, (1,)))]
    assert together.log.collectives == 2


def test_a_bucket_that_one_worker_lacks_is_not_fused() -> None:
    site = Site(Fused, **HOROVOD)
    site.at(1.0, (0, 0, 0), (1, 0, 1))
    site.at(3.0, (1, 0, 0))
    assert site.run() == [(4.0, (0, (0,)))]


def test_iterations_are_not_fused_with_one_another() -> None:
    site = Site(Fused, **HOROVOD)
    site.at(1.0, *both(1, 0), *both(0, 1), *both(1, 2))
    assert site.run() == [(2.0, (1, (0, 2))), (2.0, (0, (1,)))]


def test_fused_buckets_are_all_reduced_as_one_named_after_its_first_and_last() -> None:
    """800 bytes in halves of 400, each 0.4 s; then 400 in halves of 200."""
    site = Site(Fused, **HOROVOD)
    site.at(2.0, *both(0, 0, 1, 2))
    site.run()
    assert [(round(start, 9), round(end, 9), label) for start, end, label in site.sent] == [
        (2.0, 2.4, "c..b"), (2.4, 2.8, "c..b"), (2.8, 3.0, "a"), (3.0, 3.2, "a")
    ]  # fmt: skip
    waits = [row for row in site.env.activities if row.kind == "cycle"]  # type: ignore[union-attr, attr-defined]
    assert all(row.host == 0 for row in waits)


def test_a_cycle_is_an_activity_of_the_first_rank() -> None:
    site = Site(Fused, **HOROVOD)
    site.at(1.5, *both(0, 0))
    site.run()
    rows = [row for row in site.env.activities if row.kind == "cycle"]  # type: ignore[attr-defined]
    assert [(row.host, row.start, row.end, row.iteration) for row in rows] == [(0, 1.5, 2.0, 0)]


URGENT = {"job.schedule": "priority"}  # buckets 0, 1, 2 are of layers c, b, a


def test_a_free_stream_takes_the_most_urgent_and_what_goes_on_is_not_interrupted() -> None:
    """400 bytes take 0.4 s: bucket 0 is alone at 1 s; at 1.2 s come 1 and the first layer's, which goes ahead."""
    site = Site(Prioritised, **URGENT)
    site.at(1.0, *both(0, 0))
    site.at(1.2, *both(0, 1, 2))
    assert [(round(when, 9), turn) for when, turn in site.run()] == [
        (1.0, (0, (0,))), (1.4, (0, (2,))), (1.8, (0, (1,)))
    ]  # fmt: skip


def test_of_two_streams_each_takes_one_and_none_is_decided_ahead() -> None:
    site = Site(Prioritised, **URGENT, job__streams=2)
    site.at(1.0, *both(0, 0, 1))
    site.at(1.1, *both(0, 2))
    found = site.run()
    assert found[:2] == [(1.0, (0, (0,))), (1.0, (0, (1,)))]
    assert found[2][1] == (0, (2,)) and found[2][0] > 1.4  # they share the links


def test_an_earlier_iteration_is_more_urgent_whatever_its_layer() -> None:
    site = Site(Prioritised, **URGENT)
    site.at(1.0, *both(0, 1))
    site.at(1.1, *both(1, 2), *both(0, 0))
    assert [turn for _, turn in site.run()] == [(0, (1,)), (0, (0,)), (1, (2,))]


def test_workers_that_came_to_an_all_reduce_wait_for_those_that_did_not() -> None:
    """Worker 0 offers buckets 0 and 1: it waits for worker 1 with 0 alone, which comes first on the stream."""
    site = Site(AllReduces)
    site.at(1.0, (0, 0, 0), (0, 0, 1))
    site.env.run()
    assert list(site.exchange.waits()) == [(0, 1, 0)]
    assert len(site.exchange._plays) == 1
    site.at(1.0, (1, 0, 0))  # in a second
    site.env.run()
    assert list(site.exchange.waits()) == [(0, 1, 1)]
    assert list(site.exchange._plays) == [(0, 1)] and dict(site.exchange._joined) == {(0, 1): 1}


def test_each_stream_has_buckets_of_its_own_in_their_order() -> None:
    """Buckets 0 and 2 on the first stream, 1 on the second: 2, though it is there, follows 0."""
    site = Site(AllReduces, job__streams=2)
    site.at(1.0, *both(0, 2))
    site.at(2.0, *both(0, 1))
    site.at(3.0, *both(0, 0))
    site.env.run()
    assert [(round(start, 9), label) for start, _, label in site.sent] == [
        (2.0, "b"), (2.2, "b"), (3.0, "c"), (3.2, "c"), (3.4, "a"), (3.6, "a")
    ]  # fmt: skip
