"""What servers do with pushes: in which order, and what it costs; and what each worker sends to whom first."""

from __future__ import annotations

from typing import Any

import pytest

from netsim import loading
from netsim.engine.plan import plan
from netsim.engine.record.log import Log
from netsim.engine.reference.servers import Push, Servers
from netsim.engine.reference.sharing import SHARING

BASE: dict[str, Any] = {
    "iterations": 4,
    "cluster": {"workers": 3, "device": "v100", "link": {"rate": "1 kB/s", "latency": "0 s"}},
    "job": {
        "model": {"layers": [
            {"kind": "dense", "input_shape": [10], "units": 10, "bias": False, "name": name} for name in "ab"
        ]},
        "batch": 1, "bucket": "layer", "strategy": {"kind": "parameter_server", "servers": 2},
    },
}  # fmt: skip


class Place:
    """Servers whose workers do nothing but what a test has them do; who sent what to whom, in the order of sending."""

    def __init__(self, **changes: Any) -> None:
        self.plan = plan(loading.from_table(BASE, {name.replace("__", "."): value for name, value in changes.items()}))
        self.log = Log(self.plan, "full")
        self.env = self.log.clock()
        network = SHARING["fair"](self.env, self.plan.topology, self.log.delivered)
        self.exchange = Servers(self.plan, network, self.log)
        self.sent: list[tuple[int, int, float, int]] = []
        send = self.exchange.network.send

        def noted(src: int, dst: int, nbytes: float, then: Any, **how: Any) -> None:
            self.sent.append((src, dst, nbytes, how["order"]))
            send(src, dst, nbytes, then, **how)

        self.exchange.network.send = noted  # type: ignore[method-assign]


def test_a_worker_pushes_to_the_server_after_its_own_number_first_slice_by_slice() -> None:
    place = Place(job__strategy={**BASE["job"]["strategy"], "slices": 2})
    for worker in range(3):
        place.exchange.offer(worker, 0, 0)
    first, second = 3, 4
    for worker, servers in ((0, (second, first)), (1, (first, second)), (2, (second, first))):
        pushed = [row for row in place.sent if row[0] == worker]
        assert pushed == [(worker, server, 100.0, order) for order, server in enumerate(servers * 2)]


def test_a_server_answers_the_worker_after_its_own_number_first() -> None:
    place = Place()
    for worker in range(3):
        place.exchange.offer(worker, 0, 0)
    place.env.run()
    for server, workers in ((3, (1, 2, 0)), (4, (2, 0, 1))):
        answers = [row for row in place.sent if row[0] == server]
        assert answers == [(server, worker, 200.0, order) for order, worker in enumerate(workers)]


def test_weights_that_are_pulled_alone_are_asked_for_with_nothing() -> None:
    place = Place(job__forward_only=True)
    place.exchange.offer(0, 0, 1)
    assert [nbytes for _, _, nbytes, _ in place.sent] == [0.0, 0.0]
    place.env.run()
    assert [(src, dst, nbytes) for src, dst, nbytes, _ in place.sent[2:]] == [(4, 0, 200.0), (3, 0, 200.0)]


@pytest.mark.parametrize(("schedule", "priorities"), [("fifo", [0, 0]), ("priority", [1, 0])])
def test_an_inbox_is_in_order_of_urgency_then_of_arrival(schedule: str, priorities: list[int]) -> None:
    """A server that has another look at its keys does so in its turn."""
    place = Place(job__schedule=schedule)
    server = place.exchange.servers[0]
    server.put(None, 0)
    for bucket in range(2):
        place.exchange._put(server, Push(0, 0, bucket, 0), None)  # type: ignore[arg-type]
    items = sorted(server.inbox.items)
    expected = sorted([((0, 0), None), *(((priorities[b], 1 + b), Push(0, 0, b, 0)) for b in range(2))])
    assert [(item.priority, item.item) for item in items] == expected


def test_workers_with_iterations_of_their_own_share_out_as_many_as_in_step() -> None:
    place = Place(job__strategy={"kind": "parameter_server", "mode": "async"})
    lives = [place.exchange.iterations(worker) for worker in range(3)]
    left: list[int] = []
    place.exchange.leave = left.append  # type: ignore[method-assign]
    assert [next(lives[0]) for _ in range(9)] == list(range(9))
    assert [next(lives[1]) for _ in range(3)] == [0, 1, 2]  # 3 workers at 4 iterations are 12
    assert (list(lives[2]), list(lives[0]), left) == ([], [], [2, 0])


def test_one_that_was_left_behind_goes_on_with_the_newest() -> None:
    place = Place(iterations=9)
    life = place.exchange.iterations(0)
    assert [next(life), next(life)] == [0, 1]
    place.exchange._updates.version = 5
    assert [next(life), next(life)] == [5, 6]
    place.exchange._updates.version = 9
    assert list(life) == []


def test_what_servers_moved_and_how_long_they_were_busy() -> None:
    """Each of 2 servers gets and gives 200 bytes of 3 workers, at 1 kB/s, and adds 3 times 200 at 2 kB/s."""
    place = Place(cluster__server_rate="1 kB/s", cluster__reduction_rate="2 kB/s")
    for worker in range(3):
        place.exchange.offer(worker, 0, 0)
    place.env.run()
    place.exchange.ended()
    assert [(use.host, use.nbytes) for use in place.log.servers] == [(3, 1200.0), (4, 1200.0)]
    assert [use.busy for use in place.log.servers] == pytest.approx([1.2 + 0.3] * 2)


def test_a_workers_own_server_needs_no_software() -> None:
    """Servers stand beside workers 0 and 1: each handles the messages of two workers, not of its own."""
    strategy = {"kind": "parameter_server", "servers": 2, "placement": "colocated"}
    place = Place(job__strategy=strategy, cluster__server_rate="1 kB/s")
    for worker in range(3):
        place.exchange.offer(worker, 0, 0)
    place.env.run()
    place.exchange.ended()
    assert [(use.host, use.nbytes) for use in place.log.servers] == [(0, 1200.0), (1, 1200.0)]
    assert [use.busy for use in place.log.servers] == pytest.approx([0.8] * 2)
