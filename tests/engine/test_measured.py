"""Messages beyond those that links were calibrated with: which sizes there are, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from netsim import loading
from netsim.collectives.ring import Ring
from netsim.collectives.tree import Tree
from netsim.engine.measured import _sentences, leaves_the_measured, message_sizes, outside
from netsim.engine.plan import plan
from netsim.hardware import Link, Measured


def link(least: float, most: float) -> Link:
    return Link(rate=1e9, latency=1e-5, measured=Measured(smallest=least, largest=most))


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ([2e3, 5e3], None),
        ([1e3, 9e3], None),  # just what was measured
        ([999.0, 9e3], "1 kB to 9 kB"),
        ([1e3, 9001.0], "1 kB to 9 kB"),
        ([0.0, 5e3], None),  # nothing is no message
        ([0.0, 0.0], None),
        ([], None),
    ],
)
def test_only_what_lies_beyond_what_was_measured_is_told(sizes: list[float], told: str | None) -> None:
    found = list(_sentences([link(1e3, 9e3)], sizes))
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


def test_of_several_links_each_has_a_sentence_of_its_own() -> None:
    sizes = [500.0, 20e3]
    assert len(list(_sentences([link(1e3, 9e3), link(100, 1e6), link(100, 1e4)], sizes))) == 2


def test_messages_of_a_ring_are_as_large_as_its_pieces() -> None:
    assert set(message_sizes(Ring(), 4, 1000.0)) == {250.0}
    assert set(message_sizes(Ring(slices=5), 4, 1000.0)) == {50.0}
    assert set(message_sizes(Tree(), 4, 1000.0)) == {1000.0}
    uneven = list(message_sizes(Ring(element=4.0, slices=2), 3, 56.0))  # 14 elements in 6 pieces: of 2 and of 3
    assert set(uneven) == {8.0, 12.0}


def test_a_rank_alone_sends_nothing_that_could_be_beyond() -> None:
    narrow = link(1.0, 2.0)
    assert outside(Ring(), 1, 1e6, narrow) == ()
    assert len(outside(Ring(), 2, 1e6, narrow)) == 1
    assert outside(Ring(), 2, 1e6, Link(rate=1e9, latency=1e-5)) == ()
    assert outside(Ring(), 2, 1e6, link(5e5, 5e5)) == ()


BASE: dict[str, Any] = {
    "cluster": {
        "workers": 2, "device": "v100",
        "link": {"rate": "1 GB/s", "latency": "10 us", "measured": {"smallest": "1 kB", "largest": "600 kB"}},
    },
    "job": {
        "model": {"layers": [{"kind": "dense", "input_shape": [500], "units": 500, "bias": False, "name": "only"}]},
        "batch": 4, "strategy": "ring",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({}, 0),  # 500 kB a message
        ({"job.strategy": "binomial_tree"}, 1),  # 1 MB
        ({"job.strategy": "binomial_tree", "cluster.workers": 1}, 0),
        ({"job.strategy": {"kind": "binomial_tree", "slices": 2}}, 0),
        ({"job.strategy": "parameter_server"}, 1),
        ({"job.strategy": {"kind": "parameter_server", "servers": 2}}, 0),
        ({"job.strategy": {"kind": "parameter_server", "slices": 2}}, 0),
    ],
    ids=str,
)
def test_a_job_is_warned_of_what_its_messages_are_beyond(changes: dict[str, Any], warned: int) -> None:
    assert len(leaves_the_measured(plan(loading.from_table(BASE, changes)))) == warned
