"""The gate to the network where hosts stop: when a message goes, over which server, and who it is said to wait for."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from netsim.engine.record.causes import Causal, lasting
from netsim.engine.reference.stops import Gate
from netsim.errors import RunError
from netsim.outages import Recovery

Aways = dict[int, list[tuple[float, float]]]
AWAY_FOR_EVER = (2.0, math.inf)


class Known:
    """Outages as given: from when to when each host is away."""

    def __init__(self, aways: Aways) -> None:
        self._aways = aways

    def away(self, host: int, now: float) -> tuple[float, float] | None:
        return next((each for each in self._aways.get(host, []) if each[0] <= now < each[1]), None)

    def next(self, host: int, now: float) -> float:
        return min((begin for begin, _ in self._aways.get(host, []) if begin >= now), default=math.inf)


class Place:
    """Two workers, w0 and w1, and servers s2, s3, ...; what was sent, logged, and is known to be stopped."""

    def __init__(self, aways: Aways, count: int = 2, **recovery: Any) -> None:
        self.env = Causal(range(10), ["bucket"])
        self.sent: list[tuple[float, int, int]] = []
        self.stopped: list[tuple[int, float, float, float]] = []  # who, from, to, lost
        self.idle: list[tuple[int, float]] = []
        network: Any = SimpleNamespace(env=self.env, send=self._send, window=lambda src, dst: 10.0 * src + dst)
        log: Any = SimpleNamespace(
            stopped=lambda host, _, *times: self.stopped.append((host, *times)),
            idle=lambda *given: self.idle.append(given),
        )
        job = SimpleNamespace(recovery=Recovery(**recovery))
        hosts = ("w0", "w1", *(f"s{2 + number}" for number in range(count)))
        plan: Any = SimpleNamespace(workers=2, hosts=hosts, scenario=SimpleNamespace(job=job))
        outages: Any = Known(aways)
        self.gate = Gate(plan, outages, network, log)

    def _send(self, src: int, dst: int, nbytes: float, then: Any, **how: Any) -> None:
        self.sent.append((self.env.now, src, dst))

    def send(self, src: int, dst: int, *, at: float) -> list[tuple[float, int, int]]:
        """When a message went that was to go then, and between which hosts; and all the rest happens."""
        if at:
            self.env.run(until=at)
        self.gate.send(src, dst, 1.0, print, label=(0, 0))
        self.env.run()
        return self.sent

    @property
    def waited_for(self) -> list[tuple[int, float, float]]:
        """Of activities: whose stop, from when to when."""
        return [(row.host, row.start, row.end) for row in self.env.activities if row.kind == "stopped"]

    def live(self, *waits: Any, host: int = 0, works: bool = True) -> list[float]:
        """When each wait of a life was over: (kind or "", seconds) or (kind, seconds, iteration)."""
        over: list[float] = []

        def life() -> Any:
            for kind, seconds, *iteration in waits:
                event = self.env.timeout(seconds)
                yield lasting(event, kind, host, (iteration[0] if iteration else 0, None)) if kind else event
                over.append(self.env.now)

        self.env.process(self.gate.living(host, life(), works=works))
        self.env.run()
        return over


# Messages


@pytest.mark.parametrize(
    ("aways", "went", "waited_for"),
    [
        ({}, 3.0, []),
        ({0: [(5.0, 6.0)]}, 3.0, []),  # not yet
        ({0: [(1.0, 3.0)]}, 3.0, []),  # back just now
        ({0: [(1.0, 4.0)]}, 4.0, [(0, 3.0, 4.0)]),
        ({1: [(3.0, 4.0)]}, 4.0, [(1, 3.0, 4.0)]),
        ({0: [(1.0, 4.0)], 1: [(1.0, 5.0)]}, 5.0, [(1, 3.0, 5.0)]),
        ({0: [(1.0, 5.0)], 1: [(1.0, 4.0)]}, 5.0, [(0, 3.0, 5.0)]),
        ({0: [(1.0, 4.0)], 1: [(2.0, 4.0)]}, 4.0, [(1, 3.0, 4.0)]),  # both: for its receiver
        ({0: [(1.0, 4.0)], 1: [(4.0, 6.0)]}, 6.0, [(0, 3.0, 4.0), (1, 4.0, 6.0)]),
    ],
)
def test_a_message_goes_when_both_its_ends_are_there(aways: Aways, went: float, waited_for: Any) -> None:
    place = Place(aways)
    assert place.send(0, 1, at=3.0) == [(went, 0, 1)]
    assert place.waited_for == waited_for


def test_a_message_to_a_host_that_never_returns_never_goes() -> None:
    assert Place({1: [AWAY_FOR_EVER]}).send(0, 1, at=3.0) == []


def test_a_windows_size_is_asked_of_the_network() -> None:
    assert Place({}).gate.window(1, 3) == 13.0


@pytest.mark.parametrize(
    ("aways", "at", "went"),
    [
        ({2: [(1.0, 9.0)]}, 2.0, (4.0, 0, 3)),  # the replica is there at 4
        ({2: [(1.0, 9.0)]}, 4.0, (4.0, 0, 3)),
        ({2: [(1.0, 9.0)]}, 8.0, (8.0, 0, 3)),
        ({2: [(1.0, 3.5)]}, 2.0, (3.5, 0, 2)),  # it is back before its replica would be there
        ({2: [(1.0, 4.0)]}, 2.0, (4.0, 0, 2)),  # or just then
        ({2: [(1.0, 9.0)], 3: [(1.0, 9.0)]}, 5.0, (5.0, 0, 4)),
        ({4: [(1.0, 9.0)]}, 5.0, (5.0, 0, 2)),  # behind the last comes the first
        ({4: [(1.0, 9.0)], 2: [(1.0, 9.0)]}, 5.0, (5.0, 0, 3)),
        ({2: [(1.0, 9.0)], 3: [(1.0, 5.0)]}, 5.0, (5.0, 0, 3)),  # which has just come back
    ],
)
def test_keys_of_a_server_go_to_the_next_one_that_is_there(aways: Aways, at: float, went: Any) -> None:
    servers = next(iter(aways))
    place = Place(aways, 3, servers="replica", failover=3.0)
    assert place.send(0, servers, at=at) == [went]


def test_where_no_server_is_left_keys_go_to_the_one_that_has_them() -> None:
    place = Place({2: [(1.0, 9.0)]}, 1, servers="replica", failover=3.0)
    assert place.send(0, 2, at=5.0) == [(5.0, 0, 2)]


def test_a_worker_has_no_replica() -> None:
    place = Place({1: [(1.0, 9.0)]}, servers="replica", failover=3.0)
    assert place.send(2, 1, at=5.0) == [(9.0, 2, 1)]


def test_without_replicas_keys_wait_for_their_server() -> None:
    assert Place({2: [(1.0, 9.0)]}).send(0, 2, at=5.0) == [(9.0, 0, 2)]


# Lives: what is lost and done again


def test_a_life_that_nothing_interrupts_takes_its_time() -> None:
    place = Place({0: [(9.0, 10.0)], 1: [(1.0, 2.0)]})
    assert place.live(("forward", 2.0), ("backward", 3.0)) == [2.0, 5.0]
    assert (place.stopped, place.idle, place.waited_for) == ([], [], [])


def test_what_a_worker_has_computed_of_its_step_is_done_again() -> None:
    """2 s forward and 1 of 3 s backward are lost at 3; back at 5, restarted at 5.5, it does 3 s again and then the 2 s
    that were left."""
    place = Place({0: [(3.0, 5.0)]}, restart=0.5)
    assert place.live(("forward", 2.0), ("backward", 3.0), ("update", 1.0)) == [2.0, 5.5 + 3 + 2, 11.5]
    assert place.stopped == [(0, 3.0, 5.0, 3.0)]
    assert place.idle == []
    assert place.waited_for == [(0, 3.0, 5.0)]
    redone = [(row.start, row.end) for row in place.env.activities if row.kind == "redo"]
    assert redone == [(5.0, 10.5)]
    cut = [(row.kind, row.start, row.end) for row in place.env.activities][:2]
    assert cut == [("forward", 0.0, 2.0), ("backward", 2.0, 3.0)]


def test_a_step_that_is_over_is_not_lost() -> None:
    place = Place({0: [(3.0, 5.0)]})
    assert place.live(("forward", 2.0, 0), ("forward", 2.0, 1)) == [2.0, 5.0 + 1 + 1]
    assert place.stopped == [(0, 3.0, 5.0, 1.0)]


def test_what_was_done_again_is_lost_with_the_next_stop() -> None:
    """Of 4 s, 1 is lost at 1; from 2 on it is done again, and lost once more at 4, with what followed: 2 s."""
    place = Place({0: [(1.0, 2.0), (4.0, 5.0)]})
    assert place.live(("forward", 4.0)) == [9.0]
    assert place.stopped == [(0, 1.0, 2.0, 1.0), (0, 4.0, 5.0, 2.0)]


def test_a_stop_at_the_end_of_an_activity_comes_after_it() -> None:
    """And where nothing is computed any more, it loses what was."""
    place = Place({0: [(2.0, 3.0)]})
    assert place.live(("forward", 2.0), ("backward", 1.0)) == [2.0, 3.0 + 2 + 1]
    assert place.stopped == [(0, 2.0, 3.0, 2.0)]


def test_a_worker_that_waits_loses_its_step_and_stands_still_for_as_long() -> None:
    """It waits from 2 on for something that happens at 6; away from 3 to 4, it does 2 s again until 6."""
    place = Place({0: [(3.0, 4.0)]})
    assert place.live(("forward", 2.0), ("", 4.0)) == [2.0, 6.0]
    assert (place.stopped, place.idle) == ([(0, 3.0, 4.0, 2.0)], [(0, 3.0)])
    later = Place({0: [(3.0, 9.0)]}, restart=1.0)
    assert later.live(("forward", 2.0), ("", 4.0)) == [2.0, 9.0 + 1 + 2]
    assert (later.stopped, later.idle) == ([(0, 3.0, 9.0, 2.0)], [(0, 9.0)])


def test_a_server_loses_only_what_it_is_at() -> None:
    """2 s of reducing are done with at 2; 1 of the next 3 s is lost at 3."""
    place = Place({2: [(3.0, 5.0)]}, restart=0.5)
    assert place.live(("reduce", 2.0), ("reduce", 3.0), host=2, works=False) == [2.0, 5.5 + 1 + 2]
    assert (place.stopped, place.idle) == ([(2, 3.0, 5.0, 1.0)], [])


def test_a_servers_replica_goes_on_where_it_stopped() -> None:
    for failover, back in ((1.0, 4.0), (5.0, 5.0)):  # the server itself is back at 5
        place = Place({2: [(3.0, 5.0)]}, servers="replica", failover=failover)
        assert place.live(("reduce", 2.0), ("reduce", 3.0), host=2, works=False) == [2.0, back + 3]
        assert place.stopped == [(2, 3.0, back, 1.0)]


def test_a_worker_that_stays_away_is_dropped_after_its_timeout_and_taken_up_when_it_is_back() -> None:
    for timeout, heard in (
        (1.0, [("leave", 4.0), ("join", 5.0)]),
        (2.0, [("join", 5.0)]),
        (1.5, [("leave", 4.5), ("join", 5.0)]),
    ):
        place = Place({0: [(3.0, 5.0)]}, workers="drop", timeout=timeout)
        told: list[tuple[str, float]] = []
        place.gate.leave = lambda worker: told.append(("leave", place.env.now))  # noqa: B023
        place.gate.join = lambda worker: told.append(("join", place.env.now))  # noqa: B023
        place.live(("forward", 4.0))
        assert told == heard


def test_one_that_waits_is_neither_dropped_nor_taken_up() -> None:
    place = Place({0: [(3.0, 5.0)]})
    place.gate.leave = place.gate.join = lambda worker: pytest.fail("was told")
    place.live(("forward", 4.0))


def test_a_life_ends_with_a_host_that_never_returns() -> None:
    place = Place({0: [AWAY_FOR_EVER]}, workers="drop", timeout=1.0)
    left: list[float] = []
    place.gate.leave = lambda worker: left.append(place.env.now)
    assert place.live(("forward", 1.0), ("backward", 3.0)) == [1.0]
    assert (left, place.stopped) == ([3.0], [(0, 2.0, math.inf, 2.0)])


@pytest.mark.parametrize(("stops", "ends"), [(100, True), (101, False)])
def test_a_hundred_stops_before_anything_is_done_are_borne(stops: int, ends: bool) -> None:
    """Each second the worker is there for half of it, and needs a whole one."""
    aways: Aways = {0: [(number + 0.5, number + 1.0) for number in range(stops)]}
    place = Place(aways)
    if ends:
        assert place.live(("forward", 1.0)) == [stops + 1.0]
        return
    with pytest.raises(RunError, match=r"^w0 has stopped 100 times before"):
        place.live(("forward", 1.0))


def test_what_was_done_between_stops_makes_them_count_anew() -> None:
    aways: Aways = {0: [(2.0 * number + 1.5, 2.0 * number + 2.0) for number in range(150)]}
    place = Place(aways)
    over = place.live(*(("forward", 1.0, number) for number in range(150)))
    assert len(over) == 150


# Checkpoints


def test_with_checkpoints_everybody_stands_still_and_goes_on_where_it_was() -> None:
    """Worker 1 is away from 3 to 5: 3 s are done again after 0.5 s of restarting, until 8.5. Worker 0 was 1 s into its
    backward pass, and has 2 s left of it."""
    place = Place({1: [(3.0, 5.0)]}, checkpoint_every=1, restart=0.5)
    assert place.live(("forward", 2.0), ("backward", 3.0)) == [2.0, 8.5 + 2]
    assert place.stopped == [(1, 3.0, 5.0, 3.0)]
    assert place.waited_for == [(0, 3.0, 8.5)]


def test_messages_wait_until_the_job_is_where_it_was() -> None:
    place = Place({1: [(3.0, 5.0)]}, checkpoint_every=1, restart=0.5)
    place.gate._go_back(3.0)
    assert place.send(0, 1, at=4.0) == [(8.5, 0, 1)]
    late = Place({1: [(3.0, 5.0)]}, checkpoint_every=1, restart=0.5)
    late.gate._go_back(3.0)
    assert late.send(0, 1, at=9.0) == [(9.0, 0, 1)]


def test_a_host_that_stops_meanwhile_makes_going_back_begin_anew() -> None:
    """Worker 0 stops at 6, on the way back from worker 1's stop at 3: back at 7, 3 s are to be done again until 10. Of
    those that stop at one moment, the last that returns counts."""
    for second, end in (
        ((6.0, 7.0), 10.0),
        ((8.0, 9.0), 12.0),
        ((8.1, 9.0), 8.0),
        ((3.0, 4.0), 8.0),
        ((4.0, 4.5), 8.0),
        ((3.0, 6.0), 9.0),
    ):
        place = Place({1: [(3.0, 5.0)], 0: [second]}, checkpoint_every=1)
        assert place.gate._go_back(3.0) == end, second
        assert place.gate._go_back(3.0) == end  # it is worked out once
        assert place.gate._frozen == end - 3.0
        assert {row[3] for row in place.stopped} == {3.0}


def test_time_since_the_checkpoint_that_nobody_could_use_is_not_done_again() -> None:
    place = Place({1: [(3.0, 5.0), (10.0, 11.0)]}, checkpoint_every=1)
    assert place.gate._go_back(3.0) == 8.0  # 3 s lost
    assert place.gate._go_back(10.0) == 11.0 + 3 + 2  # and of the 10 until then, 5 stood still
    place.gate._saved_at, place.gate._frozen = 9.0, 0.0
    place.gate._ends.clear()
    assert place.gate._go_back(10.0) == 11.0 + 1


def test_a_job_saves_when_all_workers_have() -> None:
    """After every second iteration; what the last of two workers has saved counts from then on."""
    place = Place({}, checkpoint_every=2, checkpoint=0.25)
    steps = [("update", 1.0, number) for number in range(4)]

    def slow() -> Any:
        for _, seconds, number in steps:
            yield lasting(place.env.timeout(2 * seconds), "update", 1, (number, None))

    place.env.process(place.gate.living(1, slow()))
    seen: list[tuple[float, float]] = []

    def watch() -> Any:
        for _ in range(40):
            yield place.env.timeout(0.25)
            seen.append((place.env.now, place.gate._saved_at))

    place.env.process(watch())
    assert place.live(*steps) == [1.0, 2.25, 3.25, 4.5]  # saved before it goes on
    assert [saved for saved in dict.fromkeys(saved for _, saved in seen)] == [0.0, 4.25, 8.5]
    assert {row.kind: row.end - row.start for row in place.env.activities}["checkpoint"] == 0.25


def test_a_job_that_stops_a_hundred_times_on_its_way_back_is_borne_and_no_more() -> None:
    for stops, ends in ((100, True), (101, False)):
        place = Place({1: [(2.0 * number + 1, 2.0 * number + 2) for number in range(stops)]}, checkpoint_every=1)
        if ends:
            assert place.gate._go_back(1.0) == 2.0 * stops + 1
        else:
            with pytest.raises(RunError, match=r"^w1 has stopped 100 times"):
                place.gate._go_back(1.0)
